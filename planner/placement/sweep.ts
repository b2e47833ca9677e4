/**
 * The solver: a sweep over limits on the slowest part.
 *
 * Under a limit on the slowest part the objective is a sum alone. The slowest part takes one of
 * finitely many values. The solver keeps intervals of these values, each with a lower bound: the
 * least sum under the interval's upper end, with its lower end as the slowest part. A cheap
 * relaxation halves intervals and drops those that cannot contain the optimum; local search gives a
 * placement to compare with; and the rest is searched exactly, as far as the effort allows. Dropped
 * intervals are proven not to be better, so the smallest bound of the remaining intervals is a
 * bound for every placement.
 *
 * @module
 */
import { climb, improve, orderChosen } from "./improve.ts";
import { capsAt, type Instance, prepare, thresholds } from "./instance.ts";
import { searchLines } from "./line_search.ts";
import {
  evaluateStages,
  objective,
  type PlacedStage,
  type Placement,
  type PlacementProblem,
  sumFor,
} from "./problem.ts";
import { type Charges, charges, pullOf, Relaxation, type Relaxed } from "./relaxation.ts";
import { Sequences } from "./sequence.ts";
import type { SearchResult } from "./label_search.ts";
import { searchSets } from "./set_search.ts";
import { viewTypes } from "./types_view.ts";

/** Limits of the work. It is counted, not timed, so every machine finds the same placement. */
export interface SearchEffort {
  /** Labels of exact searches, about a microsecond each; 0: no exact search. */
  states: number;
  /** Relaxations that are solved for bounds, devices * layers steps each. */
  relaxations: number;
  /** Devices of candidate sequences that local search examines. */
  moves: number;
}

/** An interval of limits on the slowest part, and a lower bound of the sum in it. */
interface Interval {
  /** Index of its lowest limit. */
  low: number;
  /** Index of its highest limit. */
  high: number;
  /** No placement in the interval has a smaller sum. */
  sum: number;
  /** Index of the limit for which `sum` was proven; above `high` after the interval was cut. */
  at: number;
  /** True: the relaxation was made as strong as it gets. */
  settled?: boolean;
  /** True: the exact search ran out of labels here. */
  stuck?: boolean;
}

/** Values that differ by less than this share are equal. */
const SAME = 1e-12;

/** One run of the solver on one problem. */
export class Sweep {
  readonly #problem: PlacementProblem;
  readonly #instance: Instance;
  readonly #effort: SearchEffort;
  /** Every value that the slowest part can have, ascending. */
  readonly #limits: Float64Array;
  readonly #relaxation: Relaxation;
  readonly #sequences: Sequences;
  readonly #caps: Int32Array;
  #intervals: Interval[] = [];
  #best: { value: number; stages: PlacedStage[] } = { value: Infinity, stages: [] };
  /** Charges for leaving of the last relaxation. (devices) */
  #wish: Float64Array;
  readonly #pull: Float64Array;
  #relaxationsLeft: number;
  #statesLeft: number;
  #movesLeft: number;

  /** `problem` must be one that `checkProblem` accepts. */
  constructor(problem: PlacementProblem, effort: SearchEffort) {
    this.#problem = problem;
    this.#effort = effort;
    this.#instance = prepare(problem);
    this.#limits = thresholds(this.#instance);
    this.#relaxation = new Relaxation(this.#instance);
    this.#sequences = new Sequences(this.#instance);
    this.#caps = new Int32Array(4 * problem.devices);
    this.#wish = new Float64Array(problem.devices);
    this.#pull = new Float64Array(problem.devices);
    this.#relaxationsLeft = effort.relaxations;
    this.#statesLeft = effort.states;
    this.#movesLeft = effort.moves;
  }

