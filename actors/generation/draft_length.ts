/**
 * How long a draft pays.
 *
 * With `p(d)` the measured chance that the draft's d-th token comes true after the ones before it
 * did, a draft of length k gives `1 + sum over d <= k of p(1) .. p(d)` tokens for one frame of 1 +
 * k rows and, where nothing hides it, the time of drafting. Where lanes travel together, a frame
 * has that many rows of each, and what does not depend on rows is shared. The length with the most
 * tokens per millisecond is taken; where none beats no draft at all, it is 0, and now and then a
 * short draft looks whether that still holds.
 *
 * @module
 */

/** Longest draft. */
const LONGEST = 16;
/** Weight of a new observation. */
const FRESH = 0.1;
/** Weight of a frame's time in the mean of its size. */
const EVEN = 0.1;
/** Weights of a frame that was quicker than others of its size, and of one that was slower. */
const QUICKER = 0.3;
const SLOWER = 0.03;
/** Part of a frame's weight that is left after the next. */
const FADE = 0.97;
/** Weight of the newest answer to {@linkcode DraftLength.wanted}. */
const FRESH_FOUND = 0.03;
/** A first guess at acceptance, as much as so many observations. */
const PRIOR = { rate: 0.7, weight: 3 };
/** A row more costs this share of a frame of one row, before it is measured. */
const ROW_SHARE = 0.12;
/** A draft must win so much to be taken: estimates err. */
const MARGIN = 1.03;
/**
 * The same where lanes share frames: drafts of some come late, and frames of unlike size leave
 * gaps.
 */
const CROWD_MARGIN = 1.12;
/** No row is sent that is less likely to be of use. */
const LEAST_WORTH = 0.02;
/** Tokens without a draft after which one is tried. */
const PROBE_EVERY = 32;
const PROBE_LENGTH = 2;
/** Probes that find nothing become rarer, up to this many times. */
const RAREST_PROBE = 16;
/** Each so-many-th draft is half as long. */
const VARY_EVERY = 12;
/** Figures of {@linkcode DraftLength.snapshot} before the acceptances. */
const HEADER = 8;

/** Options of a {@linkcode DraftLength}. */
export interface DraftLengthOptions {
  /** Longest draft that may be taken. */
  draftLength: number;
  /** Stages of the pipeline: a frame keeps one of them busy at a time. */
  stages: number;
  /** Draft that much whatever it costs: the client says so. @default false */
  always?: boolean;
  /** What another request has measured: its {@linkcode DraftLength.snapshot}. */
  measured?: readonly number[];
}

/** Lanes that share the pipeline. */
export interface Crowd {
  /** Lanes of the request. */
  lanes: number;
  /** Those in one frame in the mean. */
  together: number;
}

const ALONE: Crowd = { lanes: 1, together: 1 };

/** What is best now. */
export interface DraftPlan {
  /** Tokens to draft; 0: none. */
  length: number;
  /** Expected speed against no draft: 1.5 is half as fast again. */
  gain: number;
  /** Send a row of a draft if its chance to be of use is not below this. */
  worth: number;
  /** Draft on over a frame under way if the chance that it is confirmed whole is not below this. */
  ahead: number;
  /** Is it better to wait for the drafter than to send the next token's row alone? */
  wait: boolean;
}

/** See the module's text. Pure: times are given in milliseconds. */
export class DraftLength {
  readonly #max: number;
  readonly #stages: number;
  readonly #always: boolean;
  /** Conditional acceptance by depth - 1, and how many observations stand behind it. */
  readonly #rate = new Float64Array(LONGEST).fill(PRIOR.rate);
  readonly #seen = new Float64Array(LONGEST).fill(PRIOR.weight);
  /**
   * Sums for the line through (rows, ms) of frames, of requests before: count, rows, ms, rows
   * squared, rows * ms.
   */
  #before = [0, 0, 0, 0, 0];
  /** Milliseconds of the quickest frames by rows, ascending, and how much they count. */
  readonly #sizes: { rows: number; ms: number; weight: number }[] = [];
  /** Milliseconds of one drafted token; 0: not measured. */
  #draftMs = 0;
  /** How much likelier a token is to come true than its drafter says. */
  #trust = 1;
  /** Share of the times that a draft was wanted in which there was one. */
  #found = 1;
  #sinceDraft = 0;
  /** Probes in a row that changed nothing. */
  #probes = 0;
  #plans = 0;

