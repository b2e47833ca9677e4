/**
 * From a workload and an objective to a placement problem: which frames count how often.
 *
 * @module
 */
import type { CostModel, FrameShape } from "./cost/mod.ts";
import type { PlacementProblem, StageCosts } from "./placement/mod.ts";
import type { Constraints, Objective, Workload } from "./types.ts";

/** What {@linkcode problemOf} is made from, besides costs. */
export interface ProblemSetting {
  objective: Objective;
  /** See `PlanInput.lambda`. */
  lambda?: number;
  workload: Workload;
  constraints: Constraints;
  /** Index of the device where requests enter and tokens return to. */
  coordinator: number;
  /** Pieces that the prompt is reckoned to be cut into, of equal size. */
  pieces: number;
  /**
   * Decode frames that are reckoned to be under way at once, and rows of each. One lane: 1 of 1.
   */
  lanes: { frames: number; rows: number };
  /** KV rows that every stage holds memory for. */
  kvRows: number;
  /**
   * Devices that have stages in any case, or may: all others are left out. @default all that are
   * not excluded
   */
  only?: ReadonlySet<number>;
}

/** Rows behind a decode row in the middle of the answer. */
export function decodePast({ promptTokens, outputTokens }: Workload): number {
  return promptTokens + Math.floor(outputTokens / 2);
}

/** KV rows of a workload, where it does not say itself. */
export function kvRowsOf(
  { kvRows, concurrent, promptTokens, outputTokens, branches }: Workload,
): number {
  return kvRows ?? concurrent * (promptTokens + outputTokens * branches);
}

/**
 * Rows that share a decode frame under full load: those of all lanes, spread over the devices, at
 * most 8.
 */
export function loadedRows({ branches, concurrent }: Workload, devices: number): number {
  return Math.min(8, Math.max(1, Math.ceil(branches * concurrent / devices)));
}

/**
 * The problem whose value is
 *
 * - `latency`: seconds of a decode step, through stages and links and back;
 * - `throughput`: seconds for which the busiest stage or link is occupied, for each output token;
 * - `blended`: seconds of a request: output tokens times the decode step, the first prompt piece's
 *   way through the pipeline, and the slowest stage once for each further piece. Several lanes go
 *   in rounds: each a frame's way, and the slowest stage once for each further frame in flight.
 *   With a `lambda`: decode step + lambda * the slowest stage or link of a piece.
 *
 * Devices without enough trust for an end, or excluded, are marked so; pins become pins.
 */
export function problemOf(cost: CostModel, setting: ProblemSetting): PlacementProblem {
  return problemsOf(cost, setting, [setting.coordinator])[0];
}

/** {@linkcode problemOf} for several coordinators; what does not depend on them is shared. */
export function problemsOf(
  cost: CostModel,
  setting: Omit<ProblemSetting, "coordinator">,
  coordinators: number[],
): PlacementProblem[] {
  const { constraints, kvRows, only } = setting;
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
    usable: devices.map((d, i) => !excluded.has(d.name) && (only === undefined || only.has(i))),
    pin,
  }));
}

/** A frame that counts so often in a system of costs. */
interface Term {
  weight: number;
  frame: FrameShape;
  /** `passing`: what it waits for. `busy`: what it keeps occupied, without the latency of links. */
  kind: "passing" | "busy";
}

/** What {@linkcode problemOf} says, as frames. */
function termsOf(
  { objective, lambda, workload, pieces, lanes }: Omit<ProblemSetting, "coordinator">,
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

const linkSeconds = (
  cost: CostModel,
  { kind }: Term,
  { from, to, bytes }: { from: number; to: number; bytes: number },
) => kind === "passing" ? cost.hopSeconds(from, to, bytes) : cost.transferSeconds(from, to, bytes);

/** All but entry and exit. */
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
