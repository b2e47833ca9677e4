/**
 * The placement problem in numbers: which device computes which layers, at what cost. The solvers,
 * and the brute force and the mixed-integer program of the tests, share it.
 *
 * A placement is a sequence of stages: distinct devices with contiguous ranges of layers that cover
 * the model in order. Its value is `sumWeight * sum + maxWeight * max`, or the larger of the two
 * terms: `sum` is the sum over
 * entry, stages, hops and exit in one system of costs, and `max` the slowest of them in another. (A
 * hop overlaps with its stages, so it counts as a part of its own.)
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/**
 * One system of costs, all >= 0, in any unit. A stage of n layers costs `n * layer + fixed`, the
 * first stage also `embed`, the last one also `head`.
 */
export interface StageCosts {
  /** Cost of one layer. (devices) */
  layer: number[];
  /** Cost of a stage that does not depend on its layers. (devices) */
  fixed: number[];
  /** Cost of the embedding, on the first stage. (devices) */
  embed: number[];
  /** Cost of the head, on the last stage. (devices) */
  head: number[];
  /**
   * Cost of a hop, `hop[from][to]`; Infinity: there is no link. The diagonal is not read. (devices,
   * devices)
   */
  hop: number[][];
  /** Cost of the way from the coordinator to the first stage. (devices) */
  entry: number[];
  /** Cost of the way from the last stage to the coordinator. (devices) */
  exit: number[];
}

/** A placement problem. */
export interface PlacementProblem {
  /** Number of layers of the model. */
  layers: number;
  /** Number of devices. */
  devices: number;
  /** Costs whose sum is part of the objective. */
  sum: StageCosts;
  /** Costs whose slowest part is part of the objective. */
  max: StageCosts;
  /** Weight of the sum. */
  sumWeight: number;
  /** Weight of the slowest part: 0 for `latency`, lambda for `blended`. */
  maxWeight: number;
  /**
   * How the two weighted terms make the value: `sum` adds them, `larger` takes the larger one.
   * @default "sum"
   */
  combine?: "sum" | "larger";
  /** Whether a placement must use the device. (devices) @default none must be used */
  must?: boolean[];
  /** Bytes of each layer's weights and KV cache. (layers) */
  layerBytes: number[];
  /** Bytes of the embedding, on the first stage. */
  embedBytes: number;
  /** Bytes of the head, on the last stage. */
  headBytes: number;
  /**
   * Whether a device with embedding and head holds them once; then the larger of the two counts.
   */
  tied: boolean;
  /** Bytes that the engine takes on a device with a stage. (devices) */
  overheadBytes: number[];
  /** Bytes of the device's memory. (devices) */
  memoryBytes: number[];
  /** Whether it may have the first or last stage. (devices) */
  ends: boolean[];
  /** Whether it may have a stage. (devices) */
  usable: boolean[];
  /** Index of the device that must compute the layer; -1: any. (layers) */
  pin: number[];
}

/** A stage: layers `first` to `last`, inclusive, on a device. */
export interface PlacedStage {
  /** Index of the device. */
  device: number;
  /** First layer, 0-based. */
  first: number;
  /** Last layer, 0-based, inclusive. */
  last: number;
}

/** A solver's answer. */
export interface Placement {
  /** The stages, in pipeline order. */
  stages: PlacedStage[];
  /** Value of the objective. */
  value: number;
  /** Sum over entry, stages, hops and exit. */
  sum: number;
  /** The slowest of them. */
  max: number;
  /** A lower bound of the value for any placement, up to rounding (1e-9 relative). */
  lowerBound: number;
  /** (value - lowerBound) / lowerBound; 0: proven optimal. */
  gap: number;
  /** Whether the placement is proven optimal. */
  exact: boolean;
}

/**
 * Bytes that a stage of layers `first` to `last`, inclusive, takes on a device, without the
 * engine's overhead.
 */
export function stageBytes(problem: PlacementProblem, first: number, last: number): number {
  let bytes = 0;
  for (let layer = first; layer <= last; layer++) bytes += problem.layerBytes[layer];
  return bytes + endBytes(problem, first === 0, last === problem.layers - 1);
}

/** Bytes of embedding and head on a stage that is the first, the last, or both. */
export function endBytes(problem: PlacementProblem, first: boolean, last: boolean): number {
  if (first && last && problem.tied) return Math.max(problem.embedBytes, problem.headBytes);
  return (first ? problem.embedBytes : 0) + (last ? problem.headBytes : 0);
}

/**
 * Sum, slowest part and objective of a placement. It does not check whether the placement is
 * allowed.
 */
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

/**
 * Cost of a stage of `n` layers. Every solver uses this expression, so that equal stages have
 * bit-equal costs.
 */
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

/**
 * The objective of a sum and a slowest part. A part with weight 0 does not count even where it is
 * infinite.
 */
export function objective(problem: PlacementProblem, sum: number, max: number): number {
  const a = problem.sumWeight === 0 ? 0 : problem.sumWeight * sum;
  const b = problem.maxWeight === 0 ? 0 : problem.maxWeight * max;
  return problem.combine === "larger" ? Math.max(a, b) : a + b;
}

/** The sum with which a placement with this slowest part has the value. */
export function sumFor(problem: PlacementProblem, value: number, max: number): number {
  const { sumWeight, maxWeight, combine } = problem;
  const rest = combine === "larger" || maxWeight === 0 ? value : value - maxWeight * max;
  return rest / sumWeight;
}

/** Why a placement is not allowed; undefined: it is allowed. */
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
  const missing = problem.must?.findIndex((must, d) => must && !used.has(d)) ?? -1;
  if (missing >= 0) return `device ${missing} must have a stage`;
  if (next !== problem.layers) return `layers from ${next} on are missing`;
  const { sum, max } = evaluateStages(problem, stages);
  return Number.isFinite(sum) && Number.isFinite(max)
    ? undefined
    : "it needs a link that does not exist";
}

/**
 * Throws group `planner`, code `bad_problem` (metadata: `what`, `value`, `expected`) unless every
 * array has its length and every number is allowed.
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
  if (problem.must && problem.must.length !== d) bad("must", problem.must.length, `${d} entries`);
  if (problem.pin.length !== l) bad("pin", problem.pin.length, `${l} entries`);
  problem.pin.forEach((pin, i) => {
    if (!Number.isInteger(pin) || pin < -1 || pin >= d) {
      bad(`pin[${i}]`, pin, `-1 or a device below ${d}`);
    }
  });
}

/** Checks an array of numbers that are >= 0, and finite unless `infinite`. */
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
