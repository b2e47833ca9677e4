/**
 * Solves for the placement of a plan: the coordinator, the number of pieces and the stages, with
 * the times that they predict.
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
import {
  decodePast,
  kvRowsOf,
  type ProblemSetting,
  problemsOf,
  SHARED_ROWS,
} from "./problem_of.ts";
import { type DeviceStage, pieceStages, pipelinePieces, pipelineSeconds } from "./sequence/mod.ts";
import type { Device, PlanInput } from "./types.ts";

/**
 * Most candidates for which every coordinator is tried. With more, two are tried: those nearest to
 * the ends of the best pipeline.
 */
const ALL_COORDINATORS = 16;
/** Most devices for which several numbers of pieces are tried. */
const FEW_DEVICES = 8;
/** Rows of the pieces with which a placement is solved first. */
const FIRST_PIECE_ROWS = 128;
/** Most rows of a piece: longer frames are not measured. */
export const MAX_PIECE_ROWS = 512;
/** Labels that are kept at each grid point when the pieces of one candidate are planned. */
const LABELS = 64;

type Lanes = ProblemSetting["lanes"];
const ONE_LANE: Lanes = { frames: 1, rows: 1 };

/** The number of equal pieces, and the frames of the lanes, that a problem assumes. */
export interface Reckoned {
  /** Number of pieces. */
  pieces: number;
  /** Frames on their way at once, and the rows of each. */
  lanes: Lanes;
}

/** A placement with the problem that it solves and the times that it predicts. */
export interface Solved {
  /** Predicts the time of each part. */
  cost: CostModel;
  /** The problem that the placement solves. */
  problem: PlacementProblem;
  placement: Placement;
  /** A lower bound of the objective for any placement at any coordinator, in seconds. */
  lowerBound: number;
  /** Index of the coordinator's device. */
  coordinator: number;
  /** Rows before a decode row in the middle of the answer. */
  past: number;
  /** The stages, in pipeline order. */
  stages: DeviceStage[];
  /** The pieces and lanes that the problem assumes. */
  reckoned: Reckoned;
  /** Rows of each piece of the prompt, as planned. */
  pieces: number[];
  /** Costs of decode frames. */
  frames: PipelineCosts;
  /** TTFT of the workload's prompt, in seconds. */
  ttftSeconds: number;
  /** TPOT of one stream without drafts, in seconds. */
  tpotSeconds: number;
  /** Seconds of one request without drafts, whose branches share frames. */
  requestSeconds: number;
}

/** What {@linkcode solve} takes as given. */
export interface SolveOptions {
  /** Wire format of hidden states. */
  wire: Wire;
  /** The devices, with memory limits applied. */
  devices: Device[];
  /** Index of the only device that is tried as coordinator. @default all that may coordinate */
  coordinator?: number;
  /** The only pieces and lanes that are assumed. @default several are tried */
  reckoned?: Reckoned;
}

/**
 * The best placement over coordinators and numbers of pieces. It is never worse than the best
 * single device that could serve, neither in the objective nor, under `blended`, in the predicted
 * time of a request. Throws group `planner`, code `infeasible`, naming which device lacks how many
 * bytes.
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
  const setting = (pieces: number, lanes: Lanes): ProblemSetting => ({
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
    // each device's entry and exit at their best over all coordinators: a lower bound for any of
    // them
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
      // a pipeline that pays only with small pieces is not found when large pieces are assumed
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

/** Indices of the devices that may coordinate. Throws `infeasible` if there is none. */
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

/** Costs whose entry and exit are, for each device, the least of all problems. */
function freeEnds(problems: PlacementProblem[], system: "sum" | "max"): PlacementProblem["sum"] {
  const least = (end: "entry" | "exit") =>
    problems[0][system][end].map((_, d) => Math.min(...problems.map((p) => p[system][end][d])));
  return { ...problems[0][system], entry: least("entry"), exit: least("exit") };
}

/** What {@linkcode predicted} is computed from; fields as in {@linkcode Solved}. */
interface PredictedFrom {
  input: PlanInput;
  cost: CostModel;
  problem: PlacementProblem;
  placement: Placement;
  lowerBound: number;
  coordinator: number;
  /** The pieces and lanes that the problem assumes. */
  reckoned: Reckoned;
}

/** Plans the pieces of a placement and predicts its times. */
function predicted({ input, ...parts }: PredictedFrom): Solved {
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

/** TTFT in seconds of a prompt that is cut into pieces of these rows. */
export function firstTokenSeconds(
  { cost, stages, coordinator }: Pick<Solved, "cost" | "stages" | "coordinator">,
  pieces: number[],
): number {
  const [first, last] = [stages[0].device, stages[stages.length - 1].device];
  return cost.hopSeconds(coordinator, first, cost.requestBytes(pieces[0])) +
    pipelineSeconds(pieceStages(cost, stages), pieces) +
    cost.hopSeconds(last, coordinator, cost.answerBytes(1));
}

/** Fewest and most rows of a piece, chosen so that every prompt can be cut. */
export function pieceLimits(
  { constraints }: Pick<PlanInput, "constraints">,
): { minPieceRows: number; maxPieceRows: number } {
  const minPieceRows = Math.max(1, constraints.minPieceRows);
  return { minPieceRows, maxPieceRows: Math.max(MAX_PIECE_ROWS, 2 * minPieceRows) };
}

/** What {@linkcode orAlone} makes the problems of single devices from. */
interface Alternatives {
  input: PlanInput;
  cost: CostModel;
  setting: (pieces: number, lanes: Lanes) => ProblemSetting;
  /** Indices of the devices that may coordinate. */
  candidates: number[];
  /** Most pieces of the prompt. */
  most: number;
}

/** The pipeline, or the best single device where that is faster. */
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
  // with other pieces and lanes the objective is another one, and so is its bound
  const same = JSON.stringify(best.reckoned) === JSON.stringify(reckoned);
  const lowerBound = same ? best.lowerBound : place(best.problem).lowerBound;
  return { ...best, lowerBound: Math.min(lowerBound, best.placement.value) };
}

/** Rows of a frame where this many frames share the lanes. */
function rowsOf({ workload: { branches, concurrent }, decode }: PlanInput, frames: number): number {
  return Math.min(
    SHARED_ROWS,
    Math.ceil(Math.min(branches, decode?.maxBranches ?? branches) * concurrent / frames),
  );
}

/**
 * The ways to spread lanes over frames that are tried: all in one frame, in two, in one for each
 * device.
 */
function lanesOf(input: PlanInput, devices: number): Lanes[] {
  const lanes = Math.min(input.workload.branches, input.decode?.maxBranches ?? Infinity) *
    input.workload.concurrent;
  const counts = new Set([1, 2, devices].map((frames) => Math.min(lanes, frames)));
  return [...counts].map((frames) => ({ frames, rows: rowsOf(input, frames) }));
}

/** Whether the objective is the predicted time of a request. */
function byRequest({ objective, lambda }: PlanInput): boolean {
  return objective === "blended" && lambda === undefined;
}
