/**
 * How long a draft pays.
 *
 * Let `p(d)` be the measured chance that a draft's d-th token comes true after the ones before it
 * did. Then a draft of length k gives `1 + sum over d <= k of p(1) * .. * p(d)` tokens. It costs
 * the time of one frame of 1 + k rows and, where no frame is under way meanwhile, the time of
 * drafting. Where lanes travel together, a frame has that many rows of each lane, and the part of
 * its time that does not depend on rows is shared. The length with the most tokens per millisecond
 * is taken. Where none beats no draft at all, the length is 0, and a short draft is tried now and
 * then to see whether that still holds.
 *
 * A lane that is alone may also send drafts behind drafts without waiting: `continuous_drafts.ts`
 * says how large their frames are best. Which of both ways is taken is measured: see `pace.ts`.
 *
 * @module
 */
import { continuousDrafts } from "./continuous_drafts.ts";
import { FrameLine, LINE_FIGURES } from "./frame_line.ts";

/** Most tokens of a draft, whatever is allowed. */
const LONGEST = 16;
/** Least weight of the newest observation in the running mean of acceptance, 0 to 1. */
const NEWEST_TOKEN = 0.1;
/**
 * Weight of the newest frame in the running mean of its size's time, where one lane runs, 0 to 1.
 */
const NEWEST_FRAME = 0.1;
/** The same where several lanes run, for a frame that was quicker than that mean. */
const QUICKER_FRAME = 0.3;
/** The same where several lanes run, for a frame that was slower than that mean. */
const SLOWER_FRAME = 0.03;
/** Weight of the newest answer to {@linkcode DraftLength.wanted} in its running mean, 0 to 1. */
const NEWEST_WANTED = 0.03;
/** Weight of the newest answer in the running mean of milliseconds per drafted token, 0 to 1. */
const NEWEST_DRAFT = 0.2;
/** First guess at acceptance: `rate`, 0 to 1, with the weight of so many observations. */
const PRIOR = { rate: 0.7, weight: 3 };
/** Most observations that the acceptance measured by earlier requests counts as. */
const MOST_INHERITED = 20;
/** A draft is taken if its speed is at least this many times that of no draft: estimates err. */
const MARGIN = 1.03;
/**
 * The same where lanes share frames: drafts of some lanes come late, and frames of unlike size
 * leave gaps in the pipeline.
 */
const CROWD_MARGIN = 1.12;
/**
 * Continuous drafts that are reckoned to be slower than others by at most this factor are made: the
 * clock decides.
 */
const CLOCK_DECIDES = 1.15;
/** A draft row with a chance below this is never sent, 0 to 1. */
const LEAST_WORTH = 0.02;
/** A draft row with a chance above this is always sent, 0 to 1. */
const MOST_WORTH = 0.9;
/** Tokens without a draft after which a short draft is tried. */
const PROBE_EVERY = 32;
/** Tokens of such a draft. */
const PROBE_LENGTH = 2;
/** Where lanes share frames, drafts that are tried in vain become rarer, up to this many times. */
const RAREST_PROBE = 16;
/** Each time that this many drafts were planned, one is half as long: it shows what rows cost. */
const VARY_EVERY = 12;
/** Weight of the newest token in the running mean of `#trust`, 0 to 1. */
const NEWEST_TRUST = 0.05;
/** Least value of `#trust`. */
const LEAST_TRUST = 0.02;
/** Highest value of `#trust`. */
const MOST_TRUST = 2;
/** Highest chance that a token is given: no draft is certain. */
const MOST_CHANCE = 0.999;
/** A lane waits for a draft at most this many times as long as such a draft takes in the mean. */
const WAIT_SHARE = 2.5;
/** Milliseconds that a lane may wait beyond that: timers are not exact. */
const WAIT_MS = 2;
/** Numbers of {@linkcode DraftLength.snapshot} before the acceptance rates. */
const HEADER = 2 * LINE_FIGURES + 2;
/** Most drafted rows of a lane that are under way at once. */
const MOST_ROWS = 32;
/** Places of a draft whose acceptance rates count where drafts are continuous. */
const PLACES = 6;

/** Options of a {@linkcode DraftLength}. */
export interface DraftLengthOptions {
  /** Most tokens of a draft. */
  draftLength: number;
  /** Stages of the pipeline: a frame keeps one of them busy at a time. */
  stages: number;
  /**
   * Plans drafts of `draftLength` tokens whatever they cost: the client asks for it. @default false
   */
  always?: boolean;
  /** What an earlier request measured: its {@linkcode DraftLength.snapshot}. */
  measured?: readonly number[];
}

