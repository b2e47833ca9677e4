/**
 * How long lanes take to come back: from the answer to a frame until the next rows of its lanes
 * have come from their Generations.
 *
 * In that time the Generations decide, write text and stream it, all on the gateway's one thread:
 * the more lanes a frame carries, the longer it takes until all are back. What is measured is the
 * time that this thread spends on the lanes, without the time in which it is busy with others.
 *
 * @module
 */
import { CostCurve } from "./cost_curve.ts";

/** Milliseconds for each lane until they are measured. */
const PRIOR_MS = 0.25;
/** Lanes are waited for this many times as long as they usually take. */
const PATIENCE = 2;
/** Milliseconds that are added to that: timers and other work are in the way now and then. */
const SLACK_MS = 2;
/** Lanes are waited for at most this long, in milliseconds. */
const MOST_MS = 200;

/** Lanes that were answered together and have come back. */
interface Returned {
  /** Number of these lanes. */
  lanes: number;
  /** When the last of them came back, milliseconds. */
  last: number;
}

/** See the module's text. */
export class LaneReturns {
  readonly #curve = new CostCurve((lanes) => PRIOR_MS * lanes);
  /** By the time of the answer, milliseconds. */
  readonly #returned = new Map<number, Returned>();
  /** When the lanes of the last answer that was measured were back, milliseconds. */
  #before = -Infinity;

  /** Takes in at `now` that `lanes` of the lanes that were answered at `at` are back. */
  back(at: number, lanes: number, now: number): void {
    const known = this.#returned.get(at);
    if (known) {
      known.lanes += lanes;
      known.last = now;
    } else this.#returned.set(at, { lanes, last: now });
  }

  /** Lanes that were answered at `at` and are back. */
  backFrom(at: number): number {
    return this.#returned.get(at)?.lanes ?? 0;
  }

  /** Measures the answers whose lanes are all back; `owed`: times of answers that lack some. */
  settle(owed: Pick<ReadonlyMap<number, unknown>, "has">): void {
    for (const [at, { lanes, last }] of this.#returned) {
      if (owed.has(at)) continue;
      // The thread takes answers in turn: the time before this one's turn is not its own.
      this.#curve.measure(lanes, Math.max(0, last - Math.max(at, this.#before)));
      this.#before = Math.max(this.#before, last);
      this.#returned.delete(at);
    }
  }

  /** Number of answers that were measured. */
  get measurements(): number {
    return this.#curve.measurements;
  }

  /** Milliseconds that the gateway spends on `lanes` lanes that are answered together. */
  ms(lanes: number): number {
    return this.#curve.at(lanes);
  }

  /** Milliseconds for which `lanes` lanes that were answered are waited for. */
  patience(lanes: number): number {
    return Math.min(MOST_MS, PATIENCE * this.ms(lanes) + SLACK_MS);
  }
}
