/**
 * A lower bound of the sum in O(devices * layers) steps, by a relaxation that forgets the order of
 * the stages.
 *
 * What is left is a knapsack with fixed charges: every chosen device costs its fixed part, its
 * layers, a charge for arriving (`into`) and one for leaving (`out`). The charges are such that
 * every hop i -> j costs at least `out[i] + into[j]`. A path arrives at every stage but the first
 * and leaves every stage but the last, so its charges never exceed its hops.
 *
 * @module
 */
import { FIRST, type Instance, LAST, MIDDLE, ONLY } from "./instance.ts";

/** Charges for arriving at a device and for leaving it, in the unit of the sum system. */
export interface Charges {
  /** For arriving; Infinity: it cannot be entered. (devices) */
  into: Float64Array;
  /** For leaving; Infinity: it cannot be left. (devices) */
  out: Float64Array;
}

/** The devices that {@linkcode Relaxation.solve} chose. */
export interface Relaxed {
  /** A lower bound of the sum of any placement under the caps; Infinity: there is no placement. */
  sum: number;
  /** The chosen devices, in input order. */
  devices: number[];
  /** Role of each, see instance.ts. (chosen devices) */
  roles: number[];
}

/**
 * The largest charges that the hops allowed under `limit` permit, if leaving costs `wish` (lowered
 * to each device's cheapest hop, so that no charge is negative). @default `wish` 0
 */
export function charges(
  instance: Instance,
  caps: Int32Array,
  limit: number,
  wish?: Float64Array,
): Charges {
  const { devices: n, hopSum, hopMax } = instance;
  const into = new Float64Array(n).fill(Infinity);
  const out = new Float64Array(n);
  const leaves = new Uint8Array(n), enters = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    leaves[i] = caps[i] > 0 || caps[FIRST * n + i] > 0 ? 1 : 0;
    enters[i] = caps[i] > 0 || caps[LAST * n + i] > 0 ? 1 : 0;
  }
  for (let i = 0; i < n; i++) {
    if (!leaves[i]) continue;
    let least = Infinity;
    if (wish && wish[i] > 0) {
      for (let j = 0; j < n; j++) {
        const hop = i * n + j;
        if (enters[j] && hopMax[hop] <= limit && hopSum[hop] < least) least = hopSum[hop];
      }
      out[i] = least < wish[i] ? least : wish[i];
    }
    for (let j = 0; j < n; j++) {
      const hop = i * n + j;
      if (hopMax[hop] <= limit && hopSum[hop] - out[i] < into[j]) into[j] = hopSum[hop] - out[i];
    }
  }
  for (let i = 0; i < n; i++) {
    let slack = Infinity;
    for (let j = 0; j < n && leaves[i] && slack > 0; j++) {
      const hop = i * n + j;
      if (!enters[j] || !(hopMax[hop] <= limit) || hopSum[hop] === Infinity) continue;
      const rest = hopSum[hop] - out[i] - into[j];
      if (rest < slack) slack = rest;
    }
    // Rounding may make the slack slightly negative.
    out[i] = slack === Infinity ? Infinity : out[i] + Math.max(0, slack);
  }
  return { into, out };
}

/**
 * A subgradient of the bound with respect to the charges for leaving. It is +1 for a chosen device
 * that is left but from which no other is entered at the charged price, and -1 or less for one from
 * which several are entered. Written to `pull` (devices); returns its squared length.
 */
export function pullOf(
  instance: Instance,
  chosen: Relaxed,
  { into, out }: Charges,
  options: { limit: number; caps: Int32Array; pull: Float64Array },
): number {
  const { devices: n, hopSum, hopMax } = instance;
  const { limit, caps, pull } = options;
  pull.fill(0);
  chosen.devices.forEach((d, k) => {
    const role = chosen.roles[k];
    if ((role & LAST) === 0) pull[d]++;
    if ((role & FIRST) !== 0) return;
    let least = Infinity, from = -1;
    for (let i = 0; i < n; i++) {
      const hop = i * n + d;
      if (
        !(hopMax[hop] <= limit) || out[i] === Infinity ||
        (caps[i] === 0 && caps[FIRST * n + i] === 0)
      ) {
        continue;
      }
      const rest = hopSum[hop] - out[i] - into[d];
      if (rest < least) [least, from] = [rest, i];
    }
    if (from >= 0) pull[from]--;
  });
  let length = 0;
  for (let i = 0; i < n; i++) length += pull[i] * pull[i];
  return length;
}

