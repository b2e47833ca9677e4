/**
 * Draft shape: how far to guess ahead, how wide, and how many frames of guesses to keep in flight.
 *
 * @module
 */
import type { PipelineCosts } from "./pipeline_costs.ts";

/** What {@linkcode draftShape} decides from. */
export interface DraftShapeInput {
  /** Of a frame, as the placement has it. */
  costs: PipelineCosts;
  /** Chance that a drafted token is accepted, 0 .. 1. */
  acceptance: number;
  /** Seconds of one draft token; 0 for a drafter that only looks up. */
  draftSecondsPerToken: number;
  /** Most tokens of a draft's longest path. */
  draftLength: number;
  /** Most rows of a frame. */
  maxRows: number;
  /**
   * Of the times that the drafter's best token is wrong, the share in which its next best is right,
   * at acceptance 1 (it falls with acceptance: a drafter that is never right has no good second
   * choice). 0: chains only. @default 0
   */
  secondShare?: number;
  /** Most children of a node in a draft tree. @default 4 */
  maxBranches?: number;
  /**
   * What a further row costs the drafter, as a share of its first (8 rows were measured to cost 2.5
   * times one). @default 0.2
   */
  draftRowShare?: number;
  /** Frames that may be in flight; 1: wait for each draft's verdict. @default 1 */
  maxFrames?: number;
  /**
   * Seconds that the drafter's device also spends on a frame of so many rows, as a stage: drafting
   * on and computing then take turns there. @default none: it has a device of its own
   */
  drafterStageSeconds?: (rows: number) => number;
  /** Gain below which speculation is left off. @default 0.05 */
  margin?: number;
}

/** How one stream decodes. */
export interface DraftShape {
  /** Tokens of a frame's longest drafted path; 0: no speculation. */
  length: number;
  /** Children of a node at each depth; all 1: a chain. (length) */
  tree: number[];
  /**
   * 1: the next draft begins when the last one's verdict is there. More: drafting goes on while
   * frames are in flight.
   */
  framesInFlight: number;
  /** Rows of a frame. */
  rows: number;
  /** Of one stream. */
  tokensPerSecond: number;
  /** Against one row a frame, one frame at a time; 1 where `length` is 0. */
  speedup: number;
  /** Share of rows computed that no token comes of. */
  wastedShare: number;
  /** One line for people. */
  why: string;
}

/**
 * Tokens that a chain of `length` drafted ones is expected to yield, the verifier's own included:
 * (1 - a^(k+1)) / (1 - a).
 */
export function chainTokens(acceptance: number, length: number): number {
  let [sum, chance] = [0, 1];
  for (let i = 0; i <= length; i++) {
    sum += chance;
    chance *= acceptance;
  }
  return sum;
}

/** Chance that one of `branches` candidates for a position is accepted. */
export function branchAcceptance(
  acceptance: number,
  secondShare: number,
  branches: number,
): number {
  return 1 - (1 - acceptance) * (1 - secondShare * acceptance) ** (branches - 1);
}

/** Tokens that a tree is expected to yield, the verifier's own included. */
export function treeTokens(acceptance: number, secondShare: number, tree: number[]): number {
  let [sum, chance] = [1, 1];
  for (const branches of tree) {
    chance *= branchAcceptance(acceptance, secondShare, branches);
    sum += chance;
  }
  return sum;
}

type Candidate = Omit<DraftShape, "speedup" | "why">;

/**
 * The fastest of: plain decoding, drafts that wait for their verdict (chains, and trees whose width
 * does not grow with depth), and continuous speculation with 2 .. `maxFrames` frames in flight.
 * Plain unless the gain exceeds the margin, so it is never predicted slower than plain, and never
 * drafts at acceptance 0. Equal gains: fewer rows, then fewer frames.
 */
