/**
 * Which way to decode is fastest? This is measured, not computed.
 *
 * There are three ways: plain, one frame of drafts at a time, and continuous drafts, whose frames
 * follow each other without waiting for verdicts. What drafts cost besides their rows cannot be
 * computed: the drafter may share a processor with a stage, rows that are thrown away use up a
 * limited device's share of it, and the more is drafted the slower frames look. So decoding is cut
 * into short windows, each in one way, and the way with the fewest milliseconds per token is kept.
 *
 * - First every way is measured in two windows. One that is found far slower is left at once. So
 *   the requests of a deployment spend at most 8 steps in each way that is not worth it, once.
 * - Then the other ways are tried again now and then, for a window at most. What that costs is
 *   bounded: each window earns a credit of 2.5 % of itself. A trial takes place when the credit
 *   covers what the way is expected to lose. It pays for what it has lost really, so that one that
 *   went worse is paid for by later windows. It ends when it has lost two windows' time. So in the
 *   long run trials take 2.5 % of the time, and at any moment two windows more.
 * - A way with drafts must be 3 % faster than the present one to take its place.
 *
 * The answer depends on how many lanes share the stages, those of other requests included. So it is
 * measured for 1, 2-3, 4-7, and 8 or more lanes apart: each is a bucket. Drafts are continuous for a
 * lane that is alone only.
 *
 * @module
 */

/** A way to decode: see the module's text. */
export type DecodingWay = "plain" | "frames" | "continuous";

/** All ways, in the order in which they are first measured. */
const WAYS = ["frames", "plain", "continuous"] as const satisfies DecodingWay[];
/** Steps of each lane in a window. */
const STEPS = 5;
/** Steps in a window of a lane that is alone: it needs more, since one lane's luck varies more. */
const STEPS_ALONE = 8;
/** Steps of a window that must have been made for it to count at the end of a request. */
const LEAST_STEPS = 3;
/** Windows in which a way is measured at first. */
const FIRST = 2;
/** A way that takes this many times as long as the fastest is not measured a second time at first. */
const HOPELESS = 2;
/** Share of the time that trials may cost, 0 to 1. */
const TRIAL = 0.025;
/** Windows between two trials of a way at least, however little they cost. */
const SOONEST = 4;
/** Windows of time that a trial may lose before it ends. Credit for more is not kept. */
const MOST_LOST = 2;
/** A way with drafts must be this many times as fast as the present one to take its place. */
const MARGIN = 1.03;
/** Part of a window's weight that is left after each later window of its bucket, 0 to 1. */
const FADE = 0.9;
/** Tokens below which a way's figures fade no more: they are divided by. */
const LEAST_TOKENS = 8;
/** Numbers of lanes that are measured apart: see the module's text. */
const BUCKETS = 4;
/** Numbers of a bucket in {@linkcode Pace.snapshot}: credit, present way, and four of each way. */
const FIGURES = 2 + 4 * WAYS.length;

/** What one result has led to in one lane. */
export interface Step {
  /** Tokens that became certain. */
  tokens: number;
  /** Lanes of the request that are decoding, this one included. */
  lanes: number;
  /** Lanes that share the stages, those of other requests included. @default `lanes` */
  sharing?: number;
  /** A counter that grows with each draft row and each question to the drafter. */
  activity: number;
  /** When it happened, milliseconds. */
  at: number;
}

/** What is known of a way in a bucket. */
interface WayFigures {
  /** Milliseconds of its windows, the older the less. */
  ms: number;
  /** Tokens of its windows, the older the less. */
  tokens: number;
  /** Windows so far. */
  windows: number;
  /** Windows of the bucket since the last one of this way. */
  age: number;
}

/** What is known where so many lanes share the stages. */
interface Bucket {
  /** Plain windows' tokens in time that trials may still lose; below 0: they have lost more. */
  credit: number;
  /** The way that is kept. */
  present: DecodingWay;
  ways: Record<DecodingWay, WayFigures>;
}

