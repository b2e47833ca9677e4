/**
 * Does drafting pay at all? This is measured, not computed.
 *
 * What a draft costs besides its rows cannot be computed: the drafter may share a processor with a
 * stage, rows of one lane hold up those of others, and the more is drafted the slower frames look.
 * So decoding is cut into short windows, some with drafts and some without. The way that gave more
 * tokens per millisecond is kept, and the other is tried again now and then. The answer depends on
 * how many lanes run together, so it is measured for 1, 2-3, 4-7, and 8 or more lanes apart: each
 * is a bucket.
 *
 * @module
 */

/** Steps of each lane in a window. */
const STEPS = 5;
/** Steps in a window of a lane that is alone: it needs more, since one lane's luck varies more. */
const STEPS_ALONE = 8;
/** Windows with drafts before the first window without. */
const FIRST = 2;
/** The same for a lane that is alone. */
const FIRST_ALONE = 3;
/** Share of the time that trying the slower way may cost, 0 to 1. */
const TRIAL = 0.025;
/** Windows after which the slower way is tried again at the soonest, however little that costs. */
const SOONEST = 4;
/** Windows after which it is tried again at the latest, however much that costs. */
const LATEST = 48;
/** Least weight of the newest window in the running mean of its way, 0 to 1. */
const NEWEST_WINDOW = 0.25;
/** Drafts must be at least this many times as fast: a tie is not worth a drafter's work. */
const MARGIN = 1.02;
/** Numbers of lanes that are measured apart: see the module's text. */
const BUCKETS = 4;
/**
 * Numbers of a bucket: milliseconds per token and windows without drafts, the same two with drafts,
 * and windows since the slower way was tried.
 */
const FIGURES = 5;

/** What one result has led to in one lane. */
export interface Step {
  /** Tokens that became certain. */
  tokens: number;
  /** Lanes that are decoding, this one included. */
  lanes: number;
  /** A counter that grows with each draft row and each question to the drafter. */
  activity: number;
  /** When it happened, milliseconds. */
  at: number;
}

/** See the module's text. */
export class Pace {
  /** Of all buckets, one after the other: see `FIGURES`. */
  readonly #figures: number[];
  /** Drafts are to be made in this window. */
  #drafts = true;
  /** Bucket of the lanes that run now, 0 to 3. */
  #bucket = 0;
  /** When the window began, milliseconds; undefined: the next step begins one. */
  #since?: number;
  /** Tokens of the window. */
  #tokens = 0;
  /** Steps of the window. */
  #steps = 0;
  /** Steps still to come whose rows were sent in the window before, which went the other way. */
  #settling = 0;
  /** `Step.activity` when the window began. */
  #activity = 0;

  /**
   * `measured` is what an earlier request measured: its {@linkcode Pace.snapshot}. Figures of
   * another shape are ignored.
   */
  constructor({ measured }: { measured?: readonly number[] } = {}) {
    const valid = measured?.length === BUCKETS * FIGURES &&
      measured.every((n) => Number.isFinite(n) && n >= 0);
    this.#figures = valid ? [...measured!] : new Array(BUCKETS * FIGURES).fill(0);
    this.#drafts = this.#choose();
  }

  /** May drafts be made now? */
  get drafts(): boolean {
    return this.#drafts;
  }

  /** Discards the window: a frame carried pieces of a prompt, so its time says nothing. */
  interrupt(): void {
    this.#since = undefined;
  }

  /** Takes in that a lane went on. */
  step({ tokens, lanes, activity, at }: Step): void {
    const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log2(Math.max(1, lanes))));
    if (bucket !== this.#bucket || this.#since === undefined) {
      this.#bucket = bucket;
      this.#drafts = this.#choose();
      this.#activity = activity;
      return this.#restart(at);
    }
    if (this.#settling > 0) {
      if (--this.#settling === 0) {
        this.#activity = activity;
        this.#restart(at);
      }
      return;
    }
    this.#tokens += tokens;
    if (++this.#steps < (lanes === 1 ? STEPS_ALONE : STEPS * lanes)) return;
    this.#measure(activity > this.#activity, (at - this.#since) / Math.max(1, this.#tokens));
    const before = this.#drafts;
    this.#drafts = this.#choose();
    this.#activity = activity;
    this.#restart(at);
    if (before !== this.#drafts) this.#settling = lanes;
  }

  /** What was measured, for `measured` of the next request. */
  snapshot(): number[] {
    return [...this.#figures];
  }

  #restart(at: number): void {
    this.#since = at;
    this.#tokens = this.#steps = 0;
  }

  /** Takes in a window of `ms` milliseconds per token. */
  #measure(drafted: boolean, ms: number): void {
    const at = this.#bucket * FIGURES + (drafted ? 2 : 0);
    const windows = ++this.#figures[at + 1];
    this.#figures[at] += Math.max(NEWEST_WINDOW, 1 / windows) * (ms - this.#figures[at]);
  }

  /** Decides whether the next window has drafts. */
  #choose(): boolean {
    const at = this.#bucket * FIGURES;
    const [plain, plains, drafts, drafted, age] = this.#figures.slice(at, at + FIGURES);
    const first = this.#bucket === 0 ? FIRST_ALONE : FIRST;
    if (plains === 0 || drafted < first) return drafted < first;
    const better = drafts * MARGIN < plain;
    const loss = Math.max(plain, drafts) / Math.max(1e-9, Math.min(plain, drafts)) - 1;
    if (age < Math.min(LATEST, Math.max(SOONEST, loss / TRIAL))) {
      this.#figures[at + 4]++;
      return better;
    }
    this.#figures[at + 4] = 0;
    return !better;
  }
}
