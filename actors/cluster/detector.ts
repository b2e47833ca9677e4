/**
 * Judges from the arrival of heartbeats whether a node may be dead: the phi accrual failure detector
 * of Hayashibara, Défago, Yared and Katayama (The phi accrual failure detector, SRDS 2004).
 *
 * A node's silence is compared with the times between its heartbeats so far. Phi is the negative
 * decimal logarithm of the chance that a heartbeat of a living node comes later than now: at phi 1
 * a suspicion is wrong once in 10 times, at phi 8 once in 10^8. So each node is judged by its own
 * link: one behind a slow or uneven link may be silent for longer.
 *
 * Three things differ from the paper:
 *
 * - Floors. However regular the heartbeats were, a silence below `suspectMs` is never suspicious and
 *   one below `deadMs` never means dead, since a process that loads a model or compiles may stand
 *   still for a second or two. A silence of `mostMs` always means dead.
 * - Heartbeats that follow each other closely, as frames do, count as one: the pause after many
 *   frames is no surprise.
 * - The observer's own lateness is no silence of others. A check that comes late (the observer was
 *   busy, or stopped) may come before answers that wait to be read, so the delay is forgiven, and
 *   nothing is concluded from a silence until there was a second to read them. An observer that is
 *   late again and again concludes all the same after as many checks as `deadMs` has.
 *
 * @module
 */

/** Options of a {@linkcode PhiDetector}; times are milliseconds of one monotonic clock. */
export interface DetectorOptions {
  /** Time between two heartbeats of a node that sends nothing else. */
  heartbeatMs: number;
  /** Time between two calls of {@linkcode PhiDetector.tick}. */
  tickMs: number;
  /** A shorter silence is never suspicious. */
  suspectMs: number;
  /** A shorter silence never means dead. */
  deadMs: number;
  /** A silence of this length always means dead. */
  mostMs: number;
}

/** Phi from which a silence is suspicious, and from which it means dead. */
const SUSPECT_PHI = 3;
const DEAD_PHI = 8;
/** Intervals that are remembered of each node: half a minute of heartbeats, and more of traffic. */
const WINDOW = 64;
/** Least standard deviation of intervals that is believed: in milliseconds, and of their mean. */
const LEAST_DEVIATION_MS = 200;
const LEAST_DEVIATION = 0.25;
/** With fewer intervals than this, a node counts as one with the intervals below. Milliseconds. */
const ENOUGH = 5;
const UNKNOWN_MEAN_MS = 1_000;
const UNKNOWN_DEVIATION_MS = 1_000;
/** A check that comes so much later than its time is late, milliseconds. */
const LATE_MS = 50;
/** In this time an observer that was late reads what waits, milliseconds. */
const READ_MS = 1_000;
/**
 * What has come from a node passes TLS, HTTP/2 and the mailbox before it counts, each at best in the
 * next turn of the observer's event loop: while it lags, so many lags go by until it has been read.
 */
const READ_LAGS = 4;

interface Watched {
  /** When it was last heard of; moved on by the time for which the observer was late. */
  heardAt: number;
  /** When the last heartbeat came that counted as one of its own. */
  countedAt: number;
  /** Times between heartbeats, a ring of the last {@linkcode WINDOW}. */
  intervals: number[];
  /** Where the next interval is put. */
  next: number;
}

/** See the module's text. */
export class PhiDetector {
  readonly #options: DetectorOptions;
  readonly #nodes = new Map<string, Watched>();
  #tickedAt: number;
  /** When a check last came late. */
  #lateAt = -Infinity;
  /** By how much checks come late now, milliseconds: what was seen counts half with each later check. */
  #lagMs = 0;
  /** Checks since the first of those that came late within {@linkcode READ_MS} of each other. */
  #checks = 0;

  /** Knows no node yet; `now` is the present time. */
  constructor(options: DetectorOptions, now: number) {
    this.#options = options;
    this.#tickedAt = now;
  }

  /** A node begins to be watched; nothing that was known of it before counts. */
  add(node: string, now: number): void {
    this.#nodes.set(node, { heardAt: now, countedAt: now, intervals: [], next: 0 });
  }

  /** A node is no longer watched. */
  forget(node: string): void {
    this.#nodes.delete(node);
  }

