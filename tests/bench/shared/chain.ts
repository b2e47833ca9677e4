/**
 * Frames of one sequence, for the benchmarks of the engine.
 *
 * @module
 */
import { type Frame, samplingSchema } from "../../../actors/pipeline/frame.ts";

/**
 * A chain of `rows` rows in the slots from `base` on, of arena `bench`; `want`: indices of the rows
 * whose next token is wanted. Tokens are spread over a vocabulary of `vocab`.
 */
export function chainFrame(base: number, rows: number, vocab: number, want: number[]): Frame {
  const slots = Int32Array.from({ length: rows }, (_, i) => base + i);
  return {
    arena: "bench",
    seq: 1,
    samplers: [{ id: 0, sampling: samplingSchema.parse({}), prompt_rows: 0 }],
    base,
    tokens: slots.map((slot) => (slot * 7919) % vocab),
    positions: slots,
    parents: slots.map((slot) => slot - 1),
    want: Int32Array.from(want),
    want_samplers: new Int32Array(want.length),
  };
}