  constructor({ draftLength, stages, always = false, measured }: DraftLengthOptions) {
    this.#max = Math.min(draftLength, LONGEST);
    this.#always = always;
    this.#stages = stages;
    if (measured?.length === HEADER - 1 + 2 * LONGEST && measured.every(Number.isFinite)) {
      this.#before = measured.slice(0, 5);
      [this.#draftMs, this.#trust] = measured.slice(5, HEADER - 1);
      this.#rate.set(measured.slice(HEADER - 1, HEADER - 1 + LONGEST));
      this.#seen.set(measured.slice(HEADER - 1 + LONGEST).map((n) => Math.min(n, 20)));
    }
  }

  /**
   * A frame with so many of this request's rows took so long from the first stage to its answer.
   * Frames of several lanes do not overtake each other: one behind a longer one takes as long as
   * that. So the quickest of each size count there.
   */
  frame(rows: number, ms: number, { lanes }: Pick<Crowd, "lanes"> = ALONE): void {
    if (rows < 1 || !(ms >= 0)) return;
    for (const size of this.#sizes) size.weight *= FADE;
    this.#before = this.#before.map((sum) => sum * FADE);
    let at = this.#sizes.findIndex((size) => size.rows >= rows);
    if (at < 0) at = this.#sizes.length;
    if (this.#sizes[at]?.rows !== rows) this.#sizes.splice(at, 0, { rows, ms, weight: 0 });
    const size = this.#sizes[at];
    size.ms += (lanes === 1 ? EVEN : ms < size.ms ? QUICKER : SLOWER) * (ms - size.ms);
    size.weight++;
  }

  /** The drafter needed so long for so many tokens. */
  drafted(tokens: number, ms: number): void {
    if (tokens < 1 || !(ms >= 0)) return;
    const each = ms / tokens;
    this.#draftMs = this.#draftMs === 0 ? each : this.#draftMs + 0.2 * (each - this.#draftMs);
  }

  /** The truth about a drafted token whose forerunners were right. */
  judged(depth: number, chance: number, right: boolean): void {
    const i = Math.min(depth, LONGEST) - 1;
    this.#seen[i]++;
    const weight = Math.max(FRESH, 1 / this.#seen[i]);
    this.#rate[i] += weight * ((right ? 1 : 0) - this.#rate[i]);
    if (chance > 0) {
      this.#trust += 0.05 * ((right ? 1 : 0) / chance - this.#trust);
      this.#trust = Math.min(2, Math.max(0.02, this.#trust));
    }
  }

  /**
   * A draft was wanted: was there any? Counts where lanes share frames: all wait for those that
   * have drafts.
   */
  wanted(found: boolean): void {
    this.#found += FRESH_FOUND * (Number(found) - this.#found);
  }

  /** Tokens came that no draft was made for. */
  undrafted(tokens: number): void {
    this.#sinceDraft += tokens;
  }

  /** Chance that a token comes true whose drafter says `chance`. */
  chance(chance: number): number {
    return Math.min(0.999, chance * this.#trust);
  }

  /** What is best now for each of the lanes that run. */
  plan({ lanes, together }: Crowd = ALONE): DraftPlan {
    const { base, row } = this.#frameCost();
    const stages = this.#stages;
    // More frames than stages wait for each other.
    const turns = Math.max(1, lanes / together / stages);
    const round = (k: number) => {
      const frame = base + together * (1 + k) * row;
      const drafting = k * this.#draftMs;
      // On one stage drafts and frames take turns; on several, frames are under way while the
      // drafter works, for all lanes.
      if (stages === 1) return turns * (frame + together * drafting);
      return Math.max(turns * frame + (lanes > 1 ? drafting : 0), lanes * drafting);
    };
    const single = round(0);
    // Lanes whose frames hold no draft wait for those that do.
    const some = lanes > 1 ? 1 - (1 - this.#found) ** lanes : 1;
    const found = lanes > 1 ? this.#found : 1;
    const stageMs = (base + together * row) / stages;
    let best = { length: 0, rate: 1 / single };
    let tokens = 1;
    let reach = 1;
    for (let k = 1; k <= this.#max; k++) {
      reach *= this.#rate[k - 1];
      tokens += found * reach;
      const rate = tokens / (some * round(k) + (1 - some) * single);
      if (rate > best.rate * (best.length > 0 ? 1 : lanes > 1 ? CROWD_MARGIN : MARGIN)) {
        best = { length: k, rate };
      }
    }
    const saved = single * (1 - 1 / stages) + this.#draftMs;
    const common = {
      gain: best.rate * single,
      worth: Math.min(0.9, Math.max(LEAST_WORTH, turns * together * row * best.rate)),
      ahead: stageMs / (stageMs + saved),
      wait: lanes > 1 && best.length > 0 ||
        this.#draftMs > 0 && lanes * this.#draftMs * Math.max(1, best.length) < stageMs,
    };
    if (this.#always) return { length: this.#max, ...common, worth: 0, wait: true };
    if (best.length > 0) {
      this.#sinceDraft = this.#probes = 0;
      // Frames of one size alone do not tell what a row costs.
      const vary = ++this.#plans % VARY_EVERY === 0;
      return { length: vary ? best.length >> 1 : best.length, ...common };
    }
    // A probe of one holds up every lane.
    const rarer = lanes === 1 ? 1 : lanes * Math.min(RAREST_PROBE, 2 ** this.#probes);
    if (this.#max === 0 || this.#sinceDraft < PROBE_EVERY * rarer) return { length: 0, ...common };
    this.#sinceDraft = 0;
    if (lanes > 1) this.#probes++;
    return { length: Math.min(PROBE_LENGTH, this.#max), ...common, worth: 0, ahead: 1 };
  }

  /** Milliseconds that a lane may wait for so many drafted tokens before it goes on without. */
  waitMs(tokens: number): number {
    return 2 + 2.5 * this.#draftMs * tokens;
  }

  /** Mean acceptance of a draft's first token, 0 .. 1. */
  get acceptance(): number {
    return this.#rate[0];
  }

  /** What was measured, for the next request. */
  snapshot(): number[] {
    return [...this.#line(), this.#draftMs, this.#trust, ...this.#rate, ...this.#seen];
  }

  /** Those sums with what this request has measured. */
  #line(): number[] {
    let [count, sum, times, squares, products] = this.#before;
    let least = Infinity; // no frame takes longer than one of more rows
    for (let i = this.#sizes.length - 1; i >= 0; i--) {
      const { rows, ms, weight } = this.#sizes[i];
      least = Math.min(least, ms);
      count += weight;
      sum += weight * rows;
      times += weight * least;
      squares += weight * rows * rows;
      products += weight * rows * least;
    }
    return [count, sum, times, squares, products];
  }

  /** A frame of r rows takes `base + r * row` ms. */
  #frameCost(): { base: number; row: number } {
    const [n, rows, ms, squares, products] = this.#line();
    if (n === 0) return { base: 1 - ROW_SHARE, row: ROW_SHARE };
    const mean = { rows: rows / n, ms: ms / n };
    const guess = mean.ms * ROW_SHARE / (1 + ROW_SHARE * (mean.rows - 1));
    const spread = squares - n * mean.rows ** 2;
    // A guess counts as one frame one row away from the mean, so that few or equal sizes do not
    // give a wild slope.
    const slope = (products - n * mean.rows * mean.ms + guess) / (spread + 1);
    const row = Math.min(Math.max(slope, 0.005 * mean.ms), mean.ms / mean.rows);
    return { base: Math.max(mean.ms - row * mean.rows, 0), row: Math.max(row, 1e-6) };
  }
}
