/**
 * What the rules by which recurrent states change have in common.
 *
 * @module
 */
import type { Weight } from "./blocks.ts";
import type { Value } from "./builder.ts";

/** The weights of a recurrence of `heads` heads of W channels in all; C channels are convolved. */
export interface RecurrenceWeights {
  /** [C, K], that of the row itself last. */
  kernel: Weight;
  kernelBias?: Weight;
  /** A weight by its key in the layer's group, less the `state.` before it. */
  of(key: string): Weight;
  /** As `of`, where not every family has it. */
  optional(key: string): Weight | undefined;
}

/** What rows do with the states. Shapes: R rows. */
export interface StateChange {
  /** With what states are read, (R, groups * state). */
  query: Value;
  /** Where in the states is written, (R, groups * state). */
  key: Value;
  /** What is written, (R, W). */
  value: Value;
  /** Logarithms by which states decay, (R, heads). */
  decay: Value;
  /** How much of what stood there is replaced, (R, heads); undefined: it is added to that. */
  beta?: Value;
}

/** A rule by which states change. */
export interface RecurrenceRule {
  /**
   * From rows (1, S, H): what gates the output (1, S, W), and what is brought to the state, (1, S,
   * C + others).
   */
  inputs(x: Value): { gate: Value; brought: Value };
  /** Numbers of each head that are brought and not convolved. */
  others: number;
  /** From what was convolved (R, C) and what was not (R, heads), each: what happens to the states. */
  change(mixed: Value, others: Value[]): StateChange;
  /** From what the frame's rows read (S, W): what is gated. `own` gives their rows of (R, ..). */
  output(read: Value, own: (rows: Value) => Value): Value;
  /** From the frame's rows (1, S, W) and their gates: what is projected, (1, S, W). */
  gated(rows: Value, gate: Value): Value;
}
