/**
 * A request of the simulation, its lanes, and the parts of frames that carry its rows.
 *
 * @module
 */
import { treeRows } from "./luck.ts";
import type { SpanKind } from "./trace.ts";

/** A lane: a chain of tokens that grows, which is the answer, the outline, or a branch. */
export interface SimulatedLane {
  request: SimRequest;
  name: "answer" | "outline" | `branch ${number}`;
  /** How many tokens it still needs. */
  need: number;
  /**
   * Rows of its chain in the arena: prompt, and tokens that were fed. 0: its own prompt has not
   * come back yet.
   */
  past: number;
  /** Whether it speculates. */
  drafts: boolean;
  /** Its parts of frames on their way, oldest first. All but the oldest are guesses. */
  flying: FramePart[];
}

/** The rows of one lane or prompt piece in one frame. */
export interface FramePart {
  request: SimRequest;
  lane: SimulatedLane | undefined;
  /** Kind of its frame's spans in the trace. */
  kind: SpanKind;
  /** Its text in the trace. */
  label: string;
  /** Its rows. */
  rows: number;
  /** Rows whose next token is wanted. */
  wanted: number;
  /** Rows of its chain before the part. */
  past: number;
  /** Draft tree after its first row: alternatives at each depth; empty: no draft. */
  tree: number[];
  /** Whether its first row is a guess too. */
  guess: boolean;
  /** Of a prompt piece: prompt rows before it. Undefined: it is not a piece. */
  piece?: { first: number };
  /** Rows that gave nothing; known when the part has come back or was cancelled. */
  useless: number;
  /** Whether it was found to be useless while it was on its way. */
  stale: boolean;
}

/** A draft that is being made for a lane, or drafted rows that wait to be sent. */
export interface SimulatedDraft {
  /** The drafted rows. */
  part: FramePart;
  /** Whether it continues frames whose verdict is not known yet. */
  ahead: boolean;
  /** Whether the draft is made. */
  drafted: boolean;
  /** Ends drafting. */
  abort: () => void;
}

/** A part, with the values that most parts have. */
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

/** Most tokens that a lane's parts on their way can give. */
export function fedTokens({ flying }: SimulatedLane): number {
  return flying.reduce((tokens, part) => tokens + 1 + part.tree.length, 0);
}

/**
 * The lane's next part, with as much of the draft tree as the lane still needs. `ahead`: as a
 * guess, after its parts on their way.
 */
export function nextPart(lane: SimulatedLane, draftTree: number[], ahead: boolean): FramePart {
  const tree = draftTree.slice(0, Math.max(0, lane.need - fedTokens(lane) - 1));
  const rows = 1 + treeRows(tree);
  const drafted = tree.length > 0 ? `: ${rows} rows, ${rows - 1} drafted` : "";
  return partOf(lane.request, {
    lane,
    rows,
    wanted: rows,
    past: lane.past + lane.flying.reduce((sum, part) => sum + part.rows, 0),
    kind: lane.name.startsWith("branch") ? "branch" : "decode",
    label: `${lane.name}${drafted}${ahead ? ", ahead" : ""}`,
    tree,
    guess: ahead,
  });
}

/** A request and its progress. Moments are in seconds of virtual time. */
export class SimRequest {
  /** Index in the list of requests. */
  readonly index: number;
  /** When it arrives. */
  readonly at_s: number;
  /** Its rows in the arena: computed and needed, or on their way. */
  rows = 0;
  /** Rows of its prompt that have come back. */
  promptDone = 0;
  /** Its answer tokens so far. */
  tokens = 0;
  /** When its first token was there; undefined: not yet. */
  firstToken_s: number | undefined;
  /** When its last token was there; undefined: not yet. */
  finish_s: number | undefined;
  /** When its prompt, its decoding and its branches began, for the trace. */
  phases: { kind: SpanKind; label: string; start_s: number }[] = [];
  /** Its lanes that have begun. */
  lanes: SimulatedLane[] = [];
  /** Its branches that wait for their points or for others to end. */
  waiting: { name: `branch ${number}`; need: number }[] = [];

  constructor(index: number, at_s: number) {
    this.index = index;
    this.at_s = at_s;
  }

  /** Whether all of its tokens are there. */
  get over(): boolean {
    return this.waiting.length === 0 && this.lanes.length > 0 &&
      this.lanes.every((lane) => lane.need <= 0);
  }
}

/**
 * Rows of each piece of a prompt of `prompt` rows: the planned ones in order, the last one repeated
 * as needed, the prompt's last piece cut.
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
