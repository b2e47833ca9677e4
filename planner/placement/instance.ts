/**
 * A placement problem in the form that the solvers use: flat arrays, memory as a number of layers,
 * and devices grouped into types.
 *
 * @module
 */
import { endBytes, type PlacementProblem, stageCost } from "./problem.ts";
import { roomsOf } from "./rooms.ts";

/**
 * Roles of a stage: in the middle, first, last, or the only one. FIRST and LAST are bits, ONLY is
 * both.
 */
export const MIDDLE = 0, FIRST = 1, LAST = 2, ONLY = 3;

/**
 * See the module's text. Arrays of devices are indexed by device, tables of roles by
 * `role * devices + device`.
 */
export interface Instance {
  problem: PlacementProblem;
  /** Number of devices. */
  devices: number;
  /** Number of layers. */
  layers: number;
  /** Whether layers differ (in bytes, or by pins), so that it matters which ones a stage has. */
  positional: boolean;
  /** Bytes of layers 0 .. i-1. (layers + 1) */
  prefixBytes: Float64Array;
  /**
   * Most layers that fit into a device's memory, by role. Where layers differ: at the best place in
   * the model. (4 * devices)
   */
  memoryCaps: Int32Array;
  /**
   * Hops in the sum system, at `from * devices + to`; Infinity on the diagonal. (devices * devices)
   */
  hopSum: Float64Array;
  /** The same in the max system. */
  hopMax: Float64Array;
  /** 1: the device has a pinned layer. (devices) */
  pinned: Uint8Array;
  /** 1: a placement must use the device, because it has a pinned layer or `must`. (devices) */
  needed: Uint8Array;
  /** First pinned layer of a device; `layers` if it has none. (devices) */
  pinFirst: Int32Array;
  /** Last pinned layer of a device; -1 if it has none. (devices) */
  pinLast: Int32Array;
  /** Devices of each room, in input order, see rooms.ts; one room where there is no structure. */
  rooms: number[][];
  /** Room of each device. (devices) */
  roomOf: Int32Array;
  /** Type of each device. Exchanging two devices of one type changes no cost. (devices) */
  typeOf: Int32Array;
  /** Devices of each type, in input order. (types) */
  members: number[][];
}

/** Makes the instance of a problem that `checkProblem` accepted. */
export function prepare(problem: PlacementProblem): Instance {
  const { devices, layers } = problem;
  const prefixBytes = new Float64Array(layers + 1);
  for (let i = 0; i < layers; i++) prefixBytes[i + 1] = prefixBytes[i] + problem.layerBytes[i];
  const pinned = new Uint8Array(devices);
  const pinFirst = new Int32Array(devices).fill(layers);
  const pinLast = new Int32Array(devices).fill(-1);
  problem.pin.forEach((d, layer) => {
    if (d < 0) return;
    pinned[d] = 1;
    pinFirst[d] = Math.min(pinFirst[d], layer);
    pinLast[d] = layer;
  });
  const hopSum = new Float64Array(devices * devices);
  const hopMax = new Float64Array(devices * devices);
  for (let i = 0; i < devices; i++) {
    for (let j = 0; j < devices; j++) {
      // A link that one system lacks does not exist.
      const missing = i === j || problem.sum.hop[i][j] === Infinity ||
        problem.max.hop[i][j] === Infinity;
      hopSum[i * devices + j] = missing ? Infinity : problem.sum.hop[i][j];
      hopMax[i * devices + j] = missing ? Infinity : problem.max.hop[i][j];
    }
  }
  const instance: Instance = {
    problem,
    devices,
    layers,
    positional: pinned.includes(1) || problem.layerBytes.some((b) => b !== problem.layerBytes[0]),
    prefixBytes,
    memoryCaps: new Int32Array(4 * devices),
    hopSum,
    hopMax,
    pinned,
    needed: pinned.map((p, d) => p || problem.must?.[d] ? 1 : 0),
    pinFirst,
    pinLast,
    rooms: roomsOf(devices, hopSum),
    roomOf: new Int32Array(devices),
    typeOf: new Int32Array(devices),
    members: [],
  };
  for (const [room, inside] of instance.rooms.entries()) {
    for (const d of inside) instance.roomOf[d] = room;
  }
  for (let d = 0; d < devices; d++) {
    for (let role = 0; role < 4; role++) {
      instance.memoryCaps[role * devices + d] = memoryCap(instance, d, role);
    }
  }
  group(instance);
  return instance;
}

/**
 * Whether `n` layers from `first` on fit into the memory of device `d`, with embedding and head
 * where they are ends.
 */
export function fits(instance: Instance, d: number, first: number, n: number): boolean {
  const { problem, prefixBytes, layers } = instance;
  const bytes = prefixBytes[first + n] - prefixBytes[first] +
    endBytes(problem, first === 0, first + n === layers);
  return bytes + problem.overheadBytes[d] <= problem.memoryBytes[d];
}

/** Most layers of device `d` in a role, by its memory alone. */
function memoryCap(instance: Instance, d: number, role: number): number {
  const { problem, layers, prefixBytes } = instance;
  if (!problem.usable[d] || (role !== MIDDLE && !problem.ends[d])) return 0;
  if (role === ONLY) return fits(instance, d, 0, layers) ? layers : 0;
  const room = problem.memoryBytes[d] - problem.overheadBytes[d];
  let best = 0;
  if (role === FIRST) {
    while (best < layers - 1 && prefixBytes[best + 1] + problem.embedBytes <= room) best++;
  } else if (role === LAST) {
    const all = prefixBytes[layers];
    while (best < layers - 1 && all - prefixBytes[layers - best - 1] + problem.headBytes <= room) {
      best++;
    }
  } else {
    // The longest range that fits, by a sliding window whose left end moves only when the window is
    // too large.
    for (let left = 0, right = 0; right < layers; right++) {
      while (left <= right && prefixBytes[right + 1] - prefixBytes[left] > room) left++;
      best = Math.max(best, right + 1 - left);
    }
  }
  return Math.min(best, layers);
}

