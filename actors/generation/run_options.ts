/**
 * What a run of a request is made of.
 *
 * @module
 */
import type { WireError } from "../system/mod.ts";
import type { AnswerState } from "./answer_state.ts";
import type { Delta } from "./client_messages.ts";
import type { FoundRoute } from "./find_route.ts";

/** Options of a `GenerationRun` (`run.ts`). */
export interface GenerationRunOptions {
  /** Milliseconds without a result, while rows are waited for, after which the request fails. */
  silenceMs: number;
  /** Called once when these milliseconds have passed, with the error to fail with. */
  onSilence(error: WireError): unknown;
  /** Called when a timer, not a message, has given the run something to say. */
  onChange(): unknown;
  /** Which stages compute the request, and why. */
  route: FoundRoute;
  /** When the request began: milliseconds (`ctx.now()`). */
  began: number;
  /** An earlier run of the request in this actor; undefined: there was none. */
  before?: EarlierRun;
  /** Number of this run: results say which run they are for. */
  run: number;
  /** How often the request has stood still, and for how many milliseconds. */
  recovery: { readonly pauses: number; readonly pausedMs: number };
}

/** What the next run of a request takes over. */
export interface EarlierRun {
  /** How far the answer has come. */
  readonly state: AnswerState;
  /** When the client was given the first text, milliseconds; undefined: it was given none. */
  readonly firstAt?: number;
  /** What the client was told by this state, and has not been sent yet. */
  readonly unsent: Delta[];
}