/** The lanes that share the pipeline. */
export interface Crowd {
  /** Lanes of the request. */
  lanes: number;
  /** Lanes whose rows travel in one frame, in the mean; at least 1. */
  together: number;
  /**
   * Drafts of a lane that is alone follow each other without waiting for verdicts, unless that is
   * far slower by what frames cost. @default false
   */
  continuous?: boolean;
}

const ALONE: Crowd = { lanes: 1, together: 1 };

/** How to draft now. */
export interface DraftPlan {
  /** Tokens to draft at once; 0: none. */
  length: number;
  /** Most rows of a frame of a lane that is alone, its own row included. */
  frame: number;
  /** Most drafted rows of the lane that are under way at once. */
  depth: number;
  /** Expected speed as a multiple of that without drafts: 1.5 is half as fast again. */
  gain: number;
  /** Expected tokens of each lane a millisecond. */
  rate: number;
  /** Least chance of a draft row that is sent with its lane's own row, 0 to 1. */
  worth: number;
  /**
   * Least chance that a frame under way comes true as a whole for more drafts to be sent behind it,
   * 0 to 1.
   */
  ahead: number;
  /** It is better to wait for the drafter than to send the next token's row without drafts. */
  wait: boolean;
}

/** See the module's text. Pure: the caller measures all times. */
export class DraftLength {
  /** Most tokens of a draft. */
  readonly #longest: number;
  readonly #stages: number;
  readonly #always: boolean;
  /** Share of tokens that came true after the ones before them did, by place in the draft - 1. */
  readonly #rate = new Float64Array(LONGEST).fill(PRIOR.rate);
  /** Observations behind each rate. */
  readonly #seen = new Float64Array(LONGEST).fill(PRIOR.weight);
  /** Milliseconds of a frame from the first stage to its answer. */
  readonly #trip: FrameLine;
  /** Milliseconds of a frame at the slowest stage. */
  readonly #slowest: FrameLine;
  /** Milliseconds of one drafted token; 0: not measured yet. */
  #draftMs = 0;
  /** How many times as likely a token is to come true as its drafter says. */
  #trust = 1;
  /** Share of the times that a draft was wanted in which there was one, 0 to 1. */
  #found = 1;
  /** Tokens since a draft was last planned. */
  #sinceDraft = 0;
  /** Short drafts in a row that were tried and changed nothing. */
  #probes = 0;
  /** Drafts planned so far. */
  #plans = 0;

  /** Figures of another shape than a {@linkcode DraftLength.snapshot} are ignored. */
  constructor({ draftLength, stages, always = false, measured }: DraftLengthOptions) {
    this.#longest = Math.min(draftLength, LONGEST);
    this.#always = always;
    this.#stages = stages;
    const valid = measured?.length === HEADER + 2 * LONGEST && measured.every(Number.isFinite);
    this.#trip = new FrameLine(valid ? measured.slice(0, LINE_FIGURES) : undefined);
    this.#slowest = new FrameLine(
      valid ? measured.slice(LINE_FIGURES, 2 * LINE_FIGURES) : undefined,
    );
    if (valid) {
      [this.#draftMs, this.#trust] = measured.slice(2 * LINE_FIGURES, HEADER);
      this.#rate.set(measured.slice(HEADER, HEADER + LONGEST));
      this.#seen.set(measured.slice(HEADER + LONGEST).map((n) => Math.min(n, MOST_INHERITED)));
    }
  }

  /**
   * Takes in that a frame with `rows` rows of this request took `ms` milliseconds from the first
   * stage to its answer, of which the slowest stage computed `slowestMs`. Of a lane that is alone
   * `ms` leaves out what the frame waited behind others. Frames of several lanes do not overtake
   * each other: one behind a longer one takes as long as that. So where several lanes run, the
   * quickest frames of each size count most.
   */
  frame(
    rows: number,
    ms: number,
    { lanes = 1, slowestMs = ms / this.#stages }: { lanes?: number; slowestMs?: number } = {},
  ): void {
    if (rows < 1 || !(ms >= 0)) return;
    this.#trip.frame(
      rows,
      ms,
      (mean) => lanes === 1 ? NEWEST_FRAME : ms < mean ? QUICKER_FRAME : SLOWER_FRAME,
    );
    this.#slowest.frame(rows, slowestMs, () => NEWEST_FRAME);
  }