export function draftShape(input: DraftShapeInput): DraftShape {
  const { costs, acceptance, maxFrames = 1, margin = 0.05 } = input;
  const plainRate = 1 / costs.latency(1);
  const plain: Candidate = {
    length: 0,
    tree: [],
    framesInFlight: 1,
    rows: 1,
    tokensPerSecond: plainRate,
    wastedShare: 0,
  };
  let best = plain;
  const consider = (candidate: Candidate) => {
    if (candidate.tokensPerSecond > best.tokensPerSecond * (1 + 1e-9)) best = candidate;
  };
  if (acceptance > 0) {
    for (const tree of trees(input)) consider(waiting(input, tree));
    for (let rows = 1; rows <= Math.min(input.draftLength, input.maxRows); rows++) {
      for (let frames = 2; frames <= maxFrames; frames++) {
        const candidate = continuous(input, { rows, frames });
        if (candidate) consider(candidate);
      }
    }
  }
  const speedup = best.tokensPerSecond / plainRate;
  if (best === plain || speedup <= 1 + margin) {
    const short = best === plain
      ? "no draft is faster"
      : `the best draft gains ${percent(speedup - 1)} only`;
    return {
      ...plain,
      speedup: 1,
      why: `no speculation: at acceptance ${acceptance.toFixed(2)} and ${
        milliseconds(costs.latency(1))
      } a frame ${short}`,
    };
  }
  const shape = best.tree.every((n) => n === 1)
    ? `${best.length} drafted tokens`
    : `a draft tree ${best.tree.join("x")}`;
  const fill = best.framesInFlight > 1 ? `, ${best.framesInFlight} frames in flight` : "";
  return {
    ...best,
    speedup,
    why:
      `${shape}${fill}: ${speedup.toFixed(2)} times plain decoding at acceptance ${
        acceptance.toFixed(2)
      }, ` +
      `${percent(best.wastedShare)} of rows wasted`,
  };
}

/** Draft, verify, wait, again. */
function waiting(input: DraftShapeInput, tree: number[]): Candidate {
  const { costs, acceptance, draftSecondsPerToken, draftRowShare = 0.2, secondShare = 0 } = input;
  let [rows, nodes, draft] = [1, 1, 0];
  for (const branches of tree) {
    // one step of the drafter extends all nodes of a depth
    draft += draftSecondsPerToken * (1 + draftRowShare * (nodes - 1));
    nodes *= branches;
    rows += nodes;
  }
  const tokens = treeTokens(acceptance, secondShare, tree);
  return {
    length: tree.length,
    tree,
    framesInFlight: 1,
    rows,
    tokensPerSecond: tokens / (draft + costs.latency(rows)),
    wastedShare: 1 - tokens / rows,
  };
}

/**
 * Continuous speculation: frames of `rows` drafted tokens leave every `interval`; a verdict that
 * rejects a token makes everything behind it stale, and a fresh frame starts. With g accepted
 * tokens since the start, the rejecting row travels in frame floor(g / rows), so a run takes draft
 * + latency + delay + interval * E[floor(g / rows)] and yields E[g] + 1 = 1 / (1 - a) tokens, where
 * E[floor(g / rows)] = a^rows / (1 - a^rows). Written so that acceptance 1 divides by nothing that
 * is 0.
 */
function continuous(
  input: DraftShapeInput,
  { rows, frames }: { rows: number; frames: number },
): Candidate | null {
  const { costs, acceptance: a, draftSecondsPerToken: draft, drafterStageSeconds = () => 0 } =
    input;
  const latency = costs.latency(rows);
  const busy = costs.bottleneck(rows);
  const interval = Math.max(busy, latency / frames, rows * draft + drafterStageSeconds(rows));
  // a fresh frame finds the busiest stage at work on a stale one with chance busy / interval, for
  // any part of its time; drafting goes on meanwhile
  const redraft = (rows - 1) * draft;
  const delay = Math.max(0, busy - redraft) ** 2 / (2 * interval);
  const restart = redraft + latency + delay;
  // a drafter that cannot keep up leaves nothing in flight: that is the waiting mode
  if (interval >= restart) return null;
  let powers = 0;
  for (let i = 0; i < rows; i++) powers += a ** i;
  const secondsPerToken = (1 - a) * restart + interval * a ** rows / powers;
  // frames sent until the verdict is there: those of the run, the rejecting one, and the stale ones
  // behind it
  const stale = (1 - a) * Math.min(frames - 1, restart / interval - 1);
  const sent = rows * ((1 - a) * 1 + a ** rows / powers + stale);
  return {
    length: rows,
    tree: new Array<number>(rows).fill(1),
    framesInFlight: frames,
    rows,
    tokensPerSecond: 1 / secondsPerToken,
    wastedShare: Math.max(0, 1 - 1 / sent),
  };
}

/**
 * Every tree within the limits whose width does not grow with depth; chains first, so that they win
 * ties.
 */
function* trees(input: DraftShapeInput): Generator<number[]> {
  const { draftLength, maxRows, secondShare = 0, maxBranches = 4 } = input;
  const widest = secondShare > 0 ? maxBranches : 1;
  const grow = function* (tree: number[], nodes: number, rows: number): Generator<number[]> {
    if (tree.length > 0) yield tree;
    if (tree.length === draftLength) return;
    for (let branches = 1; branches <= (tree.at(-1) ?? widest); branches++) {
      const next = nodes * branches;
      if (rows + next <= maxRows) yield* grow([...tree, branches], next, rows + next);
    }
  };
  yield* grow([], 1, 1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function milliseconds(seconds: number): string {
  return `${(1000 * seconds).toFixed(1)} ms`;
}
