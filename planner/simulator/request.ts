/**
 * One request in the simulation: which rows it wants next, and what it makes of those that come
 * back.
 *
 * @module
 */
import type { SpanKind } from "./trace.ts";

/** A chain of tokens that grows: the answer, the outline, or a branch. */
export interface Lane {
  request: SimRequest;
  name: "answer" | "outline" | `branch ${number}`;
  /** Tokens that it still needs. */
  need: number;
  /**
   * Rows of its chain that stand: prompt and tokens that went in. 0: its own prompt has not come
   * back yet.
   */
  past: number;
  /** Does it speculate? */
  drafts: boolean;
  /** Its frames on the way, oldest first; all but the oldest are guesses. */
  flying: FramePart[];
}

/** Rows of one lane or prompt piece in one frame. */
export interface FramePart {
  request: SimRequest;
  lane: Lane | undefined;
  kind: SpanKind;
  label: string;
  rows: number;
  /** Rows whose next token is wanted. */
  wanted: number;
  /** Rows of its chain before it. */
  past: number;
  /** Draft tree behind its first row; empty: none. */
  tree: number[];
  /** Is its first row a guess too? */
  guess: boolean;
  /** Prompt rows before this piece. Only for pieces. */
  piece?: { first: number };
  /** Rows of no use: known when it has come back or was cancelled. */
  useless: number;
  /** Was it found to be of no use while it was on its way? */
  stale: boolean;
}

/** A part with what most parts have. */
export function partOf(
  request: SimRequest,
  part: Pick<FramePart, "rows" | "past" | "kind" | "label"> & Partial<FramePart>,
): FramePart {
  return {
    request,
    lane: undefined,
    wanted: 1,
    tree: [],
    guess: false,
    useless: 0,
    stale: false,
    ...part,
  };
}

/** A request and where it stands. */
export class SimRequest {
  /** Place in the list of requests. */
  readonly index: number;
  /** When it arrives. */
  readonly at_s: number;
  /** Rows of it that stand in the arena: computed, useful, or on the way. */
  rows = 0;
  /** Prompt rows that have come back. */
  promptDone = 0;
  /** Answer tokens so far. */
  tokens = 0;
  /** When its first token came. */
  firstToken_s: number | undefined;
  /** When its last token came. */
  finish_s: number | undefined;
  /** Where the outline's decode and the branches began, for the trace. */
  phases: { kind: SpanKind; label: string; start_s: number }[] = [];
  /** Those that have begun. */
  lanes: Lane[] = [];
  /** Branches that wait for others to end. */
  waiting: { name: `branch ${number}`; need: number }[] = [];

  constructor(index: number, at_s: number) {
    this.index = index;
    this.at_s = at_s;
  }

  /** Are all of its tokens there? */
  get over(): boolean {
    return this.waiting.length === 0 && this.lanes.length > 0 &&
      this.lanes.every((lane) => lane.need <= 0);
  }
}

/**
 * Rows of each piece of a prompt: the planned ones in order, the last repeated, the very last cut.
 */
export function piecesOf(prompt: number, planned: number[]): number[] {
  const pieces: number[] = [];
  for (let left = prompt, i = 0; left > 0; i++) {
    const rows = Math.min(left, planned[Math.min(i, planned.length - 1)]);
    pieces.push(rows);
    left -= rows;
  }
  return pieces;
}
