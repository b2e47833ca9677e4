/**
 * What the arbiter's decisions lead to; `actors/arbiter.ts` carries it out.
 *
 * @module
 */
import type { Results } from "../arbiter_messages.ts";
import type { WireError } from "../errors.ts";
import type { Frame } from "../frame.ts";

/** Something that the arbiter wants done, in order. */
export type Effect =
  | { kind: "frame"; frame: Frame }
  | { kind: "cancel"; arena: string; seqs: number[] }
  | { kind: "close"; arena: string }
  | { kind: "results"; to: string; results: Results }
  | { kind: "failed"; to: string; error: WireError };
