/**
 * `POST /v1/embeddings`.
 *
 * @module
 */
import { z } from "zod";
import { type BodyLimits, readJson } from "../body.ts";
import { type EmbedInputs, unitEmbeddings } from "../embed.ts";
import { type Api, stopper } from "../env.ts";
import { wrongMethod } from "../failures.ts";
import type { Generator } from "../generator.ts";
import { parseBody } from "../parse_body.ts";

/** Inputs of one request at most, as OpenAI has it. */
const MOST_INPUTS = 2048;

const tokenIds = z.array(z.int().min(0)).min(1);

/** The body of the request. */
export const embeddingsSchema = z.object({
  input: z.union([
    z.string().min(1),
    tokenIds,
    z.array(z.string().min(1)).min(1).max(MOST_INPUTS),
    z.array(tokenIds).min(1).max(MOST_INPUTS),
  ], {
    error:
      `expected a text, an array of token ids, or an array of at most ${MOST_INPUTS} of these, none of them empty`,
  }).describe(`a text, token ids, or a list of at most ${MOST_INPUTS} of either`),
  model: z.string().nullish().describe("`default`, or what `GET /v1/models` lists"),
  encoding_format: z.enum(["float", "base64"]).nullish()
    .describe("`base64`: the numbers as little-endian f32; usually `float`"),
  dimensions: z.int().min(1).nullish().describe("only the model's own number"),
  user: z.string().nullish().describe("taken, without effect"),
  orrery: z.strictObject({
    pooling: z.enum(["mean", "last"]).optional()
      .describe("the mean of all tokens' hidden states, or the last one's; usually `mean`"),
  }).nullish().describe("settings that only Orrery has"),
});

/** The inputs as a list: the field holds one text, one token list, or several of either. */
function inputList(input: z.infer<typeof embeddingsSchema>["input"]): EmbedInputs {
  if (typeof input === "string") return [input];
  return typeof input[0] === "number" ? [input as number[]] : input as string[] | number[][];
}

/** Adds the route. */
export function embeddingsRoute(app: Api, generator: Generator, limits: BodyLimits): void {
  app.post("/v1/embeddings", async (c) => {
    const request = parseBody(embeddingsSchema, await readJson(c.req.raw, limits));
    const stop = new AbortController();
    const abort = stopper(c, stop);
    try {
      const { model, vectors, tokens } = await unitEmbeddings(generator, inputList(request.input), {
        model: request.model ?? "default",
        pooling: request.orrery?.pooling,
        dimensions: request.dimensions,
        signal: stop.signal,
      });
      const data = vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding: request.encoding_format === "base64" ? bytesText(vector) : [...vector],
      }));
      const usage = { prompt_tokens: tokens, total_tokens: tokens };
      return c.json({ object: "list", data, model, usage });
    } finally {
      abort.release();
    }
  });
  app.all("/v1/embeddings", wrongMethod("POST"));
}

/** Base64 of the numbers' bytes. */
const bytesText = (vector: Float32Array): string =>
  new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength).toBase64();
