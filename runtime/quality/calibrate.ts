/**
 * Runs the calibration's text through a model's layers in f32, so that its conversion knows what the
 * projections read.
 *
 * @module
 */
import {
  builtInPassages,
  type Calibration,
  type Gram,
  GRAM_WINDOW,
  type Group,
  type ModelParts,
  type Passage,
} from "../../models/mod.ts";
import type { TextRows } from "../engine/mod.ts";
import { runLayer } from "./run_layer.ts";
import { SEQUENCE_TOKENS, sequencesOf } from "./sequences.ts";

/** Options of {@linkcode calibrate}. */
export interface CalibrateOptions {
  /** The text. @default the built-in one for calibration */
  passages?: readonly Passage[];
  signal?: AbortSignal;
}

/** Begins the calibration of a model; the conversion then asks for its layers one by one. */
export async function calibrate(
  parts: ModelParts,
  { signal, passages }: CalibrateOptions = {},
): Promise<Calibration> {
  const sequences = sequencesOf(passages ?? await builtInPassages("calibration"), parts);
  const embedding = await parts.part("embedding", "f32", { signal });
  return new TextCalibration(parts, embedding, sequences.map(({ tokens }) => ({ tokens })), signal);
}

class TextCalibration implements Calibration {
  readonly #parts: ModelParts;
  readonly #embedding: Group;
  readonly #signal?: AbortSignal;
  /** What the next layer reads. */
  #texts: TextRows[];

  constructor(parts: ModelParts, embedding: Group, texts: TextRows[], signal?: AbortSignal) {
    this.#parts = parts;
    this.#embedding = embedding;
    this.#texts = texts;
    this.#signal = signal;
  }

  async layer(number: number, wanted: boolean): Promise<Gram[]> {
    const { blobDir, geometry } = this.#parts;
    const signal = this.#signal;
    const key = `layer ${number}`;
    const layer = await this.#parts.part(key, "f32", { signal });
    const groups = { embedding: this.#embedding, [key]: layer };
    const model = this.#parts.model(groups, SEQUENCE_TOKENS);
    // As if another layer followed: then the stage needs no final norm, which is converted later.
    model.geometry = { ...model.geometry, layers: geometry.layers + 1 };
    const { texts, grams } = await runLayer(model, number, this.#texts, {
      blobDir,
      accuracyLevel: 1,
      ...(wanted && { gramWindow: GRAM_WINDOW }),
      signal,
    });
    await this.#parts.drop(layer);
    this.#texts = texts;
    return grams;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}