  /**
   * Notes that something came from a node at the time `at`, which may be a short while ago. What is
   * older than what is known already changes nothing. A node that is not watched is ignored.
   */
  heard(node: string, at: number): void {
    const watched = this.#nodes.get(node);
    if (!watched || at <= watched.heardAt) return;
    watched.heardAt = at;
    const interval = at - watched.countedAt;
    if (interval < this.#options.heartbeatMs / 2) return;
    watched.countedAt = at;
    watched.intervals[watched.next] = interval;
    watched.next = (watched.next + 1) % WINDOW;
  }

  /**
   * Call it every `tickMs`, before the silences are read: a call that comes late moves all
   * heartbeats on by as much. Returns the milliseconds that were forgiven; 0: it was in time.
   */
  tick(now: number): number {
    const late = now - this.#tickedAt - this.#options.tickMs;
    this.#checks++;
    this.#lagMs = Math.max(late, this.#lagMs / 2);
    if (late > LATE_MS) {
      if (this.#tickedAt - this.#lateAt >= READ_MS) this.#checks = 0;
      this.#lateAt = now;
    }
    this.#tickedAt = now;
    if (late <= LATE_MS) return 0;
    for (const watched of this.#nodes.values()) {
      watched.heardAt = Math.min(now, watched.heardAt + late);
      watched.countedAt = Math.min(now, watched.countedAt + late);
    }
    return late;
  }

  /** Milliseconds for which a node has been silent; 0: it is not watched. */
  silence(node: string, now: number): number {
    const watched = this.#nodes.get(node);
    return watched ? Math.max(0, now - watched.heardAt) : 0;
  }

  /** Milliseconds that the observer takes at most, while it lags as it does now, to read what came. */
  get readingMs(): number {
    return this.#lagMs > LATE_MS ? READ_LAGS * this.#lagMs : 0;
  }

  /** See the module's text; 0: it is not watched. */
  phi(node: string, now: number): number {
    const watched = this.#nodes.get(node);
    if (!watched) return 0;
    const { mean, deviation } = shapeOf(watched.intervals);
    return phiOf((now - watched.heardAt - mean) / deviation);
  }

  /** Whether a node has been silent for longer than is usual. */
  isQuiet(node: string, now: number): boolean {
    return this.silence(node, now) >= this.#options.suspectMs &&
      this.phi(node, now) >= SUSPECT_PHI;
  }

  /** Whether a node's silence is suspicious. */
  suspects(node: string, now: number): boolean {
    return this.isQuiet(node, now) && this.#hasRead(now);
  }

  /** Whether a node's silence means that it is dead, as far as this observer can tell. */
  givesUp(node: string, now: number): boolean {
    const { deadMs, mostMs } = this.#options;
    const silence = this.silence(node, now);
    if (silence >= mostMs) return true;
    return silence >= deadMs && this.phi(node, now) >= DEAD_PHI && this.#hasRead(now);
  }

  /** Whether the observer has had the time to read what came while it was late. */
  #hasRead(now: number): boolean {
    const { deadMs, tickMs } = this.#options;
    return now - this.#lateAt >= READ_MS || this.#checks * tickMs >= deadMs;
  }
}

function shapeOf(intervals: readonly number[]): { mean: number; deviation: number } {
  if (intervals.length < ENOUGH) {
    return { mean: UNKNOWN_MEAN_MS, deviation: UNKNOWN_DEVIATION_MS };
  }
  const mean = intervals.reduce((sum, ms) => sum + ms, 0) / intervals.length;
  const variance = intervals.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / intervals.length;
  const deviation = Math.max(LEAST_DEVIATION_MS, LEAST_DEVIATION * mean, Math.sqrt(variance));
  return { mean, deviation };
}

/**
 * The negative decimal logarithm of the chance that a normal variable is `z` standard deviations or
 * more above its mean, by the logistic approximation of Bowling, Khasawneh, Kaewkuekool and Cho (A
 * logistic approximation to the cumulative normal distribution, 2009).
 */
function phiOf(z: number): number {
  const e = z * (1.5976 + 0.07056 * z * z);
  // log10(1 + exp(e)), which would overflow for a long silence.
  return e > 30 ? e / Math.LN10 : Math.log10(1 + Math.exp(e));
}
