/**
 * Embeddings, for any dialect.
 *
 * @module
 */
import { apiError } from "./errors.ts";
import { findModel } from "./find_model.ts";
import type { EmbedOptions, Generator } from "./generator.ts";

/** Texts or token ids to embed. */
export type EmbedInputs = (string | number[])[];

/** Vectors of length 1, and the tokens that they were made from. */
export interface UnitEmbeddings {
  /** Name of the model that made them. */
  model: string;
  /** One for each input, f32 (hidden). */
  vectors: Float32Array[];
  /** Tokens of all inputs together. */
  tokens: number;
}

/**
 * The embeddings of the inputs, scaled to the length 1 as clients of OpenAI and Ollama expect.
 * `dimensions`: how many numbers the client wants; only the model's own will do. Throws group `api`:
 * `unsupported_parameter` where the node gives no embeddings, or not so short ones; and what
 * `Generator.embed` throws.
 */
export async function unitEmbeddings(
  generator: Generator,
  inputs: EmbedInputs,
  { dimensions, signal, ...options }: EmbedOptions & {
    dimensions?: number | null;
    signal: AbortSignal;
  },
): Promise<UnitEmbeddings> {
  if (!generator.embed) {
    throw apiError("unsupported_parameter", "this node gives no embeddings of its model", "model");
  }
  const cards = generator.models();
  // While no model is served there is no card; `embed` then says why.
  const model = cards.length > 0 ? findModel(cards, options.model).name : options.model;
  const { vectors, tokens } = await generator.embed(inputs, options, signal);
  const own = vectors[0]?.length;
  if (dimensions && dimensions !== own) {
    throw apiError(
      "unsupported_parameter",
      `dimensions: this model's embeddings have ${own} numbers, and a part of them is no embedding: ` +
        `leave it out, got ${dimensions}`,
      "dimensions",
    );
  }
  return {
    model,
    vectors: vectors.map(unit),
    tokens: tokens.reduce((sum, n) => sum + n, 0),
  };
}

/** The vector scaled to the length 1; one of zeros stays as it is. */
function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((x) => x / length);
}
