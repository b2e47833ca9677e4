/**
 * A placement with the times that it predicts, for the frames that it runs.
 *
 * @module
 */
import type { CostModel, HeadParts } from "./cost/mod.ts";
import {
  branchShape,
  occupied,
  pipelineCosts,
  promptPieces,
  type PromptPlace,
  promptSeconds,
} from "./decode/mod.ts";
import { type Drafting, draftOf } from "./drafting.ts";
import { attempt } from "./place_named.ts";
import {
  decodePast,
  type Lanes,
  ONE_LANE,
  type ProblemSetting,
  SHARED_ROWS,
} from "./problem_of.ts";
import type { PlacedSolution, Reckoned } from "./placed_solution.ts";
import type { PlanInput } from "./types.ts";

/** Most rows of a piece: longer frames are not measured. */
export const MAX_PIECE_ROWS = 512;
/** Labels that are kept at each grid point when the pieces of one candidate are planned. */
const LABELS = 64;

/** A placement with the times that it predicts. */
export interface Solved extends PlacedSolution {
  /** Rows of each piece of the prompt, as planned. */
  pieces: number[];
  /** How one stream decodes with drafts; undefined: the drafter does not fit beside the stages. */
  drafting: Drafting | undefined;
  /** The decode frames that are run. */
  run: Lanes;
  /** TTFT of the workload's prompt, in seconds. */
  ttftSeconds: number;
  /** TPOT of one stream without drafts, in seconds. */
  tpotSeconds: number;
  /** Seconds for which a lane waits for a token when all lanes run, drafts included. */
  laneSeconds: number;
  /** Seconds of one request; its branches share frames, a single lane has drafts. */
  requestSeconds: number;
  /** Seconds for each output token at full load. */
  loadedSeconds: number;
}

/** Lanes of a workload: branches that run at once times concurrent requests. */
export function lanesOf({ workload, decode }: Pick<PlanInput, "workload" | "decode">): number {
  return Math.min(workload.branches, decode?.maxBranches ?? workload.branches) *
    workload.concurrent;
}

/** Rows of a frame where this many frames share the lanes. */
export function sharedBy(input: PlanInput, frames: number): Lanes {
  const lanes = lanesOf(input);
  const rows = Math.min(SHARED_ROWS, Math.ceil(lanes / frames));
  return { frames, rows, tokens: Math.min(lanes, frames * rows) };
}

/** Fewest and most rows of a piece, chosen so that every prompt can be cut. */
export function pieceLimits(
  { constraints }: Pick<PlanInput, "constraints">,
): { minPieceRows: number; maxPieceRows: number } {
  const minPieceRows = Math.max(1, constraints.minPieceRows);
  return { minPieceRows, maxPieceRows: Math.max(MAX_PIECE_ROWS, 2 * minPieceRows) };
}

/** What the steps of a solution share. */
export interface Solving {
  input: PlanInput;
  cost: CostModel;
  /** The placement problem's setting for what is reckoned with. */
  setting: (reckoned: Reckoned) => ProblemSetting;
  /** Indices of the devices that may coordinate. */
  candidates: number[];
  /** Most pieces of the prompt. */
  most: number;
}

/** What {@linkcode predicted} is computed from. */
export type SolutionInput = Omit<PlacedSolution, "stages" | "past" | "frames" | "head">;