/** See the module's text. */
export class Pace {
  readonly #buckets: Bucket[];
  /** The bucket of the lanes that run now. */
  #bucket: Bucket;
  /** The way of the present window. */
  #way: DecodingWay;
  /** Stages of the pipeline. */
  readonly #stages: number;
  /** When the window began, milliseconds; undefined: the next step begins one. */
  #since?: number;
  /** When the way was taken, milliseconds; frames of the way before may have been under way. */
  #taken = 0;
  /** Tokens since the way was taken. */
  #takenTokens = 0;
  /** Tokens of the window. */
  #tokens = 0;
  /** Steps of the window. */
  #steps = 0;
  /** Steps still to come whose rows were sent in the window before, which went another way. */
  #settling = 0;
  /** `Step.activity` when the window began. */
  #activity = 0;
  /** The last step. */
  #last = { at: 0, activity: 0, lanes: 1 };

  /**
   * `measured` is what an earlier request measured: its {@linkcode Pace.snapshot}. Figures of
   * another shape are ignored. `stages`: of the pipeline, 1 or more.
   */
  constructor({ measured, stages = 1 }: { measured?: readonly number[]; stages?: number } = {}) {
    this.#stages = stages;
    const valid = measured?.length === BUCKETS * FIGURES && measured.every(Number.isFinite);
    this.#buckets = Array.from(
      { length: BUCKETS },
      (_, i) => bucketOf(valid ? measured!.slice(i * FIGURES, (i + 1) * FIGURES) : undefined),
    );
    this.#bucket = this.#buckets[0];
    this.#way = this.#choose();
  }

  /** How to decode now. */
  get way(): DecodingWay {
    return this.#way;
  }

  /** May drafts be made now? */
  get drafts(): boolean {
    return this.#way !== "plain";
  }

  /** Discards the window: a frame carried pieces of a prompt, so its time says nothing. */
  interrupt(): void {
    this.#since = undefined;
    // A trial is put off, else prompts could make it long.
    const { present, ways } = this.#bucket;
    if (this.#way !== present && ways[this.#way].windows >= FIRST) ways[this.#way].age = 0;
  }

  /** Takes in that a lane went on. */
  step({ tokens, lanes, sharing = lanes, activity, at }: Step): void {
    const bucket =
      this.#buckets[Math.min(BUCKETS - 1, Math.floor(Math.log2(Math.max(1, sharing))))];
    if (bucket !== this.#bucket || this.#since === undefined) {
      this.#bucket = bucket;
      return this.#take(this.#choose(), { at, activity, lanes });
    }
    this.#takenTokens += tokens;
    this.#last = { at, activity, lanes };
    if (this.#settling > 0) {
      this.#settling = this.#lost(bucket) > MOST_LOST ? 0 : this.#settling - 1;
      if (this.#settling === 0) this.#restart(at, activity);
      return;
    }
    this.#tokens += tokens;
    const full = ++this.#steps >= stepsOf(lanes);
    if (!full && !(this.#lost(bucket) > MOST_LOST)) return;
    this.#measure(bucket);
    this.#take(this.#choose(), { at, activity, lanes });
  }

  /**
   * What was measured, for `measured` of the next request. A window that has begun counts, so that
   * many short answers tell as much as a long one.
   */
  snapshot(): number[] {
    const buckets = structuredClone(this.#buckets);
    if (this.#steps >= LEAST_STEPS && this.#since !== undefined) {
      this.#measure(buckets[this.#buckets.indexOf(this.#bucket)]);
    }
    return buckets.flatMap(({ credit, present, ways }) => [
      credit,
      WAYS.indexOf(present),
      ...WAYS.flatMap((way) => {
        const { ms, tokens, windows, age } = ways[way];
        return [ms, tokens, windows, age];
      }),
    ]);
  }

  /** Takes in the window as it is. */
  #measure(bucket: Bucket): void {
    const { at, activity } = this.#last;
    const window = { ms: at - this.#since!, tokens: this.#tokens, steps: this.#steps };
    const way = activity > this.#activity ? this.#way : "plain";
    const tried = way === this.#way;
    if (tried && bucket.ways[way].windows >= FIRST) {
      bucket.credit -= Math.max(0, this.#lost(bucket));
    }
    measure(bucket, way, window);
    if (tried) settle(bucket, way);
  }

  /** Begins a window. */
  #take(
    way: DecodingWay,
    { at, activity, lanes }: { at: number; activity: number; lanes: number },
  ): void {
    const changed = way !== this.#way;
    this.#way = way;
    this.#restart(at, activity);
    this.#taken = at;
    this.#takenTokens = 0;
    // A lane that is alone may have a frame under way at each stage, any other lane has one row.
    this.#settling = changed ? Math.max(lanes, this.#stages) : 0;
  }

  #restart(at: number, activity: number): void {
    this.#since = at;
    this.#activity = activity;
    this.#tokens = this.#steps = 0;
  }

  /**
   * Windows of time that the way has lost against the present one since it was taken; below 0: it
   * has gained. 0 while it is the present one, or that was not measured.
   */
  #lost({ present, ways }: Bucket): number {
    if (this.#way === present || ways[present].windows === 0) return 0;
    const { at, lanes } = this.#last;
    const tokens = (at - this.#taken) / msPerToken(ways[present]);
    return (tokens - this.#takenTokens) / stepsOf(lanes);
  }

  /** Decides the way of the next window. */
  #choose(): DecodingWay {
    const bucket = this.#bucket;
    const { present, ways } = bucket;
    const possible = WAYS.filter((way) => way !== "continuous" || bucket === this.#buckets[0]);
    const fastest = Math.min(...possible.map((way) => msPerToken(ways[way])));
    const first = possible
      .filter((way) => ways[way].windows < FIRST)
      .filter((way) => ways[way].windows === 0 || msPerToken(ways[way]) < HOPELESS * fastest)
      .toSorted((a, b) => ways[a].windows - ways[b].windows);
    if (first.length > 0) return first[0];
    const others = possible.filter((way) => way !== present && ways[way].age >= SOONEST)
      .toSorted((a, b) => ways[b].age - ways[a].age);
    const now = msPerToken(ways[present]);
    const affordable = others.find((way) => {
      const loss = Math.min(MOST_LOST, msPerToken(ways[way]) / now - 1);
      return loss <= 0 || bucket.credit >= loss;
    });
    return affordable ?? present;
  }
}

/** Steps of a window; a plain one gives as many tokens. */
const stepsOf = (lanes: number) => lanes === 1 ? STEPS_ALONE : STEPS * lanes;

const msPerToken = ({ ms, tokens, windows }: WayFigures): number =>
  windows === 0 ? Infinity : Math.max(1e-9, ms / Math.max(1e-9, tokens));

/** Takes in a window of a way. */
function measure(
  bucket: Bucket,
  way: DecodingWay,
  { ms, tokens, steps }: { ms: number; tokens: number; steps: number },
): void {
  for (const figures of Object.values(bucket.ways)) {
    figures.age++;
    if (figures.tokens < LEAST_TOKENS) continue;
    figures.tokens *= FADE;
    figures.ms *= FADE;
  }
  const figures = bucket.ways[way];
  figures.ms += ms;
  figures.tokens += tokens;
  figures.windows++;
  figures.age = 0;
  bucket.credit = Math.min(MOST_LOST, bucket.credit + TRIAL * tokens / steps);
}

/** Keeps the way that was measured if it is the fastest, or leaves it if it is not any more. */
function settle(bucket: Bucket, measured: DecodingWay): void {
  const { ways } = bucket;
  const ms = (way: DecodingWay) => msPerToken(ways[way]);
  const faster = (a: DecodingWay, b: DecodingWay) => ms(a) * (a === "plain" ? 1 : MARGIN) < ms(b);
  if (measured !== bucket.present) {
    if (faster(measured, bucket.present)) bucket.present = measured;
    return;
  }
  for (const way of WAYS) if (faster(way, bucket.present)) bucket.present = way;
}

function bucketOf(figures?: readonly number[]): Bucket {
  const way = (i: number): WayFigures => {
    const [ms = 0, tokens = 0, windows = 0, age = 0] =
      figures?.slice(2 + 4 * i, 6 + 4 * i).map((n) => Math.max(0, n)) ?? [];
    return { ms, tokens, windows, age };
  };
  return {
    credit: Math.min(MOST_LOST, figures?.[0] ?? 0),
    present: WAYS[figures?.[1] ?? -1] ?? "plain",
    ways: { frames: way(0), plain: way(1), continuous: way(2) },
  };
}
