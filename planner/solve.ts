/**
 * The placement inside a plan: which coordinator, how many pieces, which stages, and what that
 * predicts.
 *
 * @module
 */
import type { Wire } from "../actors/mod.ts";
import { CostModel } from "./cost/mod.ts";
import { branchShape, type PipelineCosts, pipelineCosts } from "./decode/mod.ts";
import { infeasible, placeNamed } from "./place_named.ts";
import {
  evaluateStages,
  place,
  type Placement,
  type PlacementProblem,
  violation,
} from "./placement/mod.ts";
import { decodePast, kvRowsOf, type ProblemSetting, problemsOf } from "./problem_of.ts";
import { type DeviceStage, pieceStages, pipelinePieces, pipelineSeconds } from "./sequence/mod.ts";
import type { Device, PlanInput } from "./types.ts";

/**
 * Up to so many devices every coordinator is tried; above, those at the ends of the best pipeline.
 */
const ALL_COORDINATORS = 16;
/** Up to so many devices more piece counts are tried. */
const FEW_DEVICES = 8;
/** Rows of the pieces that a placement is first reckoned with. */
const FIRST_PIECE_ROWS = 128;
/** Most rows of a piece: beyond it nothing is measured. */
export const MAX_PIECE_ROWS = 512;
/** Most rows that lanes share in a frame. */
export const SHARED_ROWS = 8;
/** Finish-time vectors kept a grid point when pieces are planned for one candidate. */
const LABELS = 64;

type Setting = Omit<ProblemSetting, "coordinator">;
type Lanes = ProblemSetting["lanes"];
const ONE_LANE: Lanes = { frames: 1, rows: 1 };

/** Pieces of equal size, and frames of lanes, that a request is reckoned to take. */
export interface Reckoned {
  pieces: number;
  lanes: Lanes;
}

/** A placement with what it was made from and what it predicts. */
export interface Solved {
  cost: CostModel;
  problem: PlacementProblem;
  placement: Placement;
  /** No placement at any coordinator can have a smaller value. */
  lowerBound: number;
  /** Index of the device. */
  coordinator: number;
  /** Rows behind a decode row in the middle of the answer. */
  past: number;
  /** In pipeline order, as the sequence partition takes them. */
  stages: DeviceStage[];
  /** What the problem was made with. */
  reckoned: Reckoned;
  /** Rows of the prompt's pieces as planned. */
  pieces: number[];
  /** Of decode frames. */
  frames: PipelineCosts;
  ttftSeconds: number;
  tpotSeconds: number;
  /** Of one request without drafts, its branches sharing frames. */
  requestSeconds: number;
}

/** What {@linkcode solve} may take as given. */
export interface SolveOptions {
  wire: Wire;
  /** With memory caps applied. */
  devices: Device[];
  /** Only this device as coordinator. */
  coordinator?: number;
  /** Only as these pieces and lanes would have it. */
  reckoned?: Reckoned;
}

/**
 * The best placement over coordinators and piece counts. Never worse than the best single device
 * that could serve, neither in the objective nor, under `blended`, in the predicted time of a
 * request. Throws `infeasible`, naming who lacks how many bytes.
 */