  /**
   * Runs the solver. `placement`: the best one found. Where none was found: `proven` says that
   * there is none, otherwise `lowerBound` is the bound for any.
   */
  run(): { placement?: Placement; proven: boolean; lowerBound: number } {
    const high = this.#limits.length - 1;
    if (high < 0) return { proven: true, lowerBound: Infinity };
    const { relaxed } = this.#relax(high, this.#rounds(20));
    if (relaxed.sum === Infinity) return { proven: true, lowerBound: Infinity };
    this.#intervals = [{ low: 0, high, sum: relaxed.sum, at: high }];
    this.#narrow();
    this.#construct();
    this.#narrow();
    if (this.#searchable()) this.#search();
    this.#polish();
    const open = this.#open();
    const bound = Math.min(Infinity, ...open.map((i) => this.#bound(i)));
    if (this.#best.value === Infinity) return { proven: open.length === 0, lowerBound: bound };
    const { value, sum, max } = evaluateStages(this.#problem, this.#best.stages);
    const lowerBound = Math.min(value, bound);
    return {
      proven: true,
      lowerBound,
      placement: {
        stages: this.#best.stages,
        value,
        sum,
        max,
        lowerBound,
        gap: value === lowerBound ? 0 : (value - lowerBound) / lowerBound,
        exact: open.length === 0,
      },
    };
  }

  /** Lower bound of the objective in an interval. */
  #bound({ low, sum }: Interval): number {
    return objective(this.#problem, sum, this.#limits[low]);
  }

  /**
   * The intervals that may contain a better placement, with their upper ends cut to where one may
   * be.
   */
  #open(): Interval[] {
    const goal = this.#best.value * (1 - SAME);
    this.#intervals = this.#intervals.filter((interval) => this.#bound(interval) < goal);
    for (const interval of this.#intervals) {
      let { low, high } = interval;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (objective(this.#problem, interval.sum, this.#limits[middle]) < goal) low = middle;
        else high = middle - 1;
      }
      interval.high = high;
    }
    return this.#intervals;
  }

  /** The interval with the smallest bound in which a search has not run out of labels. */
  #least(): Interval | undefined {
    let least: Interval | undefined;
    for (const interval of this.#open()) {
      if (!interval.stuck && (!least || this.#bound(interval) < this.#bound(least))) {
        least = interval;
      }
    }
    return least;
  }

  /**
   * Solves the relaxation under the limit with this index. Where hops count in the sum, its charges
   * are moved towards those that make the bound largest (subgradient steps with Polyak's length,
   * `rounds` of them), starting from those of the last call.
   */
  #relax(index: number, rounds = 0): { relaxed: Relaxed; priced: Charges } {
    const instance = this.#instance;
    const limit = this.#limits[index];
    const caps = this.#caps;
    capsAt(instance, limit, caps);
    let wish = this.#wish;
    let best: { relaxed: Relaxed; priced: Charges } | undefined;
    let stride = 1;
    for (let round = 0;; round++) {
      this.#relaxationsLeft--;
      const priced = charges(instance, caps, limit, wish);
      const relaxed = this.#relaxation.solve(caps, priced);
      if (!best || relaxed.sum > best.relaxed.sum) best = { relaxed, priced };
      else stride *= 0.8;
      if (relaxed.sum === Infinity || round >= rounds) break;
      const length = pullOf(instance, relaxed, priced, { limit, caps, pull: this.#pull });
      if (length === 0) break;
      if (!instance.positional && round % 4 === 0) {
        this.#offer(orderChosen(instance, relaxed, limit));
      }
      const goal = sumFor(this.#problem, this.#best.value, limit);
      const above = Math.max(0.002 * best.relaxed.sum, goal === Infinity ? 0 : goal - relaxed.sum);
      const step = stride * Math.min(above, 0.05 * best.relaxed.sum) / length;
      wish = priced.out.map((out, i) =>
        out === Infinity ? 0 : Math.max(0, out + step * this.#pull[i])
      );
    }
    this.#wish = best!.priced.out.map((out) => out === Infinity ? 0 : out);
    return best!;
  }

  /**
   * Subgradient steps to make: none where hops do not count, and no more than relaxations are left.
   */
  #rounds(most: number): number {
    return this.#problem.sumWeight === 0
      ? 0
      : Math.max(0, Math.min(most, this.#relaxationsLeft - 1));
  }

  /**
   * Solves the relaxation again where the interval was cut, otherwise in its middle, and halves the
   * interval there.
   */
  #halve(interval: Interval): void {
    const middle = interval.at > interval.high
      ? interval.high
      : (interval.low + interval.high) >> 1;
    const { relaxed } = this.#relax(middle, this.#rounds(4));
    this.#intervals = this.#intervals.filter((i) => i !== interval);
    if (middle < interval.high) this.#intervals.push({ ...interval, low: middle + 1 });
    if (relaxed.sum === Infinity) return;
    this.#intervals.push({
      ...interval,
      high: middle,
      sum: Math.max(relaxed.sum, interval.sum),
      at: middle,
    });
    if (!this.#instance.positional) {
      this.#offer(orderChosen(this.#instance, relaxed, this.#limits[middle]));
    }
  }

  /** Improves bounds by relaxations, until none are left or the smallest bound is final. */
  #narrow(): void {
    for (let least; this.#relaxationsLeft > 0 && (least = this.#least()) !== undefined;) {
      if (least.low < least.high || least.at > least.high) {
        this.#halve(least);
      } else {
        if (least.settled) return;
        least.settled = true;
        least.sum = Math.max(least.sum, this.#relax(least.high, this.#rounds(40)).relaxed.sum);
      }
    }
  }

  /** Keeps the placement of a sequence if it is the best so far. */
  #offer(seq: number[]): void {
    const tuned = this.#sequences.tune(seq, seq.length);
    if (tuned.value < this.#best.value) this.#best = tuned;
  }

  /** Keeps a placement if it is the best so far. */
  #offerStages(stages: PlacedStage[]): void {
    const { value } = evaluateStages(this.#problem, stages);
    if (value < this.#best.value) this.#best = { value, stages };
  }

  /** Local search where the smallest bound is, and around the best placement so far. */
  #construct(): void {
    const least = this.#least();
    if (!least) return;
    const { relaxed } = this.#relax(least.high);
    const limit = this.#limits[least.high];
    if (this.#instance.positional) {
      if (this.#searchable()) this.#beam(least);
      return;
    }
    const start = orderChosen(this.#instance, relaxed, limit);
    this.#climb(start, { limit, enough: relaxed.sum * (1 + SAME) });
    if (this.#best.value < Infinity && this.#problem.maxWeight > 0) {
      for (let round = 0, before = Infinity; round < 3 && this.#best.value < before; round++) {
        before = this.#best.value;
        const { stages } = this.#best;
        this.#climb(stages.map((s) => s.device), {
          limit: evaluateStages(this.#problem, stages).max,
          enough: 0,
        });
      }
    }
    // A narrow exact search finds placements that local search does not, for a few thousand labels.
    for (
      let round = 0, least;
      round < 3 && this.#searchable() && (least = this.#least());
      round++
    ) {
      const before = this.#best.value;
      const most = this.#problem.sumWeight === 0 ? Infinity : this.#goal(least.low);
      if (this.#find(least.high, most, 300).sum === Infinity || this.#best.value >= before) break;
    }
  }

  /** Local search from a sequence, with a part of the effort that is left. */
  #climb(start: number[], { limit, enough }: { limit: number; enough: number }): void {
    capsAt(this.#instance, limit, this.#caps);
    const budget = { left: Math.min(this.#movesLeft, Math.ceil(this.#effort.moves / 4)) };
    this.#movesLeft -= budget.left;
    const { seq } = climb(this.#instance, this.#sequences, {
      start,
      caps: this.#caps,
      limit,
      budget,
      enough,
    });
    this.#movesLeft += budget.left;
    this.#offer(seq);
  }

  /** Whether exact searches may be made, and their keys are exact integers. */
  #searchable(): boolean {
    const { members, layers } = this.#instance;
    let sets = 1;
    for (const { length } of members) sets *= length + 1;
    return this.#effort.states > 0 &&
      sets * (members.length + 1) * Math.max(layers, members.length) < 2 ** 52;
  }

  /** An exact search under the limit with this index, for sums below `sum`. */
  #find(index: number, sum: number, beam?: number): SearchResult {
    const limit = this.#limits[index];
    const { priced } = this.#relax(index, this.#rounds(40));
    const view = viewTypes(this.#instance, this.#caps, limit, priced);
    const options = { sum, states: this.#statesLeft, any: this.#problem.sumWeight === 0 };
    const found = this.#instance.positional
      ? searchLines(this.#instance, view, { ...options, beam })
      : searchSets(view, { ...options, beam });
    this.#statesLeft -= found.states;
    if (found.sum === Infinity) return found;
    const next = this.#instance.members.map(() => 0);
    const seq = found.types.map((t) => this.#instance.members[t][next[t]++]);
    if (found.counts.length === 0) this.#offer(seq);
    else {
      let first = 0;
      this.#offerStages(
        seq.map((device, i) => ({ device, first, last: (first += found.counts[i]) - 1 })),
      );
    }
    return found;
  }

  /** Finds a placement to compare with where layers differ, by narrow searches. */
  #beam(least: Interval): void {
    for (const index of new Set([least.high, this.#limits.length - 1])) {
      for (const beam of [8, 64]) this.#find(index, Infinity, beam);
    }
  }

  /**
   * The sum below which a placement is better than the best one, if its slowest part is the limit
   * at `low`.
   */
  #goal(low: number): number {
    return sumFor(this.#problem, this.#best.value, this.#limits[low]) * (1 - SAME);
  }

  /** Exact searches, interval by interval, until all are proven or no labels are left. */
  #search(): void {
    const { sumWeight, maxWeight } = this.#problem;
    for (let least; this.#statesLeft > 0 && (least = this.#least()) !== undefined;) {
      const { low, high } = least;
      if (least.at > high) {
        // Relaxations are cheap compared to searches, so they are made even beyond the effort.
        this.#halve(least);
        continue;
      }
      if (sumWeight === 0) {
        const middle = (low + high) >> 1;
        const found = this.#find(middle, Infinity);
        if (found.sum < Infinity) continue;
        if (!found.complete) least.stuck = true;
        else least.low = middle + 1;
        if (least.low > least.high) this.#intervals = this.#intervals.filter((i) => i !== least);
        continue;
      }
      const width = maxWeight === 0 ? 0 : maxWeight * (this.#limits[high] - this.#limits[low]);
      // A wide interval weakens the search's bound, so it is halved until its width is a small part
      // of what must be proven.
      if (high > low && width > 0.25 * (this.#best.value - this.#bound(least))) {
        this.#halve(least);
        continue;
      }
      const found = this.#find(high, this.#goal(low));
      if (!found.complete) least.stuck = true;
      else if (found.sum === Infinity) this.#intervals = this.#intervals.filter((i) => i !== least);
      else [least.sum, least.at] = [Math.max(least.sum, found.sum), high];
    }
  }

  /**
   * Improves the best placement among equal ones: fewer devices, a smaller sum where only the
   * slowest part counts, and the input order of equal devices.
   */
  #polish(): void {
    const { instance, stages } = { instance: this.#instance, stages: this.#best.stages };
    if (instance.positional || stages.length === 0) return;
    let seq = stages.map((s) => s.device);
    if (this.#problem.sumWeight === 0) {
      const limit = evaluateStages(this.#problem, stages).max;
      capsAt(instance, limit, this.#caps);
      const budget = { left: 1_000_000 };
      const { seq: cheaper } = improve(instance, this.#sequences, {
        start: seq,
        caps: this.#caps,
        limit,
        budget,
      });
      const tuned = this.#sequences.tune(cheaper, cheaper.length);
      if (tuned.value <= this.#best.value) [this.#best, seq] = [tuned, cheaper];
    }
    for (let i = 0; i < seq.length && seq.length > 1;) {
      const fewer = seq.filter((_, k) => k !== i);
      const tuned = this.#sequences.tune(fewer, fewer.length);
      if (tuned.value <= this.#best.value) [this.#best, seq, i] = [tuned, fewer, 0];
      else i++;
    }
    const next = instance.members.map(() => 0);
    seq = seq.map((d) => instance.members[instance.typeOf[d]][next[instance.typeOf[d]]++]);
    const tuned = this.#sequences.tune(seq, seq.length);
    if (tuned.value <= this.#best.value) this.#best = tuned;
  }
}
