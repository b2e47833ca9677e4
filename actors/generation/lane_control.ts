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
  /**
   * The lane has new tokens, or has ended (`lane.finish` is set). `told`: tokens before these that the
   * client was told in an earlier run of the request; only at the begin of a lane.
   */
  settled(lane: Lane, settled: Settled, told?: Settled): void;
}

/** A lane that begins. */
export interface NewLane {
  /** Name of the lane, unique in its request. */
  name: string;
  /** Most tokens that the lane may generate. */
  limit: number;
  /** Texts that end the lane; they are left out of its text. */
  stop: string[];
  owner: LaneOwner;
  /** Token ids of everything before the first wanted token. */
  prompt: ArrayLike<number>;
  /**
   * Tokens that have rows already. The lane shares those that its prompt begins with.
   * @default those that the request was opened with
   */
  shared?: TokenChain;
}

/** How much of a lane the client has been told. */
export interface ToldUpTo {
  /** Name of the lane. */
  lane: string;
  /** Tokens, an end token included. */
  tokens: number;
}

/** What an outline asks of the run that it belongs to. */
export interface LaneControl {
  /** The request. */
  readonly start: Start;
  /**
   * Begins a lane: the first one that has tokens to come opens the request. The owner is told at once
   * what an earlier run of the request has generated.
   */
  addLane(lane: NewLane): Lane;
  /**
   * Gives the tokens of a prompt that have no row yet one. Returns the rows of all its tokens; none
   * before the request is opened.
   */
  addPrompt(prompt: ArrayLike<number>, shared: TokenChain): number[];
  /** Says that the row with this number and its descendants are no longer needed. */
  drop(row: number): void;
  /** Sends text and tokens to the client: it is told a lane's tokens up to some number. */
  emit(delta: Delta, upTo: ToldUpTo): void;
  /** Says that the answer is complete. */
  end(finish: "stop" | "length"): void;
  /** Answers the question without an outline, in at most `limit` tokens. */
  plainAfter(shared: TokenChain, limit: number): void;
}
