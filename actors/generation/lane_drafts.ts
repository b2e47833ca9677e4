/**
 * What speculation knows of one lane: what the drafters have guessed, were told and were asked.
 *
 * @module
 */
import type { DraftPlan } from "./draft_length.ts";
import type { DraftStock } from "./draft_stock.ts";
import type { InstantDrafter } from "./instant_drafter.ts";
import type { Lane } from "./lane.ts";

/** A question to the drafter that is not answered yet. */
export interface AskedDraft {
  /** Number of the question, unique in the request. */
  id: number;
  /** Token ids, certain and expected ones, that the draft is to follow. */
  tokens: number[];
  /** Tokens asked for. */
  length: number;
  /** How many of `tokens` the drafter did not hold. */
  behind: number;
  /** The plan by which it was asked. */
  plan: DraftPlan;
  /** When it was asked, milliseconds. */
  at: number;
  /** Stops the timer of its silence. */
  cancel: () => void;
}

/** What is known of the drafts of one lane. */
export interface LaneDrafts {
  lane: Lane;
  instant?: InstantDrafter;
  /** How many of the lane's tokens `instant` has been given. */
  pushed: number;
  /** undefined: the drafter owes nothing. */
  asked?: AskedDraft;
  /** The lane's last drafts came from `instant` although there is a draft model. */
  looked?: boolean;
  /** Token ids that the drafter holds for this lane. */
  known: number[];
  /**
   * What the drafter has guessed beyond the certain tokens, as far as it is not known to be wrong.
   */
  stock?: DraftStock;
  /** The drafter was asked for this lane: it has to be told when the lane ends. */
  used?: true;
  /** The last wait for the drafter ended without its answer: the lane does not wait again. */
  inVain?: boolean;
  /** Ends the wait for the drafter; undefined: the lane does not wait. */
  release?: () => void;
}

/** Tells a lane's drafter without a model the tokens that have become certain since. */
export function tellCertain(drafts: LaneDrafts, instant: InstantDrafter): void {
  instant.push(drafts.lane.tokens.slice(drafts.pushed));
  drafts.pushed = drafts.lane.tokens.length;
}

/** Does the stock have tokens that are not certain yet? */
export function isAhead({ stock, lane }: LaneDrafts): boolean {
  return stock !== undefined && stock.tokens.length > lane.tokens.length;
}