export function solve(
  input: PlanInput,
  { wire, devices, coordinator, reckoned }: SolveOptions,
): Solved {
  const cost = new CostModel({ model: input.model, devices, links: input.links, wire });
  const { promptTokens } = input.workload;
  const least = Math.min(promptTokens, Math.max(1, input.constraints.minPieceRows));
  const most = Math.max(1, Math.floor(promptTokens / least));
  const guess = Math.min(most, Math.max(1, Math.round(promptTokens / FIRST_PIECE_ROWS)));
  const setting = (pieces: number, lanes: Lanes): Setting => ({
    objective: input.objective,
    lambda: input.lambda,
    workload: input.workload,
    constraints: input.constraints,
    pieces,
    lanes,
    kvRows: kvRowsOf(input.workload),
  });
  const candidates = coordinator === undefined ? coordinatorsOf(input, devices) : [coordinator];
  const all = candidates.length <= ALL_COORDINATORS;
  const round = (pieces: number, lanes: Lanes): Solved => {
    const problems = problemsOf(cost, setting(pieces, lanes), candidates);
    if (all) {
      const placed = problems.map((problem) => placeNamed(problem, devices));
      const best = placed.reduce((a, p, i) => p.value < placed[a].value ? i : a, 0);
      return predicted({
        input,
        cost,
        problem: problems[best],
        placement: placed[best],
        lowerBound: Math.min(...placed.map((p) => p.lowerBound)),
        coordinator: candidates[best],
        reckoned: { pieces, lanes },
      });
    }
    // entry and exit at their best for each device: no coordinator can do better
    const free: PlacementProblem = {
      ...problems[0],
      sum: freeEnds(problems, "sum"),
      max: freeEnds(problems, "max"),
    };
    const { lowerBound, stages } = placeNamed(free, devices);
    const ends = [stages[0].device, stages[stages.length - 1].device];
    const near = candidates.map((at, i) => ({
      at,
      i,
      value: evaluateStages(problems[i], stages).value,
    }))
      .sort((a, b) =>
        Number(ends.includes(b.at)) - Number(ends.includes(a.at)) || a.value - b.value || a.i - b.i
      );
    const solved = near.slice(0, 2).map(({ at, i }) =>
      predicted({
        input,
        cost,
        problem: problems[i],
        placement: placeNamed(problems[i], devices),
        lowerBound,
        coordinator: at,
        reckoned: { pieces, lanes },
      })
    );
    return solved.reduce((a, b) => b.placement.value < a.placement.value ? b : a);
  };
  if (reckoned) {
    return orAlone(round(Math.min(most, reckoned.pieces), reckoned.lanes), {
      input,
      cost,
      setting,
      candidates,
      most,
    });
  }
  const few = devices.length <= FEW_DEVICES;
  let best: Solved | undefined;
  const consider = (pieces: number, lanes: Lanes) => {
    const other = round(Math.min(most, pieces), lanes);
    if (!best || other.requestSeconds < best.requestSeconds) best = other;
    return best;
  };
  if (!byRequest(input)) best = round(guess, ONE_LANE);
  else {
    for (const lanes of lanesOf(input, devices.length)) {
      // a pipeline that only small pieces make worthwhile is not found by reckoning with large ones
      for (
        const pieces of new Set(
          few ? [guess, 4 * guess, 16 * guess].map((n) => Math.min(most, n)) : [guess],
        )
      ) {
        consider(pieces, lanes);
      }
    }
    const { pieces, reckoned: { lanes } } = best!;
    consider(pieces.length, lanes);
  }
  return orAlone(best!, { input, cost, setting, candidates, most });
}

/** Devices that may coordinate, as indices. */
function coordinatorsOf(input: PlanInput, devices: Device[]): number[] {
  const { constraints, coordinator } = input;
  const may = (d: Device) =>
    (d.trusted || !constraints.trustedEnds) && !constraints.exclude.includes(d.name);
  if (coordinator !== undefined) {
    const at = devices.findIndex((d) => d.name === coordinator);
    if (may(devices[at])) return [at];
    const why = constraints.exclude.includes(coordinator)
      ? "is excluded"
      : "is not trusted, which trusted_ends asks for";
    throw infeasible(`${coordinator} is to coordinate, but it ${why}`, []);
  }
  const found = devices.flatMap((d, i) => may(d) ? [i] : []);
  if (found.length > 0) return found;
  throw infeasible(
    "every device is excluded, or not trusted while trusted_ends asks for a trusted one",
    [],
  );
}

function freeEnds(problems: PlacementProblem[], system: "sum" | "max"): PlacementProblem["sum"] {
  const least = (end: "entry" | "exit") =>
    problems[0][system][end].map((_, d) => Math.min(...problems.map((p) => p[system][end][d])));
  return { ...problems[0][system], entry: least("entry"), exit: least("exit") };
}

interface Parts {
  input: PlanInput;
  cost: CostModel;
  problem: PlacementProblem;
  placement: Placement;
  lowerBound: number;
  coordinator: number;
  /** What the problem was made with. */
  reckoned: Reckoned;
}

/** Pieces and times of a placement. */
function predicted({ input, ...parts }: Parts): Solved {
  const { cost, coordinator } = parts;
  const { stages } = parts.placement;
  const { promptTokens, outputTokens, branches, concurrent } = input.workload;
  const pipeline = pieceStages(cost, stages);
  const { pieces } = pipelinePieces({
    tokens: promptTokens,
    stages: pipeline,
    ...pieceLimits(input),
  }, {
    maxLabels: LABELS,
  });
  const past = decodePast(input.workload);
  const frames = pipelineCosts({ cost, stages, coordinator, past });
  const ttftSeconds = firstTokenSeconds({ cost, stages, coordinator }, pieces);
  const tpotSeconds = frames.latency(1);
  const lanes = Math.min(branches, input.decode?.maxBranches ?? branches) * concurrent;
  const { tokensPerSecond } = branchShape({ costs: frames, branches: lanes, maxRows: SHARED_ROWS });
  const requestSeconds = ttftSeconds + (outputTokens - 1) * concurrent / tokensPerSecond;
  return { ...parts, past, stages, pieces, frames, ttftSeconds, tpotSeconds, requestSeconds };
}

