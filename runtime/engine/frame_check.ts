/**
 * What the engine checks of a frame before it writes memory. A frame that came over the network has
 * passed `frameSchema` before; a direct caller's frame is checked here for the first time.
 *
 *     checkArrays()   lengths, dtype and bytes
 *     checkRows()     values: what the model or the arena cannot take
 *
 * @module
 */
import {
  type Frame,
  type FrameRows,
  lengthProblems,
  wantProblems,
} from "../../actors/pipeline/mod.ts";
import { engineError, refuse } from "./errors.ts";
import type { Slots } from "./slots.ts";

/** What a frame's values are checked against. */
export interface ModelLimits {
  /** Is this the stage that embeds the tokens? */
  graph: { first: boolean };
  /** Positions and tokens that the model knows. */
  geometry: { context: number; vocab: number };
}

/** Bytes of one f32 element. */
const F32_BYTES = 4;

/**
 * Checks that the row arrays agree in length, and that hidden states are f32 (rows, hidden) where
 * the stage takes them and absent in the first stage. Throws `bad_frame`.
 */
export function checkArrays(
  frame: Frame,
  { first, hidden: width }: { first: boolean; hidden: number },
): void {
  refuse(lengthProblems(frame));
  const { hidden, tokens: { length: rows } } = frame;
  if (first) {
    if (!hidden) return;
    throw engineError(
      "bad_frame",
      "the first stage takes tokens, but the frame brings hidden states",
    );
  }
  const bytes = rows * width * F32_BYTES;
  if (hidden?.dtype === "f32" && hidden.data.byteLength === bytes) return;
  throw engineError(
    "bad_frame",
    `hidden states must be f32 (${rows}, ${width}) = ${bytes} bytes, got ` +
      (hidden ? `${hidden.dtype} (${hidden.shape}) = ${hidden.data.byteLength} bytes` : "none"),
  );
}

/**
 * Checks that the model knows these positions and tokens, that the wanted rows are rows of the
 * frame, and that the rows may be written to the arena's slots. Changes nothing.
 *
 * Throws `bad_frame` (metadata: `row` with `context` or `vocab`, or `slot`) and `arena_full`, see
 * {@linkcode Slots.check}.
 */
export function checkRows(
  rows: FrameRows,
  slots: Slots,
  { graph, geometry: { context, vocab } }: ModelLimits,
): void {
  const { tokens, positions } = rows;
  for (let row = 0; row < tokens.length; row++) {
    if (positions[row] >= context) {
      throw engineError(
        "bad_frame",
        `row ${row} has position ${positions[row]}; the model's positions are 0 to ${context - 1}`,
        { row, context },
      );
    }
    // Only the first stage reads tokens; a later one keeps them for the penalties of sampling.
    if (graph.first && !(tokens[row] >= 0 && tokens[row] < vocab)) {
      throw engineError(
        "bad_frame",
        `row ${row} has token ${tokens[row]}; the vocabulary has ${vocab}`,
        { row, vocab },
      );
    }
  }
  refuse(wantProblems(rows));
  slots.check(rows);
}