  /** Takes in that the drafter took `ms` milliseconds for `tokens` tokens. */
  drafted(tokens: number, ms: number): void {
    if (tokens < 1 || !(ms >= 0)) return;
    const each = ms / tokens;
    if (this.#draftMs === 0) this.#draftMs = each;
    else this.#draftMs += NEWEST_DRAFT * (each - this.#draftMs);
  }

  /**
   * Takes in whether a drafted token came true, after all before it in the draft did. `depth` is
   * its place, from 1; `chance` is what the drafter said, 0 to 1.
   */
  judged(depth: number, chance: number, right: boolean): void {
    const i = Math.min(depth, LONGEST) - 1;
    this.#seen[i]++;
    const weight = Math.max(NEWEST_TOKEN, 1 / this.#seen[i]);
    this.#rate[i] += weight * ((right ? 1 : 0) - this.#rate[i]);
    if (chance > 0) {
      this.#trust += NEWEST_TRUST * ((right ? 1 : 0) / chance - this.#trust);
      this.#trust = Math.min(MOST_TRUST, Math.max(LEAST_TRUST, this.#trust));
    }
  }

  /**
   * Takes in whether there was a draft when one was wanted. It counts where lanes share frames: all
   * lanes of a frame wait for the rows of those that have drafts.
   */
  wanted(found: boolean): void {
    this.#found += NEWEST_WANTED * (Number(found) - this.#found);
  }

  /** Takes in that `tokens` more tokens became certain. */
  undrafted(tokens: number): void {
    this.#sinceDraft += tokens;
  }

  /** Chance that a token comes true of which the drafter says `chance`; both 0 to 1. */
  chance(chance: number): number {
    return Math.min(MOST_CHANCE, chance * this.#trust);
  }

  /**
   * Plans the next draft of each of the lanes that run.
   *
   * @param chances What the drafter says of each token of a draft that it has made already, 0 to 1;
   *   such a draft is taken or left, and no short one is tried. @default what drafts were worth so far
   */
  plan(crowd: Crowd = ALONE, chances?: readonly number[]): DraftPlan {
    const { lanes, continuous = false } = crowd;
    const rates = chances?.map((chance) => this.chance(chance)) ?? Array.from(this.#rate);
    const best = this.#quickest(crowd, rates);
    const common = this.#common(crowd, best);
    if (this.#always) return { ...common, ...this.#waiting(this.#longest), worth: 0, wait: true };
    const alone = continuous && lanes === 1 ? this.#continuous(rates) : undefined;
    const pays = alone && 1 / alone.msPerToken > best.rate / CLOCK_DECIDES;
    if (!pays && best.length === 0) return this.#probe(lanes, chances, common);
    this.#sinceDraft = this.#probes = 0;
    // Frames of one size alone do not tell what a row costs.
    const vary = !chances && ++this.#plans % VARY_EVERY === 0;
    if (!pays) return { ...common, ...this.#waiting(vary ? best.length >> 1 : best.length) };
    const frame = vary ? Math.ceil(alone.rows / 2) : alone.rows;
    return {
      gain: this.#roundMs(crowd, 0) / alone.msPerToken,
      rate: 1 / alone.msPerToken,
      length: frame,
      frame,
      depth: Math.min(MOST_ROWS, frame * (alone.frames + 1)),
      worth: LEAST_WORTH,
      ahead: alone.ahead,
      wait: false,
    };
  }

  /** How often the frames of all lanes take turns; those beyond one a stage wait. */
  #turns({ lanes, together }: Crowd): number {
    return Math.max(1, lanes / together / this.#stages);
  }

  /** Milliseconds for a token of every lane, or more, with drafts of `length` tokens. */
  #roundMs(crowd: Crowd, length: number): number {
    const { lanes, together } = crowd;
    const { base, row } = this.#trip.cost();
    const turns = this.#turns(crowd);
    const frame = base + together * (1 + length) * row;
    const drafting = length * this.#draftMs;
    // On one stage drafts and frames take turns; on several, frames are under way while the
    // drafter works, for all lanes.
    if (this.#stages === 1) return turns * (frame + together * drafting);
    return Math.max(turns * frame + (lanes > 1 ? drafting : 0), lanes * drafting);
  }

  /**
   * The length of draft that gives the most tokens a millisecond, 0: none is quicker than no draft;
   * and how many tokens that are. `rates`: chance of each token after those before it, 0 to 1.
   */
  #quickest(crowd: Crowd, rates: readonly number[]): { length: number; rate: number } {
    const { lanes } = crowd;
    const single = this.#roundMs(crowd, 0);
    // Each lane has a draft with chance `found`, any of them with chance `some`; lanes without a
    // draft wait for the rows of those that have one.
    const some = lanes > 1 ? 1 - (1 - this.#found) ** lanes : 1;
    const found = lanes > 1 ? this.#found : 1;
    let best = { length: 0, rate: 1 / single };
    let tokens = 1;
    let reach = 1;
    for (let k = 1; k <= Math.min(this.#longest, rates.length); k++) {
      reach *= rates[k - 1];
      tokens += found * reach;
      const rate = tokens / (some * this.#roundMs(crowd, k) + (1 - some) * single);
      if (rate > best.rate * (best.length > 0 ? 1 : lanes > 1 ? CROWD_MARGIN : MARGIN)) {
        best = { length: k, rate };
      }
    }
    return best;
  }

  /** What a plan says whatever the length of its draft. */
  #common(
    crowd: Crowd,
    best: { length: number; rate: number },
  ): Pick<DraftPlan, "gain" | "rate" | "worth" | "ahead" | "wait"> {
    const { lanes, together } = crowd;
    const { base, row } = this.#trip.cost();
    const stages = this.#stages;
    const single = this.#roundMs(crowd, 0);
    const stageMs = (base + together * row) / stages;
    const saved = single * (1 - 1 / stages) + this.#draftMs;
    const worth = this.#turns(crowd) * together * row * best.rate;
    return {
      gain: best.rate * single,
      rate: best.rate,
      worth: Math.min(MOST_WORTH, Math.max(LEAST_WORTH, worth)),
      ahead: stageMs / (stageMs + saved),
      wait: lanes > 1 && best.length > 0 ||
        this.#draftMs > 0 && lanes * this.#draftMs * Math.max(1, best.length) < stageMs,
    };
  }

  /**
   * Drafts that wait for a verdict: one is under way through the stages and one is ready, and on
   * several stages some more. One stage runs all that there is in one frame.
   */
  #waiting(length: number): Pick<DraftPlan, "length" | "frame" | "depth"> {
    const stages = this.#stages;
    const depth = Math.min(MOST_ROWS, length * (stages + 1));
    return { length, frame: 1 + (stages === 1 ? depth : length), depth };
  }

  /** The plan where no draft pays: none, or once in a while a short one, to see whether it does now. */
  #probe(
    lanes: number,
    chances: readonly number[] | undefined,
    common: Pick<DraftPlan, "gain" | "rate" | "worth" | "ahead" | "wait">,
  ): DraftPlan {
    // A draft that one lane tries holds up the lanes that share its frames.
    const rarer = lanes === 1 ? 1 : lanes * Math.min(RAREST_PROBE, 2 ** this.#probes);
    if (chances || this.#longest === 0 || this.#sinceDraft < PROBE_EVERY * rarer) {
      return { ...common, ...this.#waiting(0) };
    }
    this.#sinceDraft = 0;
    if (lanes > 1) this.#probes++;
    const probe = this.#waiting(Math.min(PROBE_LENGTH, this.#longest));
    return { ...common, ...probe, worth: 0, ahead: 1 };
  }

  /**
   * How drafts of a lane that is alone follow each other, and the least chance that everything
   * before a frame comes true for it to be sent: where it does, the frame saves its way through the
   * stages but for one; where it does not, it holds a stage up for half its time.
   */
  #continuous(rates: readonly number[]) {
    const [trip, slowest] = [this.#trip.cost(), this.#slowest.cost()];
    const mostRows = Math.min(this.#longest + 1, LONGEST);
    if (this.#longest === 0) return undefined;
    const places = Math.min(PLACES, LONGEST);
    let product = 1;
    for (let i = 0; i < places; i++) product *= rates[i] ?? 0;
    const best = continuousDrafts({
      trip: (rows) => trip.base + rows * trip.row,
      slowest: (rows) => slowest.base + rows * slowest.row,
      acceptance: Math.min(MOST_CHANCE, product ** (1 / places)),
      draftMs: this.#draftMs,
      mostRows,
    });
    const busy = slowest.base + best.rows * slowest.row;
    const saved = Math.max(0, trip.base + best.rows * trip.row - busy);
    return { ...best, ahead: busy / (busy + 2 * saved) };
  }

  /** Milliseconds that a lane waits at most for a draft of `tokens` tokens. */
  waitMs(tokens: number): number {
    return WAIT_MS + WAIT_SHARE * this.#draftMs * tokens;
  }

  /** Acceptance rate of a draft's first token, 0 to 1. */
  get acceptance(): number {
    return this.#rate[0];
  }

  /**
   * What was measured, for `measured` of the next request: the sums of both lines, milliseconds
   * of a drafted token, the trust in the drafter's chances, then by place in a draft the rates and
   * the observations behind them.
   */
  snapshot(): number[] {
    return [
      ...this.#trip.snapshot(),
      ...this.#slowest.snapshot(),
      this.#draftMs,
      this.#trust,
      ...this.#rate,
      ...this.#seen,
    ];
  }
}
