/**
 * What Ollama's API says of models: `/api/tags`, `/api/ps`, `/api/show` and
 * `/api/version`.
 *
 * @module
 */
import { z } from "zod";
import { type BodyLimits, readJson } from "../body.ts";
import type { Api } from "../env.ts";
import { findModel } from "../find_model.ts";
import type { Generator, ModelCard } from "../generator.ts";
import { parseBody } from "../parse_body.ts";
import { modelField } from "./fields.ts";

/** The body of `/api/show`; `name` is the older name of `model`. */
export const ollamaShowSchema = z.object({
  model: modelField,
  name: modelField.describe("the older name of `model`"),
  verbose: z.boolean().nullish().describe("taken, without effect"),
});

/**
 * The version of Ollama whose API this is. Clients compare it with the least version that they take:
 * Copilot in VS Code, for one, refuses what is below 0.6.4.
 */
const OLLAMA_API = "0.12.11";

/** Adds the routes; `version`: what this program calls itself. */
export function ollamaModelRoutes(
  app: Api,
  { generator, limits, version }: { generator: Generator; limits: BodyLimits; version: string },
): void {
  app.get("/api/version", (c) => c.json({ version: OLLAMA_API, orrery: version }));
  app.get("/api/tags", (c) => c.json({ models: generator.models().map(entryOf) }));
  app.get("/api/ps", (c) =>
    c.json({
      models: generator.models().map((card) => ({
        ...entryOf(card),
        // It stays for as long as the node serves it: a time that no client outlives.
        expires_at: "9999-12-31T23:59:59Z",
        size_vram: 0,
        context_length: card.context,
      })),
    }));
  app.post("/api/show", async (c) => {
    const { model, name } = parseBody(ollamaShowSchema, await readJson(c.req.raw, limits));
    const card = findModel(generator.models(), model ?? name ?? "default");
    return c.json(shownOf(card, generator));
  });
}

/** How weights are stored, by Ollama's names. */
const quantization: Record<string, string> = { q4: "Q4_0", q8: "Q8_0", f16: "F16", f32: "F32" };

/** A model as lists have it. What is not known is empty or 0. */
function entryOf({ name, created, precision, bytes = 0, digest = "", ...card }: ModelCard) {
  return {
    name,
    model: name,
    modified_at: new Date(created * 1000).toISOString(),
    size: bytes,
    digest,
    details: detailsOf({ name, created, precision, ...card }),
  };
}

function detailsOf({ precision, family = "", parameters }: ModelCard) {
  return {
    parent_model: "",
    format: "orrery",
    family,
    families: family === "" ? [] : [family],
    parameter_size: parameters === undefined ? "" : sizeText(parameters),
    quantization_level: quantization[precision] ?? precision,
  };
}

/** A number of weights in millions or billions, such as `1.1B`. */
const sizeText = (n: number): string =>
  n >= 1e9 ? `${(n / 1e9).toFixed(1)}B` : `${(n / 1e6).toFixed(2)}M`;

/** What `/api/show` says. */
function shownOf(card: ModelCard, generator: Generator) {
  const { family = "orrery", parameters, context, vocab } = card;
  return {
    modelfile: "",
    parameters: "",
    template: "",
    license: "",
    modified_at: new Date(card.created * 1000).toISOString(),
    details: detailsOf(card),
    model_info: {
      "general.architecture": family,
      "general.basename": card.name,
      ...(parameters !== undefined && { "general.parameter_count": parameters }),
      [`${family}.context_length`]: context,
      [`${family}.vocab_size`]: vocab,
    },
    capabilities: ["completion", "tools", ...(generator.embed ? ["embedding"] : [])],
  };
}
