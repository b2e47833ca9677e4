/**
 * Orders for chosen devices, and local search over sequences of devices: replace, insert, drop,
 * move, exchange.
 *
 * Effort is counted, not timed, so every machine finds the same placement.
 *
 * @module
 */
import { seededRandom } from "../../actors/mod.ts";
import { FIRST, type Instance, LAST } from "./instance.ts";
import type { Relaxed } from "./relaxation.ts";
import type { Sequences } from "./sequence.ts";

/** Kicks in a row without a gain after which local search ends. */
const KICKS = 60;
/** Sums that differ by less than this share are equal. */
const SAME = 1e-12;
/** How much more a hop that is not allowed costs than the dearest one that is. */
const FORBIDDEN = 1e4;

/**
 * An order for the chosen devices: first and last as chosen, the others by cheapest insertion. Hops
 * above `limit` are used only where nothing else is left.
 */
export function orderChosen(instance: Instance, chosen: Relaxed, limit: number): number[] {
  const ends = chosen.devices.filter((_, i) => chosen.roles[i] === FIRST)
    .concat(chosen.devices.filter((_, i) => chosen.roles[i] === LAST));
  if (ends.length === 0) return [...chosen.devices];
  const seq = [...ends];
  const open = chosen.devices.filter((_, i) => chosen.roles[i] === 0);
  const hop = pricedHops(instance, limit);
  while (open.length > 0) {
    let least = Infinity, which = 0, where = 1;
    for (let o = 0; o < open.length; o++) {
      for (let i = 1; i < seq.length; i++) {
        const more = hop(seq[i - 1], open[o]) + hop(open[o], seq[i]) - hop(seq[i - 1], seq[i]);
        if (more < least) [least, which, where] = [more, o, i];
      }
    }
    seq.splice(where, 0, ...open.splice(which, 1));
  }
  return seq;
}

/**
 * Costs of hops in the sum system. A hop that is not allowed costs more than any path of allowed
 * ones.
 */
function pricedHops(
  { devices, hopSum, hopMax }: Instance,
  limit: number,
): (from: number, to: number) => number {
  let most = 1;
  for (const value of hopSum) if (value < Infinity && value > most) most = value;
  const penalty = most * FORBIDDEN;
  return (from, to) => {
    const at = from * devices + to;
    return hopMax[at] <= limit && hopSum[at] < Infinity ? hopSum[at] : penalty;
  };
}

/** Input of local search. */
export interface Climb {
  /** Devices in pipeline order to begin with. */
  start: number[];
  /** Most layers by role and device under `limit`, see `capsAt`. (4 * devices) */
  caps: Int32Array;
  /** Most cost of a part in the max system. */
  limit: number;
  /** Devices of candidate sequences that may still be examined; counted down. */
  budget: { left: number };
}

/** A sequence and its sum; hops that are not allowed are counted far above all others. */
export interface Climbed {
  /** Devices in pipeline order. */
  seq: number[];
  /** Sum over entry, stages, hops and exit. */
  sum: number;
}

/**
 * Local search with kicks: a few devices of the best sequence so far are exchanged at random
 * (seeded), and the search starts again from there. It ends when the sum `enough` is reached, when
 * {@linkcode KICKS} kicks in a row gave nothing, or when the budget is spent.
 */
export function climb(
  instance: Instance,
  sequences: Sequences,
  options: Climb & { enough: number },
): Climbed {
  const random = seededRandom(instance.devices * 31 + instance.layers);
  const { budget, caps } = options;
  const open = Array.from({ length: instance.devices }, (_, d) => d).filter((d) => caps[d] > 0);
  const pick = (n: number) => Math.floor(random() * n);
  let best = improve(instance, sequences, options);
  for (let idle = 0; idle < KICKS && budget.left > 0 && best.sum > options.enough; idle++) {
    const { length } = best.seq;
    let start = best.seq.slice();
    if (length > 3) {
      // The sequence is cut in three places, and the two inner parts change places.
      const [a, b, c] = [pick(length + 1), pick(length + 1), pick(length + 1)].sort((x, y) =>
        x - y
      );
      start = [...start.slice(0, a), ...start.slice(b, c), ...start.slice(a, b), ...start.slice(c)];
    }
    const idleDevice = open[pick(open.length)];
    if (!start.includes(idleDevice)) start[pick(length)] = idleDevice;
    else if (length > 1) {
      const [i, j] = [pick(length), pick(length)];
      [start[i], start[j]] = [start[j], start[i]];
    }
    const next = improve(instance, sequences, { ...options, start });
    if (next.sum < best.sum * (1 - SAME)) [best, idle] = [next, 0];
  }
  return best;
}

