/**
 * What the arbiter's decisions lead to; `send_effects.ts` carries it out.
 *
 * @module
 */
import type { MoreCandidates } from "./head_answers.ts";
import type { ResultsMessage } from "./messages.ts";
import type { WireError } from "../system/mod.ts";
import type { Frame, LateMaskMessage } from "../pipeline/mod.ts";

/**
 * One thing to be done. Effects are carried out in order.
 *
 * - `frame`: a frame is sent to the first stage.
 * - `late`: the last stage is sent the mask of a row that is under way without it.
 * - `more`: shards of the LM head are asked for more candidates of a frame's rows.
 * - `cancel`: all stages and shards are told that some frames of an arena need not run.
 * - `close`: all stages and shards are told that an arena is not used any more.
 * - `results`: a Generation is sent `tokens`.
 * - `failed`: a Generation is told that its request has failed.
 */
export type Effect =
  | { kind: "frame"; frame: Frame }
  | { kind: "late"; late: LateMaskMessage }
  | { kind: "more"; arena: string; seq: number; asked: MoreCandidates[] }
  | { kind: "cancel"; arena: string; seqs: number[] }
  | { kind: "close"; arena: string }
  | { kind: "results"; to: string; results: ResultsMessage }
  | { kind: "failed"; to: string; error: WireError };
