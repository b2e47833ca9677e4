/**
 * What the arbiter's decisions lead to; `actors/arbiter/actor.ts` carries it out.
 *
 * @module
 */
import type { ResultsMessage } from "./messages.ts";
import type { WireError } from "../system/mod.ts";
import type { Frame } from "../pipeline/mod.ts";

/** Something that the arbiter wants done, in order. */
export type Effect =
  | { kind: "frame"; frame: Frame }
  | { kind: "cancel"; arena: string; seqs: number[] }
  | { kind: "close"; arena: string }
  | { kind: "results"; to: string; results: ResultsMessage }
  | { kind: "failed"; to: string; error: WireError };
