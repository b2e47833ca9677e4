/**
 * Does drafting pay at all? Told by the clock, not by a model of it.
 *
 * What a draft costs besides its rows cannot be reckoned: the drafter may share a processor with a
 * stage, rows of one lane hold up those of others, and the more is drafted the slower frames look.
 * So decoding is cut into short windows, some with drafts and some without, and what gave more
 * tokens per millisecond is kept; the other is tried again now and then. Lanes that run together
 * change the answer, so each number of lanes (1, 2-3, 4-7, 8 and more) has its own.
 *
 * @module
 */

/**
 * Steps of each lane in a window, and those of a lane that is alone: one lane's luck varies more.
 */
const STEPS = 5;
const STEPS_ALONE = 8;
/**
 * Windows with drafts before one without is tried for the first time, and for a lane that is alone.
 */
const FIRST = 2;
const FIRST_ALONE = 3;
/** Share of the time that trying what is slower may cost. */
const TRIAL = 0.025;
/** Windows after which it is tried again, whatever it costs or saves. */
const SOONEST = 4;
const LATEST = 48;
/** Weight of the newest window. */
const NEWEST = 0.25;
/**
 * Drafts must be faster by so much where both have been measured: a tie is not worth a drafter's
 * work.
 */
const MARGIN = 1.02;
const BUCKETS = 4;
/**
 * Figures of a bucket: {plain, drafts} x {ms per token, windows}, and windows since the slower was
 * tried.
 */
const FIGURES = 5;

/** What has just happened in one lane. */
export interface Step {
  /** Tokens that became certain. */
  tokens: number;
  /** Lanes that are decoding, this one included. */
  lanes: number;
  /** Counts up with whatever is drafted or asked of a drafter. */
  activity: number;
  /** Milliseconds. */
  at: number;
}

/** See the module's text. */
export class Pace {
  readonly #figures: number[];
  /** Are drafts to be made in this window? */
  #drafts = true;
  #bucket = 0;
  #since?: number;
  #tokens = 0;
  #steps = 0;
  /** Steps that still belong to what was done before. */
  #settling = 0;
  #activity = 0;

  /** `measured` is what another request has measured: its {@linkcode Pace.snapshot}. */
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

  /** Something else than decoding went on (a prompt): what was counted says nothing. */
  interrupt(): void {
    this.#since = undefined;
  }

  /** A lane went on. */
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

  /** What was measured, for the next request. */
  snapshot(): number[] {
    return [...this.#figures];
  }

  #restart(at: number): void {
    this.#since = at;
    this.#tokens = this.#steps = 0;
  }

  #measure(drafted: boolean, ms: number): void {
    const at = this.#bucket * FIGURES + (drafted ? 2 : 0);
    const windows = ++this.#figures[at + 1];
    this.#figures[at] += Math.max(NEWEST, 1 / windows) * (ms - this.#figures[at]);
  }

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
