/**
 * Makes a placement problem from a workload and an objective: which frames count, and how often.
 *
 * @module
 */
import type { CostModel, FrameShape } from "./cost/mod.ts";
import type { PlacementProblem, StageCosts } from "./placement/mod.ts";
import type { Constraints, Objective, Workload } from "./types.ts";

/** Most rows that lanes share in a frame: as many as the arbiter puts in one. */
export const SHARED_ROWS = 64;

/** Input of {@linkcode problemsOf} besides the costs. */
export interface ProblemSetting {
  /** What the plan minimises. */
  objective: Objective;
  /** See `PlanInput.lambda`. */
  lambda?: number;
  /** The requests that the plan is made for. */
  workload: Workload;
  /** The user's limits. */
  constraints: Constraints;
  /** Number of equal pieces that the prompt is assumed to be cut into. */
  pieces: number;
  /**
   * Decode frames that are assumed to be on their way at once, and the rows of each. For one lane:
   * 1 frame of 1 row.
   */
  lanes: { frames: number; rows: number };
  /** Rows of KV cache that every stage has memory for. */
  kvRows: number;
}

/** Rows before a decode row in the middle of the answer: the prompt and half of the output. */
export function decodePast({ promptTokens, outputTokens }: Workload): number {
  return promptTokens + Math.floor(outputTokens / 2);
}

/** Rows of KV cache that a workload needs: its `kvRows`, or all rows of all its requests. */
export function kvRowsOf(
  { kvRows, concurrent, promptTokens, outputTokens, branches }: Workload,
): number {
  return kvRows ?? concurrent * (promptTokens + outputTokens * branches);
}

/**
 * Rows that share a decode frame under full load: those of all lanes, spread over the devices, at
 * most {@linkcode SHARED_ROWS}.
 */
export function loadedRows({ branches, concurrent }: Workload, devices: number): number {
  return Math.min(SHARED_ROWS, Math.max(1, Math.ceil(branches * concurrent / devices)));
}

/**
 * Placement problems for several coordinators (device indices where requests enter and tokens
 * return to), one for each. What does not depend on the coordinator is computed once. A problem's
 * value is
 *
 * - `latency`: seconds of a decode step, through all stages and links and back;
 * - `throughput`: seconds for which the busiest stage or link is occupied, for each output token;
 * - `blended`: seconds of a request: the output tokens times the decode step, the first prompt
 *   piece's way through the pipeline, and the slowest stage once for each further piece. Several
 *   lanes go in rounds; a round takes a frame's way through the pipeline, and the slowest stage
 *   once for each further frame on its way. With a `lambda`: the decode step + lambda * the slowest
 *   stage or link of a piece.
 *
 * Devices that are not trusted enough for an end, or excluded, are marked; pins become pins.
 */
export function problemsOf(
  cost: CostModel,
  setting: ProblemSetting,
  coordinators: number[],
): PlacementProblem[] {
  const { constraints, kvRows } = setting;
  const { model, devices } = cost;
  const { sum, max, sumWeight, maxWeight } = termsOf(setting, devices.length);
  const excluded = new Set(constraints.exclude);
  const pin = new Array<number>(model.layers).fill(-1);
  for (const { host, first, last } of constraints.pin) {
    pin.fill(devices.findIndex((d) => d.name === host), first, last + 1);
  }
  const [sumCosts, maxCosts] = [sum, max].map((terms) => costsOf(cost, terms));
  return coordinators.map((coordinator) => ({
    layers: model.layers,
    devices: devices.length,
    sum: { ...sumCosts, ...endsOf(cost, sum, coordinator) },
    max: { ...maxCosts, ...endsOf(cost, max, coordinator) },
    sumWeight,
    maxWeight,
    layerBytes: model.layerBytes.map((bytes) => bytes + model.kvBytesPerRow * kvRows),
    embedBytes: model.embedBytes,
    headBytes: model.headBytes,
    tied: model.tied,
    overheadBytes: devices.map((d) => d.overheadBytes),
    memoryBytes: devices.map((d) => d.memoryBytes),
    ends: devices.map((d) => d.trusted || !constraints.trustedEnds),
    usable: devices.map((d) => !excluded.has(d.name)),
    pin,
  }));
}