/**
 * Groups exchangeable devices into types. Being exchangeable is an equivalence relation, so a
 * comparison with one member of a type is enough.
 */
function group(instance: Instance): void {
  const { devices, members, typeOf, problem } = instance;
  const scalars = Array.from({ length: devices }, (_, d) => {
    const parts = [problem.sum, problem.max].flatMap((c) => [
      c.layer[d],
      c.fixed[d],
      c.embed[d],
      c.head[d],
      c.entry[d],
      c.exit[d],
    ]);
    // A device that must be used has a type of its own.
    const own = instance.needed[d] === 1 ? d : -1;
    const caps = problem.memoryBytes[d] - problem.overheadBytes[d];
    return [...parts, caps, problem.ends[d], problem.usable[d], own].join(",");
  });
  const known = new Map<string, number[]>();
  for (let d = 0; d < devices; d++) {
    const types = known.get(scalars[d]) ?? [];
    known.set(scalars[d], types);
    let type = types.find((t) => sameLinks(instance, members[t][0], d));
    if (type === undefined) {
      type = members.length;
      members.push([]);
      types.push(type);
    }
    members[type].push(d);
    typeOf[d] = type;
  }
}

/** Whether two devices have the same links to all others and to each other. */
function sameLinks({ devices, hopSum, hopMax }: Instance, a: number, b: number): boolean {
  for (const hop of [hopSum, hopMax]) {
    if (hop[a * devices + b] !== hop[b * devices + a]) return false;
    for (let k = 0; k < devices; k++) {
      if (k === a || k === b) continue;
      if (
        hop[a * devices + k] !== hop[b * devices + k] ||
        hop[k * devices + a] !== hop[k * devices + b]
      ) {
        return false;
      }
    }
  }
  return true;
}

/**
 * Most layers of device `d` in a role, where no part may cost more than `limit` in the max system;
 * 0: it cannot have the role.
 */
export function capAt(instance: Instance, d: number, role: number, limit: number): number {
  const { problem: { max: costs, sum }, devices, memoryCaps, layers } = instance;
  const first = (role & FIRST) !== 0;
  const last = (role & LAST) !== 0;
  let cap = memoryCaps[role * devices + d];
  if (cap === 0) return 0;
  if (first && !(costs.entry[d] <= limit && costs.entry[d] < Infinity && sum.entry[d] < Infinity)) {
    return 0;
  }
  if (last && !(costs.exit[d] <= limit && costs.exit[d] < Infinity && sum.exit[d] < Infinity)) {
    return 0;
  }
  if (limit === Infinity) return cap;
  const room = limit - stageCost(costs, d, 0, first, last);
  // The quotient is rounded, so the cost itself decides, computed as everywhere else.
  if (costs.layer[d] > 0) cap = Math.min(cap, Math.max(0, Math.floor(room / costs.layer[d]) + 1));
  while (cap > 0 && stageCost(costs, d, cap, first, last) > limit) cap--;
  return role === ONLY && cap < layers ? 0 : cap;
}

/** Writes {@linkcode capAt} of every device and role to `caps`. (4 * devices) */
export function capsAt(instance: Instance, limit: number, caps: Int32Array): void {
  const { devices } = instance;
  for (let role = 0; role < 4; role++) {
    for (let d = 0; d < devices; d++) caps[role * devices + d] = capAt(instance, d, role, limit);
  }
}

/** Role of stage `i` (0-based) in a pipeline of `length` stages. */
export function roleAt(i: number, length: number): number {
  return (i === 0 ? FIRST : 0) | (i === length - 1 ? LAST : 0);
}

/**
 * Every value that the slowest part can have, ascending; [Infinity] where the objective does not
 * count it.
 */
export function thresholds(instance: Instance): Float64Array {
  const { problem, devices, memoryCaps, hopMax, members, typeOf } = instance;
  if (problem.maxWeight === 0) return Float64Array.of(Infinity);
  const costs = problem.max;
  const values: number[] = [];
  for (const [d] of members) {
    for (let role = 0; role < 4; role++) {
      const cap = memoryCaps[role * devices + d];
      for (let n = role === ONLY ? instance.layers : 1; n <= cap; n++) {
        values.push(stageCost(costs, d, n, (role & FIRST) !== 0, (role & LAST) !== 0));
      }
    }
    if (problem.ends[d]) values.push(costs.entry[d], costs.exit[d]);
    // One device stands for its type, because all members have the same links.
    for (let k = 0; k < devices; k++) {
      if (k === d || (typeOf[k] === typeOf[d] && k !== members[typeOf[d]][1])) continue;
      values.push(hopMax[d * devices + k], hopMax[k * devices + d]);
    }
  }
  const sorted = Float64Array.from(values).sort();
  let count = 0;
  for (const value of sorted) {
    if (value === Infinity) break;
    // Two values that differ by rounding are the same cost: the larger one stands for both.
    if (count > 0 && value <= sorted[count - 1] * (1 + 1e-12)) count--;
    sorted[count++] = value;
  }
  return sorted.slice(0, count);
}