/** Local search from `start` under the caps of `limit`; the result is not worse than `start`. */
export function improve(instance: Instance, sequences: Sequences, options: Climb): Climbed {
  const { devices, layers, problem: { sum: c } } = instance;
  const { caps, limit, budget } = options;
  const hop = pricedHops(instance, limit);
  const used = new Uint8Array(devices);
  let seq = [...options.start];
  for (const d of seq) used[d] = 1;
  const path = (s: number[]): number => {
    let cost = c.entry[s[0]] + c.embed[s[0]] + c.head[s[s.length - 1]] + c.exit[s[s.length - 1]];
    for (let i = 0; i < s.length; i++) cost += c.fixed[s[i]] + (i > 0 ? hop(s[i - 1], s[i]) : 0);
    return cost;
  };
  let pathNow = path(seq);
  let fillNow = sequences.fill(seq, seq.length, caps);
  /** Takes the candidate if it is better. `delta`: by how much the cost of its path differs. */
  const take = (candidate: number[], delta: number): boolean => {
    budget.left -= candidate.length;
    const fill = sequences.fill(candidate, candidate.length, caps);
    if (!(pathNow + delta + fill < (pathNow + fillNow) * (1 - SAME))) return false;
    seq = candidate;
    pathNow = path(seq);
    fillNow = fill;
    return true;
  };
  /** Cost of the part of the path around place `i`, if device `d` stood there. */
  const around = (i: number, d: number): number =>
    c.fixed[d] + (i === 0 ? c.entry[d] + c.embed[d] : hop(seq[i - 1], d)) +
    (i === seq.length - 1 ? c.head[d] + c.exit[d] : hop(d, seq[i + 1]));
  const replace = (): boolean => {
    for (let i = 0; i < seq.length; i++) {
      const old = seq[i];
      const before = around(i, old);
      for (let d = 0; d < devices && budget.left > 0; d++) {
        if (used[d] || caps[d] === 0) continue;
        const delta = around(i, d) - before;
        if (delta >= 0 && c.layer[d] >= c.layer[old] && caps[d] <= caps[old]) continue;
        budget.left--;
        const candidate = seq.slice();
        candidate[i] = d;
        if (!take(candidate, delta)) continue;
        used[old] = 0;
        used[d] = 1;
        return true;
      }
    }
    return false;
  };
  const insert = (): boolean => {
    if (seq.length >= layers) return false;
    for (let d = 0; d < devices && budget.left > 0; d++) {
      if (used[d] || caps[d] === 0) continue;
      let least = Infinity, where = -1;
      for (let i = 1; i < seq.length; i++) {
        const delta = hop(seq[i - 1], d) + hop(d, seq[i]) - hop(seq[i - 1], seq[i]);
        if (delta < least) [least, where] = [delta, i];
      }
      const places = where > 0 ? [where, 0, seq.length] : [0, seq.length];
      for (const i of places) {
        const candidate = seq.slice();
        candidate.splice(i, 0, d);
        if (!take(candidate, path(candidate) - pathNow)) continue;
        used[d] = 1;
        return true;
      }
    }
    return false;
  };
  const drop = (): boolean => {
    for (let i = 0; i < seq.length && seq.length > 1 && budget.left > 0; i++) {
      const old = seq[i];
      const candidate = seq.slice();
      candidate.splice(i, 1);
      if (!take(candidate, path(candidate) - pathNow)) continue;
      used[old] = 0;
      return true;
    }
    return false;
  };
  /**
   * Exchanges two neighbouring parts of the sequence. With asymmetric hops these are the useful
   * moves of 3-opt.
   */
  const reorder = (): boolean => {
    const { length } = seq;
    const from = (i: number, d: number) => i < 0 ? c.entry[d] + c.embed[d] : hop(seq[i], d);
    const to = (d: number, i: number) => i >= length ? c.head[d] + c.exit[d] : hop(d, seq[i]);
    for (let i = 0; i < length - 1; i++) {
      for (let j = i + 1; j < length && budget.left > 0; j++) {
        budget.left -= length - j;
        for (let k = j + 1; k <= length; k++) {
          const delta = from(i - 1, seq[j]) + hop(seq[k - 1], seq[i]) + to(seq[j - 1], k) -
            from(i - 1, seq[i]) - hop(seq[j - 1], seq[j]) - to(seq[k - 1], k);
          // The stages' layers change only if an end changes.
          if (delta >= -SAME * pathNow && i > 0 && k < length) continue;
          const candidate = [
            ...seq.slice(0, i),
            ...seq.slice(j, k),
            ...seq.slice(i, j),
            ...seq.slice(k),
          ];
          if (take(candidate, delta)) return true;
        }
      }
    }
    return false;
  };
  while (budget.left > 0 && (drop() || replace() || insert() || reorder()));
  return { seq, sum: pathNow + fillNow };
}
