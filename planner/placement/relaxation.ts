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

/** Bit of a role: the device is the first of its room. */
const OPENS = 4;

/** Charges for arriving at a device and for leaving it, in the unit of the sum system. */
export interface Charges {
  /** For arriving; Infinity: it cannot be entered. (devices) */
  into: Float64Array;
  /** For leaving; Infinity: it cannot be left. (devices) */
  out: Float64Array;
  /**
   * Besides, for entering each room from another: every hop into it costs at least so much more
   * than `out` and `into`. (rooms)
   */
  fee: Float64Array;
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
  return { into, out, fee: feesOf(instance, { into, out, leaves, enters, limit }) };
}

/** The largest fees for entering rooms that the hops under `limit` permit. */
function feesOf(
  { devices: n, hopSum, hopMax, rooms, roomOf }: Instance,
  { into, out, leaves, enters, limit }: {
    into: Float64Array;
    out: Float64Array;
    leaves: Uint8Array;
    enters: Uint8Array;
    limit: number;
  },
): Float64Array {
  const fee = new Float64Array(rooms.length);
  if (rooms.length < 2) return fee;
  fee.fill(Infinity);
  for (let i = 0; i < n; i++) {
    if (!leaves[i] || out[i] === Infinity) continue;
    for (let j = 0; j < n; j++) {
      const room = roomOf[j];
      const hop = i * n + j;
      if (roomOf[i] === room || !enters[j] || !(hopMax[hop] <= limit)) continue;
      const rest = hopSum[hop] - out[i] - into[j];
      if (rest < fee[room]) fee[room] = rest;
    }
  }
  // a room that cannot be entered has no fee: its devices are first, or not used
  return fee.map((f) => f === Infinity ? 0 : Math.max(0, f));
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
  /** Costs without a device of the current room, by state and layers. (4 * (layers + 1)) */
  #shut: Float64Array;
  /** Costs with one at least. */
  #open: Float64Array;
  #next: Float64Array;
  readonly #taken: Int16Array;
  /** Role of a device, plus {@linkcode OPENS} where it is the first of its room; -1: not used. */
  readonly #role: Int8Array;
  /** 1: the room has a device, by room and cell. */
  readonly #used: Uint8Array;
  readonly #queue: Int32Array;
  readonly #values: Float64Array;

  /** Allocates about devices * layers * 12 bytes. */
  constructor(instance: Instance) {
    this.#instance = instance;
    const cells = 4 * (instance.layers + 1);
    this.#shut = new Float64Array(cells);
    this.#open = new Float64Array(cells);
    this.#next = new Float64Array(cells);
    this.#taken = new Int16Array(cells * instance.devices);
    this.#role = new Int8Array(cells * instance.devices);
    this.#used = new Uint8Array(cells * instance.rooms.length);
    this.#queue = new Int32Array(instance.layers + 1);
    this.#values = new Float64Array(instance.layers + 1);
  }

  /**
   * The cheapest choice of devices, ends and numbers of layers. A cell (state, r) has the cost of r
   * layers on the devices so far; bit 1 of the state says that the first stage is chosen, bit 2
   * that the last one is. A path enters every room that it uses but that of its first device, so
   * each of these costs its fee once.
   */
  solve(caps: Int32Array, priced: Charges): Relaxed {
    const { layers, rooms, needed } = this.#instance;
    const cells = 4 * (layers + 1);
    const single = rooms.length === 1;
    this.#shut.fill(Infinity);
    this.#shut[0] = single ? Infinity : 0;
    for (const [room, members] of rooms.entries()) {
      this.#open.fill(Infinity);
      if (single) this.#open[0] = 0;
      for (const d of members) {
        this.#role.fill(-1, d * cells, (d + 1) * cells);
        if (needed[d]) this.#next.fill(Infinity);
        else this.#next.set(this.#open);
        this.#add(d, { caps, priced, fee: priced.fee[room] });
        if (needed[d]) this.#shut.fill(Infinity);
        [this.#open, this.#next] = [this.#next, this.#open];
      }
      for (let cell = 0; cell < cells; cell++) {
        const used = this.#open[cell] < this.#shut[cell];
        this.#used[room * cells + cell] = used ? 1 : 0;
        if (used) this.#shut[cell] = this.#open[cell];
      }
    }
    return this.#chosen();
  }

  /** Extends all cells by a device in each of its roles, into `#next`. */
  #add(
    d: number,
    { caps, priced: { into, out }, fee }: { caps: Int32Array; priced: Charges; fee: number },
  ): void {
    const { devices, layers, rooms, problem: { sum: costs } } = this.#instance;
    const width = layers + 1;
    // the room of the first device is not entered, so its fee is given back
    const first = costs.fixed[d] + costs.embed[d] + costs.entry[d] - fee;
    const last = costs.head[d] + costs.exit[d];
    const middle = costs.fixed[d] + into[d] + out[d];
    for (const opens of rooms.length === 1 ? [0] : [0, OPENS]) {
      const source = opens ? this.#shut : this.#open;
      const more = opens ? fee : 0;
      const extend = (from: number, role: number, cap: number, charge: number) =>
        this.#extend({ d, source, from, role, cap, charge: charge + more, opens });
      for (let state = 0; state < 4; state++) {
        extend(state, MIDDLE, caps[d], middle);
        if ((state & FIRST) === 0) extend(state, FIRST, caps[FIRST * devices + d], first + out[d]);
        if ((state & LAST) === 0) {
          extend(state, LAST, caps[LAST * devices + d], costs.fixed[d] + into[d] + last);
        }
      }
    }
    const empty = rooms.length === 1 ? this.#open[0] : this.#shut[0];
    if (caps[ONLY * devices + d] === layers && empty === 0) {
      const cost = first + fee + last + layers * costs.layer[d];
      const cell = 3 * width + layers;
      if (cost < this.#next[cell]) {
        this.#next[cell] = cost;
        this.#taken[d * 4 * width + cell] = layers;
        this.#role[d * 4 * width + cell] = ONLY | OPENS;
      }
    }
  }

  /** The devices of the best whole choice. */
  #chosen(): Relaxed {
    const { layers, rooms } = this.#instance;
    const width = layers + 1;
    const result: Relaxed = { sum: this.#shut[3 * width + layers], devices: [], roles: [] };
    if (result.sum === Infinity) return result;
    const found: { d: number; role: number }[] = [];
    for (let room = rooms.length - 1, state = 3, r = layers; room >= 0; room--) {
      if (!this.#used[room * 4 * width + state * width + r]) continue;
      for (let i = rooms[room].length - 1; i >= 0; i--) {
        const d = rooms[room][i];
        const cell = (d * 4 + state) * width + r;
        const role = this.#role[cell];
        if (role < 0) continue;
        found.push({ d, role: role & ONLY });
        r -= this.#taken[cell];
        state &= ~role;
        if (role & OPENS) break;
      }
    }
    found.sort((a, b) => a.d - b.d);
    return { ...result, devices: found.map(({ d }) => d), roles: found.map(({ role }) => role) };
  }

  /**
   * Computes next[to][r] = min over n in 1..cap of source[from][r - n] + charge + n * layer, by a
   * sliding window.
   */
  #extend(
    { d, source, from, role, cap, charge, opens }: {
      d: number;
      source: Float64Array;
      from: number;
      role: number;
      cap: number;
      charge: number;
      opens: number;
    },
  ): void {
    if (cap === 0 || charge === Infinity) return;
    const { layers, problem } = this.#instance;
    const width = layers + 1;
    const layer = problem.sum.layer[d];
    const next = this.#next, queue = this.#queue, values = this.#values;
    const to = from | role;
    const begin = from * width, target = to * width, base = (d * 4 + to) * width;
    let head = 0, tail = 0;
    for (let r = 1; r <= layers; r++) {
      const before = source[begin + r - 1];
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
        this.#role[base + r] = role | opens;
      }
    }
  }
}