/** Seconds from a prompt that is cut into these pieces to its first token. */
export function firstTokenSeconds(
  { cost, stages, coordinator }: Pick<Solved, "cost" | "stages" | "coordinator">,
  pieces: number[],
): number {
  const [first, last] = [stages[0].device, stages[stages.length - 1].device];
  return cost.hopSeconds(coordinator, first, cost.requestBytes(pieces[0])) +
    pipelineSeconds(pieceStages(cost, stages), pieces) +
    cost.hopSeconds(last, coordinator, cost.answerBytes(1));
}

/** Limits of pieces that are met by every prompt. */
export function pieceLimits(
  { constraints }: Pick<PlanInput, "constraints">,
): { minPieceRows: number; maxPieceRows: number } {
  const minPieceRows = Math.max(1, constraints.minPieceRows);
  return { minPieceRows, maxPieceRows: Math.max(MAX_PIECE_ROWS, 2 * minPieceRows) };
}

interface Alternatives {
  input: PlanInput;
  cost: CostModel;
  setting: (pieces: number, lanes: Lanes) => Setting;
  candidates: number[];
  most: number;
}

/** The best single device instead, where the pipeline is slower than it. */
function orAlone(
  pipeline: Solved,
  { input, cost, setting, candidates, most }: Alternatives,
): Solved {
  const { layers, devices } = pipeline.problem;
  const worth = (s: Solved) => byRequest(input) ? s.requestSeconds : s.placement.value;
  const alone = Array.from(
    { length: devices },
    (_, device) => [{ device, first: 0, last: layers - 1 }],
  )
    .filter((stages) => violation(pipeline.problem, stages) === undefined)
    .map((stages) => ({
      stages,
      coordinator: candidates.includes(stages[0].device) ? stages[0].device : pipeline.coordinator,
    }));
  const solo = (
    at: typeof alone[number],
    problem: PlacementProblem,
    reckoned: Reckoned,
  ): Solved => {
    const { lowerBound, placement: { exact } } = pipeline;
    const placement = {
      ...evaluateStages(problem, at.stages),
      stages: at.stages,
      lowerBound,
      gap: 0,
      exact,
    };
    return predicted({
      input,
      cost,
      problem,
      placement,
      lowerBound,
      coordinator: at.coordinator,
      reckoned,
    });
  };
  const { reckoned } = pipeline;
  const problems = problemsOf(
    cost,
    setting(reckoned.pieces, reckoned.lanes),
    alone.map((a) => a.coordinator),
  );
  let best = pipeline;
  for (const [i, at] of alone.entries()) {
    const other = solo(at, problems[i], reckoned);
    if (!(worth(other) < worth(best) * (1 - 1e-9))) continue;
    if (!byRequest(input)) {
      best = other;
      continue;
    }
    const own = {
      pieces: Math.min(most, other.pieces.length),
      lanes: { frames: 1, rows: rowsOf(input, 1) },
    };
    best = solo(at, problemsOf(cost, setting(own.pieces, own.lanes), [at.coordinator])[0], own);
  }
  // pieces and lanes of another number make another objective: its bound is its own
  const same = JSON.stringify(best.reckoned) === JSON.stringify(reckoned);
  const lowerBound = same ? best.lowerBound : place(best.problem).lowerBound;
  return { ...best, lowerBound: Math.min(lowerBound, best.placement.value) };
}

/** Rows of a frame where so many frames share the lanes. */
function rowsOf({ workload: { branches, concurrent }, decode }: PlanInput, frames: number): number {
  return Math.min(
    SHARED_ROWS,
    Math.ceil(Math.min(branches, decode?.maxBranches ?? branches) * concurrent / frames),
  );
}

/**
 * Ways to share lanes among frames that are worth a try: all in one, in two, in one for each
 * device.
 */
function lanesOf(input: PlanInput, devices: number): Lanes[] {
  const lanes = Math.min(input.workload.branches, input.decode?.maxBranches ?? Infinity) *
    input.workload.concurrent;
  const counts = new Set([1, 2, devices].map((frames) => Math.min(lanes, frames)));
  return [...counts].map((frames) => ({ frames, rows: rowsOf(input, frames) }));
}

/** Is the objective the predicted time of a request? */
function byRequest({ objective, lambda }: PlanInput): boolean {
  return objective === "blended" && lambda === undefined;
}
