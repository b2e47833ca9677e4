/**
 * How long frames take, by their number of rows: measured as they come back, and guessed before.
 *
 * @module
 */
import type { StageTrace } from "../pipeline/mod.ts";
import { bucketOf, CostCurve } from "./cost_curve.ts";
import { LaneReturns } from "./lane_returns.ts";
import { busyOf, deviceTimes, longestPath } from "./usage.ts";

/** Weight of the newest measurement in a running mean, 0 to 1. */
const NEWEST = 0.2;
/**
 * Cost of each further row of a frame as a share of the first, until it is measured: 8 rows were
 * seen to take 2.5 times as long as one.
 */
const PRIOR_ROW = 0.21;
/** Milliseconds of one row at one stage, until they are measured. Only ratios matter. */
const PRIOR_MS = 50;

/**
 * Milliseconds of moving one row in a layout, until they are measured: 2000 rows of 12 layers took
 * 12 ms.
 */
const PRIOR_MOVE_MS = 0.006;
/**
 * A layout that moves fewer rows is counted as if it moved this many: its time is not that of
 * moving rows.
 */
const MOVED_ROWS = 256;
/** Frames of at most this many rows travel as fast as frames of one row. */
const FEW_ROWS = 8;

/** Frames of one size that are sent before it counts as tried. */
const TRIES = 3;
/** The shortest transit is looked for among this many frames, and as many before. */
const EPOCH = 32;

/** See the module's text. */
export class FrameCost {
  /**
   * By device. Each has means of its own: the mean of the slowest device's time of each frame would
   * be larger than the slowest device's mean, the more so the more the times vary.
   */
  readonly #devices = new Map<string, CostCurve>();
  /** What {@linkcode slowest} has answered since the last measurement, by rows. */
  readonly #slowest = new Map<number, number>();
  readonly #sum: CostCurve;
  /** How long lanes take to come back. */
  readonly returns = new LaneReturns();
  /** Frames that were sent with so many lanes, by bucket. */
  readonly #tries = new Map<number, number>();
  /** Times of frames of few rows between stages, and of frames of many. */
  readonly #few = new ShortestTime();
  readonly #many = new ShortestTime();
  /** When the last frame had run at each stage, by that stage's clock. */
  readonly #ended = new Map<number, number>();
  /** See {@linkcode foreignMs}. */
  #foreignMs = 0;
  /** Milliseconds of moving one row at the slowest stage; undefined: not measured. */
  #moveRowMs?: number;
  /** Measurements of frames and trials. */
  #changes = 0;

  readonly #shardStages: readonly (number | undefined)[];

  /**
   * @param stages Number of stages.
   * @param shardStages For each shard of the LM head, the index of the stage on the same device.
   */
  constructor(stages: number, shardStages: readonly (number | undefined)[] = []) {
    this.#shardStages = shardStages;
    this.#sum = new CostCurve((rows) => stages * prior(rows));
  }

  /**
   * Milliseconds that a frame of `rows` rows spends between stages: on links, in mailboxes and
   * being encoded, but not waiting for a busy stage. It is the shortest time of the last frames,
   * since frames that wait for a full link must not count. Where no frame of this size was
   * measured, those of another size; undefined: no frame was measured.
   */
  transitMs(rows: number): number | undefined {
    return rows <= FEW_ROWS ? this.#few.ms ?? this.#many.ms : this.#many.ms ?? this.#few.ms;
  }

  /**
   * Takes in that a frame came back `tripMs` milliseconds after it was handed to the first stage.
   * `trace`: of all stages and all shards of the LM head.
   */
  measure(rows: number, tripMs: number, trace: readonly StageTrace[]): void {
    if (trace.length === 0) return;
    this.#changes++;
    this.#waited(trace);
    const way = longestPath(trace);
    for (const [device, ms] of deviceTimes(trace, this.#shardStages)) {
      let curve = this.#devices.get(device);
      if (!curve) this.#devices.set(device, curve = new CostCurve(prior));
      curve.measure(rows, ms);
    }
    this.#slowest.clear();
    this.#sum.measure(rows, way.reduce((n, t) => n + busyOf(t), 0));
    const inside = way.reduce((n, t) => n + t.ended - t.received, 0);
    const transit = Math.max(0, tripMs - inside);
    (rows <= FEW_ROWS ? this.#few : this.#many).measure(transit);
  }

  /**
   * Mean milliseconds that a frame waits at a stage for frames of other arbiters: from when it has
   * come, and the frame before it has run, until it begins.
   */
  get foreignMs(): number {
    return this.#foreignMs;
  }

  #waited(trace: readonly StageTrace[]): void {
    let most = 0;
    for (const { stage, received, began, ended } of trace) {
      const before = this.#ended.get(stage) ?? -Infinity;
      most = Math.max(most, began - Math.max(received, before));
      this.#ended.set(stage, ended);
    }
    this.#foreignMs += NEWEST * (most - this.#foreignMs);
  }

  /** Grows whenever what this object says may have changed, but for `moveRowMs`. */
  get version(): number {
    return this.#changes + this.returns.measurements;
  }

  /** Takes in that a frame with the rows of `lanes` lanes is sent. */
  tried(lanes: number): void {
    if (this.untried(lanes)) this.#changes++;
    const bucket = bucketOf(lanes);
    this.#tries.set(bucket, (this.#tries.get(bucket) ?? 0) + 1);
  }

  /** Frames of so many lanes have hardly been sent yet: what they cost is a guess. */
  untried(lanes: number): boolean {
    return (this.#tries.get(bucketOf(lanes)) ?? 0) < TRIES;
  }

  /** Takes in that the frame of a layout that moved `rows` rows came back. */
  measureLayout(rows: number, trace: readonly StageTrace[]): void {
    if (rows === 0 || trace.length === 0) return;
    // A layout has costs besides moving rows, and may wait for a processor: a few rows must not
    // seem to have cost all of that.
    const ms = Math.max(...trace.map((t) => t.layout_ms ?? 0)) / Math.max(rows, MOVED_ROWS);
    this.#moveRowMs = (this.#moveRowMs ?? ms) + NEWEST * (ms - (this.#moveRowMs ?? ms));
  }

  /** Milliseconds that the slowest stage takes to move one row in a layout. */
  get moveRowMs(): number {
    return this.#moveRowMs ?? PRIOR_MOVE_MS;
  }

  /** Milliseconds that the slowest device takes for a frame of `rows` rows. */
  slowest(rows: number): number {
    let ms = this.#slowest.get(rows);
    if (ms === undefined) {
      ms = this.#devices.size === 0 ? prior(rows) : 0;
      for (const curve of this.#devices.values()) ms = Math.max(ms, curve.at(rows));
      this.#slowest.set(rows, ms);
    }
    return ms;
  }

  /** Milliseconds that all stages take, one after the other, for a frame of `rows` rows. */
  sum(rows: number): number {
    return this.#sum.at(rows);
  }
}

/** Guessed milliseconds of a frame of `rows` rows at a stage. */
const prior = (rows: number) => PRIOR_MS * (1 + PRIOR_ROW * (rows - 1));

/** The shortest of the last times: of those of this epoch and the one before. */
class ShortestTime {
  #before = Infinity;
  #now = Infinity;
  #count = 0;

  /** undefined: none was measured. */
  get ms(): number | undefined {
    const ms = Math.min(this.#before, this.#now);
    return ms === Infinity ? undefined : ms;
  }

  measure(ms: number): void {
    if (this.#count++ % EPOCH === 0) {
      this.#before = this.#now;
      this.#now = Infinity;
    }
    this.#now = Math.min(this.#now, ms);
  }
}
