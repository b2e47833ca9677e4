/**
 * Deals layers out to a given sequence of devices, where layers are alike. Which layers a device
 * has does not matter then, so a greedy choice is best: one layer each, then the rest to the
 * cheapest devices first.
 *
 * @module
 */
import { capAt, type Instance, roleAt } from "./instance.ts";
import { objective, type PlacedStage, stageCost } from "./problem.ts";

/** A sequence with its best numbers of layers. */
export interface Tuned {
  /** Value of the objective; Infinity: the sequence does not fit. */
  value: number;
  /** Its stages, in pipeline order; empty if it does not fit. */
  stages: PlacedStage[];
}

/** Values that differ by less than this share are equal. */
const SAME = 1e-12;

/** Numbers of layers and costs of sequences of one instance. */
export class Sequences {
  readonly #instance: Instance;
  /** Rank of each device by the cost of a layer. (devices) */
  readonly #rank: Int32Array;
  /** How many devices must be used. */
  readonly #needed: number;
  /** Places of the current sequence, by rank. */
  readonly #order: Int32Array;
  /** Layers at each place of the current sequence. */
  readonly #counts: Int32Array;
  /** Most layers at each place of the current sequence. */
  readonly #caps: Int32Array;

  /** Sorts the devices by the cost of a layer, once. */
  constructor(instance: Instance) {
    this.#instance = instance;
    const { layer } = instance.problem.sum;
    this.#needed = instance.needed.reduce((a, b) => a + b, 0);
    const sorted = Array.from({ length: instance.devices }, (_, d) => d).sort((a, b) =>
      layer[a] - layer[b] || a - b
    );
    this.#rank = new Int32Array(instance.devices);
    sorted.forEach((d, i) => this.#rank[d] = i);
    this.#order = new Int32Array(instance.devices);
    this.#counts = new Int32Array(instance.devices);
    this.#caps = new Int32Array(instance.devices);
  }

  /** Cost of a sequence in the sum system without its layers: entry, hops, fixed parts and ends. */
  path(seq: ArrayLike<number>, length: number): number {
    const { devices, hopSum, problem: { sum: c } } = this.#instance;
    let cost = c.entry[seq[0]] + c.embed[seq[0]] + c.head[seq[length - 1]] +
      c.exit[seq[length - 1]];
    for (let i = 0; i < length; i++) {
      cost += c.fixed[seq[i]];
      if (i > 0) cost += hopSum[seq[i - 1] * devices + seq[i]];
    }
    return cost;
  }

  /**
   * Cost of the layers on a sequence under `caps`, by role and device (4 * devices); Infinity: they
   * do not fit.
   */
  fill(seq: ArrayLike<number>, length: number, caps: Int32Array): number {
    const { devices } = this.#instance;
    if (!this.#complete(seq, length)) return Infinity;
    for (let i = 0; i < length; i++) this.#caps[i] = caps[roleAt(i, length) * devices + seq[i]];
    return this.#deal(seq, length);
  }

  /** {@linkcode Sequences.fill} under a limit on the slowest part. */
  #fillAt(seq: ArrayLike<number>, length: number, limit: number): number {
    for (let i = 0; i < length; i++) {
      this.#caps[i] = capAt(this.#instance, seq[i], roleAt(i, length), limit);
    }
    return this.#deal(seq, length);
  }

  /**
   * Deals the layers out under `#caps` into `#counts`, and returns their cost; Infinity: they do
   * not fit.
   */
  #deal(seq: ArrayLike<number>, length: number): number {
    const { layers, problem: { sum: { layer } } } = this.#instance;
    if (length > layers) return Infinity;
    const order = this.#order, rank = this.#rank, caps = this.#caps;
    let room = 0;
    for (let i = 0; i < length; i++) {
      if (caps[i] === 0) return Infinity;
      room += caps[i];
      const own = rank[seq[i]];
      let at = i;
      for (; at > 0 && rank[seq[order[at - 1]]] > own; at--) order[at] = order[at - 1];
      order[at] = i;
    }
    if (room < layers) return Infinity;
    let rest = layers - length;
    let cost = 0;
    for (let at = 0; at < length; at++) {
      const i = order[at];
      const more = rest < caps[i] - 1 ? rest : caps[i] - 1;
      rest -= more;
      cost += (more + 1) * layer[seq[i]];
      this.#counts[i] = more + 1;
    }
    return cost;
  }

  /**
   * The best numbers of layers for a sequence, over all limits on the slowest part that can be
   * best. Of equal values it takes the one with the faster slowest part.
   */
  tune(seq: ArrayLike<number>, length: number): Tuned {
    const { problem } = this.#instance;
    const none: Tuned = { value: Infinity, stages: [] };
    const free = this.#fillAt(seq, length, Infinity);
    const path = this.path(seq, length);
    if (free === Infinity || path === Infinity || !this.#complete(seq, length)) return none;
    const limits = this.#limits(seq, length);
    let low = 0;
    for (let high = limits.length - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (this.#fillAt(seq, length, limits[middle]) < Infinity) high = middle;
      else low = middle + 1;
    }
    let best = Infinity;
    let at = low;
    for (let i = low; i < limits.length; i++) {
      if (objective(problem, path + free, limits[i]) >= best) break;
      const layers = this.#fillAt(seq, length, limits[i]);
      const value = objective(problem, path + layers, limits[i]);
      // A gain that is only rounding must not make the stages less balanced.
      if (value < best * (1 - SAME) || best === Infinity) [best, at] = [value, i];
      if (layers <= free) break;
    }
    this.#fillAt(seq, length, limits[at]);
    let first = 0;
    const stages = Array.from({ length }, (_, i) => {
      const stage = { device: seq[i], first, last: first + this.#counts[i] - 1 };
      first += this.#counts[i];
      return stage;
    });
    return { value: best, stages };
  }

  /** Whether the sequence has all devices that must be used. */
  #complete(seq: ArrayLike<number>, length: number): boolean {
    let open = this.#needed;
    for (let i = 0; open > 0 && i < length; i++) open -= this.#instance.needed[seq[i]];
    return open === 0;
  }

  /**
   * Every cost, ascending, that a stage of the sequence can have in the max system and that is not
   * below the sequence's slowest link.
   */
  #limits(seq: ArrayLike<number>, length: number): Float64Array {
    const { devices, problem: { max: c }, hopMax, memoryCaps } = this.#instance;
    let least = Math.max(c.entry[seq[0]], c.exit[seq[length - 1]]);
    for (let i = 0; i < length; i++) {
      least = Math.max(least, stageCost(c, seq[i], 1, i === 0, i === length - 1));
      if (i > 0) least = Math.max(least, hopMax[seq[i - 1] * devices + seq[i]]);
    }
    const values = [least];
    for (let i = 0; i < length; i++) {
      const role = roleAt(i, length);
      const cap = memoryCaps[role * devices + seq[i]];
      for (let n = 2; n <= cap; n++) {
        const cost = stageCost(c, seq[i], n, i === 0, i === length - 1);
        if (cost > least) values.push(cost);
      }
    }
    return Float64Array.from(values).sort();
  }
}
