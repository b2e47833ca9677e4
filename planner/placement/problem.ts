/**
 * Placement as numbers alone: who computes which layers, at what cost. Brute force, MILP and
 * solvers share it.
 *
 * A placement is a sequence of stages: distinct devices, contiguous layer ranges that cover the
 * model in order. Its value is `sumWeight * sum + maxWeight * max`: the sum over entry, stages,
 * hops and exit in one system of costs, and the slowest of them in another (a hop overlaps with its
 * stages, so it counts as a part of its own).
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/**
 * One system of costs, all >= 0, any unit. A stage of n layers costs `n * layer + fixed` (+ embed
 * first, + head last).
 */
export interface StageCosts {
  /** One layer. (devices) */
  layer: number[];
  /** Any stage, whatever its layers. (devices) */
  fixed: number[];
  /** On the first stage. (devices) */
  embed: number[];
  /** On the last stage. (devices) */
  head: number[];
  /** `hop[from][to]`; Infinity: they cannot talk. The diagonal is not read. (devices, devices) */
  hop: number[][];
  /** Coordinator to first stage. (devices) */
  entry: number[];
  /** Last stage to coordinator. (devices) */
  exit: number[];
}

/** What is to be placed where. */
export interface PlacementProblem {
  /** Of the model. */
  layers: number;
  /** To choose from. */
  devices: number;
  /** Enters the objective as a sum. */
  sum: StageCosts;
  /** Enters it as the slowest part. */
  max: StageCosts;
  /** `latency` 1, `throughput` 0, `blended` 1. */
  sumWeight: number;
  /** `latency` 0, `throughput` 1, `blended` lambda. */
  maxWeight: number;
  /** Weights and KV of each layer. (layers) */
  layerBytes: number[];
  /** On the first stage. */
  embedBytes: number;
  /** On the last stage. */
  headBytes: number;
  /** A device with embedding and head holds them once: the larger of the two counts. */
  tied: boolean;
  /** Taken on a device that has a stage. (devices) */
  overheadBytes: number[];
  /** (devices) */
  memoryBytes: number[];
  /** May it hold the first or last stage? (devices) */
  ends: boolean[];
  /** May it hold any stage? (devices) */
  usable: boolean[];
  /** Device that must compute the layer, -1: any. (layers) */
  pin: number[];
}

/** A stage: layers `first` to `last`, inclusive, on a device. */
export interface PlacedStage {
  /** Index. */
  device: number;
  /** 0-based. */
  first: number;
  /** Inclusive. */
  last: number;
}

/** What a solver answers. */
export interface Placement {
  /** In pipeline order. */
  stages: PlacedStage[];
  /** Of the objective. */
  value: number;
  /** Sum over entry, stages, hops and exit. */
  sum: number;
  /** Slowest of them. */
  max: number;
  /** No placement has a smaller value (to rounding, 1e-9 relative). */
  lowerBound: number;
  /** `(value - lowerBound) / lowerBound`. */
  gap: number;
  /** Proven optimal. */
  exact: boolean;
}

/** Bytes that stage `first..last` needs on a device, without the overhead. */
export function stageBytes(problem: PlacementProblem, first: number, last: number): number {
  let bytes = 0;
  for (let layer = first; layer <= last; layer++) bytes += problem.layerBytes[layer];
  return bytes + endBytes(problem, first === 0, last === problem.layers - 1);
}

/** Bytes of embedding and head where a stage is the first, the last, or both. */
export function endBytes(problem: PlacementProblem, first: boolean, last: boolean): number {
  if (first && last && problem.tied) return Math.max(problem.embedBytes, problem.headBytes);
  return (first ? problem.embedBytes : 0) + (last ? problem.headBytes : 0);
}

/** Sum, slowest part and objective of a placement; says nothing about whether it is allowed. */
export function evaluateStages(
  problem: PlacementProblem,
  stages: PlacedStage[],
): { sum: number; max: number; value: number } {
  const { sum: s, max: m } = problem;
  let sum = 0;
  let max = 0;
  stages.forEach(({ device: d, first, last }, i) => {
    const isFirst = i === 0;
    const isLast = i === stages.length - 1;
    const n = last - first + 1;
    sum += (isFirst ? s.entry[d] : s.hop[stages[i - 1].device][d]) +
      stageCost(s, d, n, isFirst, isLast);
    if (isLast) sum += s.exit[d];
    const arrival = isFirst ? m.entry[d] : m.hop[stages[i - 1].device][d];
    max = Math.max(max, arrival, stageCost(m, d, n, isFirst, isLast), isLast ? m.exit[d] : 0);
  });
  return { sum, max, value: objective(problem, sum, max) };
}

