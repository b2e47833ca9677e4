/**
 * `POST /api/embed`, and `POST /api/embeddings` as older clients have it.
 *
 * @module
 */
import { z } from "zod";
import { type BodyLimits, readJson } from "../body.ts";
import { unitEmbeddings } from "../embed.ts";
import { type Api, type ApiContext, stopper } from "../env.ts";
import { wrongMethod } from "../failures.ts";
import type { Generator } from "../generator.ts";
import { parseBody } from "../parse_body.ts";
import { modelField } from "./fields.ts";

/** Inputs of one request at most. */
const MOST_INPUTS = 2048;

const without = {
  truncate: z.boolean().nullish()
    .describe("taken, without effect: an input that does not fit is refused"),
  options: z.record(z.string(), z.unknown()).nullish().describe("taken, without effect"),
  keep_alive: z.union([z.string(), z.number()]).nullish().describe("taken, without effect"),
};

/** The body of `/api/embed`. */
export const ollamaEmbedSchema = z.object({
  model: modelField,
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(MOST_INPUTS)])
    .describe("a text, or several"),
  dimensions: z.int().min(1).nullish().describe("only the model's own number"),
  ...without,
});

/** The body of `/api/embeddings`. */
export const ollamaEmbeddingsSchema = z.object({
  model: modelField,
  prompt: z.string().min(1).describe("a text"),
  ...without,
});

/** Adds the routes. */
export function ollamaEmbedRoutes(app: Api, generator: Generator, limits: BodyLimits): void {
  /** Embeds for as long as the client waits. */
  const embed = async (
    c: ApiContext,
    inputs: string[],
    options: { model?: string | null; dimensions?: number | null },
  ) => {
    const stop = new AbortController();
    const abort = stopper(c, stop);
    try {
      return await unitEmbeddings(generator, inputs, {
        ...options,
        model: options.model ?? "default",
        signal: stop.signal,
      });
    } finally {
      abort.release();
    }
  };
  app.post("/api/embed", async (c) => {
    const begun = performance.now();
    const { input, model, dimensions } = parseBody(
      ollamaEmbedSchema,
      await readJson(c.req.raw, limits),
    );
    const made = await embed(c, [input].flat(), { model, dimensions });
    return c.json({
      model: made.model,
      embeddings: made.vectors.map((vector) => [...vector]),
      total_duration: Math.round((performance.now() - begun) * 1_000_000),
      load_duration: 0,
      prompt_eval_count: made.tokens,
    });
  });
  app.post("/api/embeddings", async (c) => {
    const { prompt, model } = parseBody(
      ollamaEmbeddingsSchema,
      await readJson(c.req.raw, limits),
    );
    const { vectors: [vector] } = await embed(c, [prompt], { model });
    return c.json({ embedding: [...vector] });
  });
  for (const path of ["/api/embed", "/api/embeddings"]) app.all(path, wrongMethod("POST"));
}