/** Plans the pieces and drafts of a placement and predicts its times. */
export function predicted(
  input: PlanInput,
  candidate: SolutionInput & { head?: readonly HeadParts[] },
): Solved {
  const { cost, coordinator, placement: { stages } } = candidate;
  const head = candidate.head ?? candidate.reckoned.head;
  const { outputTokens, concurrent } = input.workload;
  const past = decodePast(input.workload);
  const place = { cost, stages, coordinator, head };
  const frames = pipelineCosts({ ...place, past });
  const placed: PlacedSolution = { ...candidate, head, stages, past, frames };
  const { pieces, seconds: ttftSeconds } = piecesFor(place, input);
  const lanes = lanesOf(input);
  const drafting = attempt(() => draftOf(placed, input));
  const alone = drafting?.secondsPerToken ?? frames.latency(1);
  const shape = branchShape({ costs: frames, branches: lanes, maxRows: SHARED_ROWS });
  const secondsPerToken = lanes === 1 ? alone : 1 / shape.tokensPerSecond;
  const run: Lanes = lanes > 1
    ? { frames: shape.frames_in_flight, rows: shape.rows_per_frame, tokens: shape.in_flight }
    : drafting
    ? { frames: 1, rows: drafting.rows, tokens: drafting.tokens }
    : ONE_LANE;
  const solved: Solved = {
    ...placed,
    // both are computed in different orders, and may differ by rounding
    lowerBound: Math.min(candidate.lowerBound, candidate.placement.value),
    pieces,
    drafting,
    run,
    ttftSeconds,
    tpotSeconds: frames.latency(1),
    laneSeconds: lanes === 1 ? alone : shape.in_flight * secondsPerToken,
    requestSeconds: ttftSeconds + (outputTokens - 1) * concurrent * secondsPerToken,
    loadedSeconds: 0,
  };
  return { ...solved, loadedSeconds: loadedSeconds(solved, input) };
}

/** Pieces that were planned with a cost model, by stages and coordinator. */
const planned = new WeakMap<CostModel, Map<string, number[]>>();

/** The pieces of the workload's prompt, and its TTFT in seconds. A split of the head is no matter. */
function piecesFor(place: PromptPlace, input: PlanInput): { pieces: number[]; seconds: number } {
  const { cost, stages, coordinator } = place;
  const { promptTokens } = input.workload;
  const key = JSON.stringify([stages, coordinator, promptTokens, input.constraints.minPieceRows]);
  const known = planned.get(cost) ?? new Map<string, number[]>();
  planned.set(cost, known);
  const pieces = known.get(key);
  if (pieces) return { pieces, seconds: promptSeconds(place, pieces) };
  const limits = { ...pieceLimits(input), maxLabels: LABELS };
  const found = promptPieces({ ...place, head: undefined }, promptTokens, limits);
  known.set(key, found.pieces);
  return { pieces: found.pieces, seconds: promptSeconds(place, found.pieces) };
}

/**
 * Seconds for each output token at full load: the larger of two. The busiest part is occupied by
 * the pieces of a prompt for every `outputTokens` tokens, and by a decode frame for the tokens that
 * it gives. And a request waits for its first token and for its rounds, each a frame's way through
 * the pipeline or the busiest part once for each frame of the round. The rows of a frame are those
 * with which this is least.
 */
function loadedSeconds(solved: Solved, input: PlanInput): number {
  const { pieces, frames, past, ttftSeconds, drafting } = solved;
  const { outputTokens, concurrent } = input.workload;
  const lanes = lanesOf(input);
  const prompt = new Map<number | string, number>();
  let before = 0;
  for (const [i, rows] of pieces.entries()) {
    const wanted = i === pieces.length - 1 ? 1 : 0;
    for (const [part, seconds] of occupied(solved, { rows, past: before, wanted })) {
      prompt.set(part, (prompt.get(part) ?? 0) + seconds / outputTokens);
    }
    before += rows;
  }
  let best = Infinity;
  const consider = (rows: number, tokens: number, wait: number) => {
    const decode = occupied(solved, { rows, past, wanted: rows });
    let busy = 0;
    for (const [part, seconds] of decode) {
      busy = Math.max(busy, (prompt.get(part) ?? 0) + seconds / tokens);
    }
    const rounds = outputTokens * concurrent;
    best = Math.min(best, Math.max(busy, (ttftSeconds + rounds * wait) / rounds));
  };
  for (let rows = 1; rows <= Math.min(lanes, SHARED_ROWS); rows++) {
    const count = Math.ceil(lanes / rows);
    const round = Math.max(frames.latency(rows), count * frames.bottleneck(rows));
    consider(rows, lanes / count, round / lanes);
  }
  if (lanes === 1 && drafting && drafting.rows > 1) {
    consider(drafting.rows, drafting.tokens, drafting.secondsPerToken);
  }
  return best;
}

/** What a plan is chosen by, in seconds: the objective, for the frames that are run. */
export function worth(solved: Solved, { objective, lambda }: PlanInput): number {
  if (objective === "latency") return solved.laneSeconds;
  if (objective === "throughput") return solved.loadedSeconds;
  return lambda === undefined ? solved.requestSeconds : solved.placement.value;
}