/** A frame and how often it counts in a system of costs. */
interface Term {
  /** How often the frame counts. */
  weight: number;
  frame: FrameShape;
  /**
   * `passing`: the time that the frame takes. `busy`: the time for which it occupies a part,
   * without the latency of links.
   */
  kind: "passing" | "busy";
}

/** The objective of {@linkcode problemsOf} as frames and weights. */
function termsOf(
  { objective, lambda, workload, pieces, lanes }: ProblemSetting,
  devices: number,
) {
  const { promptTokens, outputTokens, branches, concurrent } = workload;
  const past = decodePast(workload);
  const rows = promptTokens / pieces;
  const step: FrameShape = { rows: 1, past, wanted: 1 };
  const piece: FrameShape = { rows, past: (promptTokens - rows) / 2, wanted: 1 };
  const term = (weight: number, frame: FrameShape, kind: Term["kind"]): Term => ({
    weight,
    frame,
    kind,
  });
  const slowest = (weight: number) => term(weight, { ...piece, wanted: 0 }, "busy");
  const sum = [term(1, step, "passing")];
  if (objective === "latency") {
    return { sum, max: [term(1, step, "busy")], sumWeight: 1, maxWeight: 0 };
  }
  if (objective === "throughput") {
    const together = loadedRows(workload, devices);
    const loaded = { rows: together, past, wanted: together };
    const max = [slowest(pieces / outputTokens), term(1 / together, loaded, "busy")];
    return { sum, max, sumWeight: 0, maxWeight: 1 };
  }
  if (lambda !== undefined) return { sum, max: [slowest(1)], sumWeight: 1, maxWeight: lambda };
  const shared = { rows: lanes.rows, past, wanted: lanes.rows };
  const rounds = outputTokens * concurrent /
    Math.min(branches * concurrent, lanes.frames * lanes.rows);
  return {
    sum: [term(rounds, shared, "passing"), term(1, piece, "passing")],
    max: [slowest(pieces - 1), term(rounds * (lanes.frames - 1), shared, "busy")],
    sumWeight: 1,
    maxWeight: 1,
  };
}

/** Seconds of a frame's bytes on a link, as the term counts them. */
const linkSeconds = (
  cost: CostModel,
  { kind }: Term,
  { from, to, bytes }: { from: number; to: number; bytes: number },
) => kind === "passing" ? cost.hopSeconds(from, to, bytes) : cost.transferSeconds(from, to, bytes);

/** The costs that do not depend on the coordinator: all but entry and exit. */
function costsOf(cost: CostModel, terms: Term[]): Omit<StageCosts, "entry" | "exit"> {
  const all = cost.devices.map((_, d) => d);
  const line = (seconds: (d: number, term: Term) => number) =>
    all.map((d) => terms.reduce((sum, term) => sum + term.weight * seconds(d, term), 0));
  return {
    layer: line((d, { frame }) => cost.layerSeconds(d, frame)),
    fixed: line((d) => cost.devices[d].frameSeconds),
    embed: line((d, { frame }) => cost.embedSeconds(d, frame.rows)),
    head: line((d, { frame }) => cost.headSeconds(d, frame.wanted)),
    hop: all.map((from) =>
      line((to, term) =>
        linkSeconds(cost, term, { from, to, bytes: cost.hopBytes(term.frame.rows) })
      )
    ),
  };
}

/** The costs of entry and exit for a coordinator. */
function endsOf(
  cost: CostModel,
  terms: Term[],
  coordinator: number,
): Pick<StageCosts, "entry" | "exit"> {
  const line = (seconds: (d: number, term: Term) => number) =>
    cost.devices.map((_, d) =>
      terms.reduce((sum, term) => sum + term.weight * seconds(d, term), 0)
    );
  return {
    entry: line((d, term) =>
      linkSeconds(cost, term, {
        from: coordinator,
        to: d,
        bytes: cost.requestBytes(term.frame.rows),
      })
    ),
    exit: line((d, term) =>
      linkSeconds(cost, term, {
        from: d,
        to: coordinator,
        bytes: cost.answerBytes(term.frame.wanted),
      })
    ),
  };
}