/** The knapsack with its memory, made once for an instance. */
export class Relaxation {
  readonly #instance: Instance;
  #now: Float64Array;
  #next: Float64Array;
  readonly #taken: Int16Array;
  readonly #role: Int8Array;
  readonly #queue: Int32Array;
  readonly #values: Float64Array;

  /** Allocates about devices * layers * 12 bytes. */
  constructor(instance: Instance) {
    this.#instance = instance;
    const cells = 4 * (instance.layers + 1);
    this.#now = new Float64Array(cells);
    this.#next = new Float64Array(cells);
    this.#taken = new Int16Array(cells * instance.devices);
    this.#role = new Int8Array(cells * instance.devices);
    this.#queue = new Int32Array(instance.layers + 1);
    this.#values = new Float64Array(instance.layers + 1);
  }

  /**
   * The cheapest choice of devices, ends and numbers of layers. `now[state][r]` is the cost of r
   * layers on the devices so far; bit 1 of the state says that the first stage is chosen, bit 2
   * that the last one is.
   */
  solve(caps: Int32Array, { into, out }: Charges): Relaxed {
    const { devices, layers, problem: { sum: costs }, needed } = this.#instance;
    const width = layers + 1;
    this.#now.fill(Infinity);
    this.#now[0] = 0;
    for (let d = 0; d < devices; d++) {
      const next = this.#next;
      const base = d * 4 * width;
      this.#role.fill(-1, base, base + 4 * width);
      if (needed[d]) next.fill(Infinity);
      else next.set(this.#now);
      const first = costs.fixed[d] + costs.embed[d] + costs.entry[d];
      const last = costs.head[d] + costs.exit[d];
      const middle = costs.fixed[d] + into[d] + out[d];
      for (let state = 0; state < 4; state++) {
        this.#extend(d, state, state, caps[d], middle, MIDDLE);
        if ((state & FIRST) === 0) {
          this.#extend(d, state, state | FIRST, caps[FIRST * devices + d], first + out[d], FIRST);
        }
        if ((state & LAST) === 0) {
          this.#extend(
            d,
            state,
            state | LAST,
            caps[LAST * devices + d],
            costs.fixed[d] + into[d] + last,
            LAST,
          );
        }
      }
      if (caps[ONLY * devices + d] === layers && this.#now[0] === 0) {
        const cost = first + last + layers * costs.layer[d];
        const cell = 3 * width + layers;
        if (cost < next[cell]) {
          next[cell] = cost;
          this.#taken[base + cell] = layers;
          this.#role[base + cell] = ONLY;
        }
      }
      this.#next = this.#now;
      this.#now = next;
    }
    const result: Relaxed = { sum: this.#now[3 * width + layers], devices: [], roles: [] };
    if (result.sum === Infinity) return result;
    for (let d = devices - 1, state = 3, r = layers; d >= 0; d--) {
      const cell = (d * 4 + state) * width + r;
      const role = this.#role[cell];
      if (role < 0) continue;
      r -= this.#taken[cell];
      state &= ~role;
      result.devices.unshift(d);
      result.roles.unshift(role);
    }
    return result;
  }

  /**
   * Computes next[to][r] = min over n in 1..cap of now[from][r - n] + charge + n * layer, by a
   * sliding window.
   */
  #extend(d: number, from: number, to: number, cap: number, charge: number, role: number): void {
    if (cap === 0 || charge === Infinity) return;
    const { layers, problem } = this.#instance;
    const width = layers + 1;
    const layer = problem.sum.layer[d];
    const now = this.#now, next = this.#next, queue = this.#queue, values = this.#values;
    const source = from * width, target = to * width, base = (d * 4 + to) * width;
    let head = 0, tail = 0;
    for (let r = 1; r <= layers; r++) {
      const before = now[source + r - 1];
      if (before !== Infinity) {
        const value = before - (r - 1) * layer;
        while (tail > head && values[queue[tail - 1]] >= value) tail--;
        values[r - 1] = value;
        queue[tail++] = r - 1;
      }
      while (head < tail && queue[head] < r - cap) head++;
      if (head === tail) continue;
      const cost = values[queue[head]] + charge + r * layer;
      if (cost < next[target + r]) {
        next[target + r] = cost;
        this.#taken[base + r] = r - queue[head];
        this.#role[base + r] = role;
      }
    }
  }
}