/** Cost of a stage of n layers; one expression everywhere, so that equal stages cost equal bits. */
export function stageCost(
  costs: StageCosts,
  device: number,
  n: number,
  first: boolean,
  last: boolean,
): number {
  return n * costs.layer[device] + costs.fixed[device] + (first ? costs.embed[device] : 0) +
    (last ? costs.head[device] : 0);
}

/** Weighted objective; a weight of 0 silences an infinite part. */
export function objective(problem: PlacementProblem, sum: number, max: number): number {
  return (problem.sumWeight === 0 ? 0 : problem.sumWeight * sum) +
    (problem.maxWeight === 0 ? 0 : problem.maxWeight * max);
}

/** Why a placement is not allowed, or undefined where it is. */
export function violation(problem: PlacementProblem, stages: PlacedStage[]): string | undefined {
  if (stages.length === 0) return "there is no stage";
  const used = new Set<number>();
  let next = 0;
  for (const [i, { device: d, first, last }] of stages.entries()) {
    if (first !== next || last < first) {
      return `stage ${i} has layers ${first} to ${last} where ${next} is next`;
    }
    next = last + 1;
    if (used.has(d)) return `device ${d} has two stages`;
    used.add(d);
    if (!problem.usable[d]) return `device ${d} is not usable`;
    if ((i === 0 || i === stages.length - 1) && !problem.ends[d]) {
      return `device ${d} may not hold an end`;
    }
    const need = stageBytes(problem, first, last) + problem.overheadBytes[d];
    if (need > problem.memoryBytes[d]) {
      return `device ${d} lacks ${need - problem.memoryBytes[d]} bytes`;
    }
    for (let layer = first; layer <= last; layer++) {
      if (problem.pin[layer] >= 0 && problem.pin[layer] !== d) {
        return `layer ${layer} is pinned elsewhere`;
      }
    }
  }
  if (next !== problem.layers) return `layers from ${next} on are missing`;
  const { sum, max } = evaluateStages(problem, stages);
  return Number.isFinite(sum) && Number.isFinite(max)
    ? undefined
    : "it needs a link that does not exist";
}

/**
 * Throws `planner/bad_problem` unless every array has its length and every number is one that costs
 * can be.
 */
export function checkProblem(problem: PlacementProblem): void {
  const { devices: d, layers: l } = problem;
  if (!Number.isInteger(l) || l < 1) bad("layers", l, "at least 1");
  if (!Number.isInteger(d) || d < 1) bad("devices", d, "at least 1");
  for (const system of ["sum", "max"] as const) {
    const costs = problem[system];
    for (const part of ["layer", "fixed", "embed", "head", "entry", "exit"] as const) {
      numbers(`${system}.${part}`, costs[part], d, part === "entry" || part === "exit");
    }
    if (costs.hop.length !== d) bad(`${system}.hop`, costs.hop.length, `${d} rows`);
    costs.hop.forEach((row, i) => {
      if (row.length !== d) bad(`${system}.hop[${i}]`, row.length, `${d} entries`);
      row.forEach((value, j) => {
        if (i !== j && !(value >= 0)) bad(`${system}.hop[${i}][${j}]`, value, "0 or more");
      });
    });
  }
  numbers("weights", [problem.sumWeight, problem.maxWeight], 2);
  if (problem.sumWeight + problem.maxWeight === 0) bad("sumWeight + maxWeight", 0, "more than 0");
  numbers("layerBytes", problem.layerBytes, l);
  numbers("embedBytes and headBytes", [problem.embedBytes, problem.headBytes], 2);
  numbers("overheadBytes", problem.overheadBytes, d);
  numbers("memoryBytes", problem.memoryBytes, d, true);
  for (const part of ["ends", "usable"] as const) {
    if (problem[part].length !== d) bad(part, problem[part].length, `${d} entries`);
  }
  if (problem.pin.length !== l) bad("pin", problem.pin.length, `${l} entries`);
  problem.pin.forEach((pin, i) => {
    if (!Number.isInteger(pin) || pin < -1 || pin >= d) {
      bad(`pin[${i}]`, pin, `-1 or a device below ${d}`);
    }
  });
}

function numbers(name: string, values: number[], length: number, infinite = false): void {
  if (values.length !== length) bad(name, values.length, `${length} entries`);
  values.forEach((value, i) => {
    if (!(value >= 0) || (!infinite && value === Infinity)) {
      bad(`${name}[${i}]`, value, "0 or more, finite");
    }
  });
}

function bad(what: string, value: number, expected: string): never {
  throw new OrreryError({
    group: "planner",
    code: "bad_problem",
    message: `${what} of a placement problem is ${value}, expected ${expected}`,
    metadata: { what, value: String(value), expected },
  });
}
