/**
 * What a lane, the owner of a lane and the run of a request know of each other.
 *
 * @module
 */
import type { Lane, Settled } from "./lane.ts";
import type { Delta } from "./client_messages.ts";
import type { Start } from "./messages.ts";

/** A sequence of tokens whose first tokens have rows. */
export interface TokenChain {
  /** Token ids. */
  tokens: readonly number[];
  /** Row numbers of the first `rows.length` tokens. */
  rows: readonly number[];
}

/** Who is told what became of a lane: the run of a plain answer, or the outline. */
export interface LaneOwner {
  /** The lane has new tokens, or has ended (`lane.finish` is set). */
  settled(lane: Lane, settled: Settled): void;
}

/** A lane that begins on the prompt that the request was opened with. */
export interface FirstLane {
  /** Name of the lane, unique in its request. */
  name: string;
  /** Most tokens that the lane may generate. */
  limit: number;
  /** Texts that end the lane; they are left out of its text. */
  stop: string[];
  owner: LaneOwner;
}

/** A lane that begins on a prompt of its own. */
export interface NewLane extends FirstLane {
  /** Token ids of everything before the first wanted token. */
  prompt: ArrayLike<number>;
  /** Tokens that have rows already. The lane shares those that its prompt begins with. */
  shared: TokenChain;
}

/** What an outline asks of the run that it belongs to. */
export interface LaneControl {
  /** The request. */
  readonly start: Start;
  /** Begins a lane on the prompt that the request was opened with. */
  openLane(lane: FirstLane): Lane;
  /** Begins a lane on another prompt. */
  addLane(lane: NewLane): Lane;
  /** Gives the tokens of a prompt that have no row yet one. Returns the rows of all its tokens. */
  addPrompt(prompt: ArrayLike<number>, shared: TokenChain): number[];
  /** Says that the row with this number and its descendants are no longer needed. */
  drop(row: number): void;
  /** Sends text and tokens to the client. */
  emit(delta: Delta): void;
  /** Says that the answer is complete. */
  end(finish: "stop" | "length"): void;
  /** Answers the question without an outline, in at most `limit` tokens. */
  plainAfter(shared: TokenChain, limit: number): void;
}
