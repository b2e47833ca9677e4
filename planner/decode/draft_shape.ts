/**
 * Draft shape: how long drafts are, how many alternatives they have, and how many drafted frames
 * are on their way at once.
 *
 * @module
 */
import type { PipelineCosts } from "./pipeline_costs.ts";

/** Default of `draftRowShare`. */
const DRAFT_ROW_SHARE = 0.2;
/** Default of `margin`. */
const LEAST_GAIN = 0.05;
/** Default of `maxBranches`. */
const MOST_BRANCHES = 4;
/** Rates that differ by less than this share are equal. */
const SAME = 1e-9;

/** Input of {@linkcode draftShape}. */
export interface DraftShapeInput {
  /** Costs of a frame in the placement's pipeline. */
  costs: PipelineCosts;
  /** Acceptance rate of drafted tokens, 0 to 1. */
  acceptance: number;
  /** Seconds of one drafted token; 0 for prompt lookup. */
  draftSecondsPerToken: number;
  /** Most tokens of a draft, along its longest path. */
  draftLength: number;
  /** Most rows of a frame. */
  maxRows: number;
  /**
   * Of the cases in which the drafter's best token is wrong, the share, 0 to 1, in which its second
   * best is right, at acceptance 1. It falls with acceptance: a drafter that is never right has no
   * good second choice either. 0: only chains. @default 0
   */
  secondShare?: number;
  /** Most children of a node in a draft tree. @default 4 */
  maxBranches?: number;
  /**
   * Time of a further row in the drafter, as a share of its first row's (8 rows were measured to
   * take 2.5 times as long as one). @default 0.2
   */
  draftRowShare?: number;
  /**
   * Most frames on their way at once; 1: each draft waits for the verdict on the one before.
   * @default 1
   */
  maxFrames?: number;
  /**
   * Seconds that the drafter's device spends, as a stage, on a frame of so many rows. Drafting and
   * computing take turns there. @default none: the drafter has a device of its own
   */
  drafterStageSeconds?: (rows: number) => number;
  /** Least gain of speculation, as a share, for which it is used. @default 0.05 */
  margin?: number;
}

/** How one stream decodes with drafts. */
export interface DraftShape {
  /** Tokens of a frame's longest drafted path; 0: no drafts. */
  length: number;
  /** Alternatives at each depth of the tree; all 1: a chain. (length) */
  tree: number[];
  /**
   * Frames on their way at once. 1: the next draft begins when the verdict on the last one is
   * there. More: drafting goes on meanwhile.
   */
  framesInFlight: number;
  /** Rows of a frame. */
  rows: number;
  /** Tokens a second of one stream. */
  tokensPerSecond: number;
  /** `tokensPerSecond` divided by that of plain decoding; 1 where `length` is 0. */
  speedup: number;
  /** Share, 0 to 1, of computed rows that give no token. */
  wastedShare: number;
  /** The reason with its figures, one line for people. */
  why: string;
}

/**
 * Expected tokens of a chain of k = `length` drafted tokens with acceptance a, the target's own
 * token included: (1 - a^(k+1)) / (1 - a).
 */
export function chainTokens(acceptance: number, length: number): number {
  let [sum, chance] = [0, 1];
  for (let i = 0; i <= length; i++) {
    sum += chance;
    chance *= acceptance;
  }
  return sum;
}

/** Chance, 0 to 1, that one of `branches` alternatives for a position is accepted. */
export function branchAcceptance(
  acceptance: number,
  secondShare: number,
  branches: number,
): number {
  return 1 - (1 - acceptance) * (1 - secondShare * acceptance) ** (branches - 1);
}

/** Expected tokens of a draft tree, the target's own token included. */
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
 * Chooses the fastest of: plain decoding, drafts that wait for their verdict (chains, and trees
 * whose number of alternatives does not grow with depth), and continuous speculation with 2 ..
 * `maxFrames` frames on their way. It stays with plain decoding unless the gain exceeds the margin,
 * so it is never predicted slower than that, and drafts nothing at acceptance 0. Of equal rates it
 * takes fewer rows, then fewer frames.
 */
export function draftShape(input: DraftShapeInput): DraftShape {
  const { costs, acceptance, maxFrames = 1, margin = LEAST_GAIN } = input;
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
    if (candidate.tokensPerSecond > best.tokensPerSecond * (1 + SAME)) best = candidate;
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

/** A draft that waits for the verdict on the one before. */
function waiting(input: DraftShapeInput, tree: number[]): Candidate {
  const {
    costs,
    acceptance,
    draftSecondsPerToken,
    draftRowShare = DRAFT_ROW_SHARE,
    secondShare = 0,
  } = input;
  let [rows, nodes, draft] = [1, 1, 0];
  for (const branches of tree) {
    // one step of the drafter extends all nodes of one depth
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
 * Continuous speculation: a frame of `rows` drafted tokens leaves every `interval` seconds. A
 * verdict that rejects a token makes all frames behind it stale, and a fresh frame starts. With g
 * accepted tokens since the start, the rejecting row is in frame floor(g / rows). So a run takes
 * draft + latency + delay + interval * E[floor(g / rows)] seconds and gives E[g] + 1 = 1 / (1 - a)
 * tokens, where E[floor(g / rows)] = a^rows / (1 - a^rows). The formula below is written so that it
 * does not divide by 0 at acceptance 1. Null: the drafter is too slow to keep frames on their way.
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
  // with chance busy / interval a fresh frame finds the busiest stage at work on a stale one and
  // waits for the rest of its time; drafting goes on meanwhile
  const redraft = (rows - 1) * draft;
  const delay = Math.max(0, busy - redraft) ** 2 / (2 * interval);
  const restart = redraft + latency + delay;
  // a drafter that cannot keep up has no frame on its way besides the last: that is `waiting`
  if (interval >= restart) return null;
  let powers = 0;
  for (let i = 0; i < rows; i++) powers += a ** i;
  const secondsPerToken = (1 - a) * restart + interval * a ** rows / powers;
  // frames sent until the verdict is there: those that were accepted, the rejecting one, and the
  // stale ones behind it
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
 * Every tree within the limits whose number of alternatives does not grow with depth. Chains come
 * first, so that they win ties.
 */
function* trees(input: DraftShapeInput): Generator<number[]> {
  const { draftLength, maxRows, secondShare = 0, maxBranches = MOST_BRANCHES } = input;
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
