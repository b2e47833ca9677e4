/**
 * How long this process's event loop lags: what should have run then ran so much later. While it
 * lags no stream gets on, and other nodes get no sign of life.
 *
 * @module
 */

/** Milliseconds from one look to the next. */
const LOOK_MS = 25;
/** Milliseconds of a slice of time; lags of the last {@linkcode SLICES} count. */
const SLICE_MS = 5_000;
const SLICES = 12;
/** Upper bounds of the lags that are counted together, milliseconds; the last one has none. */
export const LAG_BOUNDS_MS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

/** What a {@linkcode LagMeter} has seen; times in milliseconds. */
export interface LagFigures {
  /** Time that the figures are of: the last minute, or since the begin. */
  over_ms: number;
  /** Lag of the last look. */
  last_ms: number;
  /** Largest lag. */
  max_ms: number;
  /** Half of all looks lagged by less than this bound. */
  p50_ms: number;
  /** 99 % of all looks lagged by less than this bound. */
  p99_ms: number;
  /** Looks since the begin whose lag was at most this bound of {@linkcode LAG_BOUNDS_MS}, or larger. */
  counts: number[];
}

/** The lags of a slice of time. */
interface LagSlice {
  began: number;
  max: number;
  counts: number[];
}

/** Looks at a clock, again and again; see the module's text. */
export class LagMeter {
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  /** When the next look is due. */
  #due: number;
  #last = 0;
  readonly #slices: LagSlice[] = [];
  readonly #counts = noCounts();

  /** Begins to look. `now`: milliseconds since any fixed point. @default now performance.now */
  constructor({ now = () => performance.now() }: { now?: () => number } = {}) {
    this.#now = now;
    this.#due = now() + LOOK_MS;
    this.#slices.push({ began: now(), max: 0, counts: noCounts() });
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Notes how late this look is. */
  look(): void {
    const now = this.#now();
    const lag = Math.max(0, now - this.#due);
    this.#due = now + LOOK_MS;
    this.#last = lag;
    if (now - this.#slices.at(-1)!.began >= SLICE_MS) {
      this.#slices.push({ began: now, max: 0, counts: noCounts() });
      if (this.#slices.length > SLICES) this.#slices.shift();
    }
    const slice = this.#slices.at(-1)!;
    slice.max = Math.max(slice.max, lag);
    const bound = LAG_BOUNDS_MS.findIndex((most) => lag <= most);
    const at = bound < 0 ? LAG_BOUNDS_MS.length : bound;
    slice.counts[at]++;
    this.#counts[at]++;
  }

  /** What it has seen. */
  figures(): LagFigures {
    // A lag that goes on has not been looked at.
    const open = Math.max(0, this.#now() - this.#due);
    const max = this.#slices.reduce((most, slice) => Math.max(most, slice.max), open);
    const counts = noCounts().map((_, i) =>
      this.#slices.reduce((sum, slice) => sum + slice.counts[i], 0)
    );
    return {
      over_ms: Math.round(this.#now() - this.#slices[0].began),
      last_ms: round(Math.max(open, this.#last)),
      max_ms: round(max),
      p50_ms: round(quantile(counts, 0.5, max)),
      p99_ms: round(quantile(counts, 0.99, max)),
      counts: [...this.#counts],
    };
  }

  /** Ends looking. */
  close(): void {
    clearInterval(this.#timer);
  }
}

const noCounts = (): number[] => Array(LAG_BOUNDS_MS.length + 1).fill(0);
const round = (ms: number): number => Math.round(ms * 10) / 10;

/** The bound below which this share of all counts is, at most `max`. */
function quantile(counts: readonly number[], share: number, max: number): number {
  const wanted = share * counts.reduce((a, b) => a + b, 0);
  let sum = 0;
  for (const [i, count] of counts.entries()) {
    sum += count;
    if (sum >= wanted && sum > 0) return Math.min(max, LAG_BOUNDS_MS[i] ?? max);
  }
  return max;
}
