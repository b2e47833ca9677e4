/**
 * Times two stages of a model against each other.
 *
 * A repeat is a series of frames. The two stages take turns, repeat by repeat, so that whatever
 * slows the machine for a while slows both.
 *
 * @module
 */
import { fromFloat32, samplingSchema, type StageEngine } from "../../actors/mod.ts";
import type { CpuPace } from "./cpu_pace.ts";
import { median, type Paired } from "./tables.ts";

/** How thoroughly to measure. */
export interface MeasuringEffort {
  /** Row counts of frames, ascending. */
  rows: number[];
  /** Counts of slots before a frame's first row, ascending. */
  past: number[];
  /** Counts of rows whose token is wanted, ascending. */
  wanted: number[];
  /** Fewest repeats of a point; up to three times as many are made while the times scatter. */
  repeats: number;
  /** Length of a repeat in milliseconds; a repeat has one frame at least, however long it takes. */
  repeatMs: number;
  /** Seconds since the start after which no repeats beyond the fewest are made. */
  patienceS: number;
  /** Seconds since the start after which larger frames are left out. */
  budgetS: number;
}

/** Most frames of a repeat. */
const MAX_FRAMES = 64;
/** Fewest frames of a repeat of one-row frames, which matter most: decoding consists of them. */
const MIN_STEPS = 5;
/** Times scatter if their differences lie more than this share of them around their median. */
const SCATTER = 0.04;
const SAMPLER = { id: 0, sampling: samplingSchema.parse({}), prompt_rows: 0 };

/** A loaded stage that runs made-up frames and times them. */
export class Bench {
  readonly #engine: StageEngine;
  readonly #signal: AbortSignal;
  readonly #pace: CpuPace;
  /** Hidden states for the frames, f32 (maxRows, hidden). */
  readonly #template: Float32Array;
  #seq = 0;
  /** For each one-row frame, the seconds that its call took beyond the engine's own time. */
  readonly overheads: number[] = [];

  constructor(engine: StageEngine, { maxRows, pace, signal }: {
    /** Rows of the largest frame. */
    maxRows: number;
    pace: CpuPace;
    signal: AbortSignal;
  }) {
    this.#engine = engine;
    this.#signal = signal;
    this.#pace = pace;
    // Numbers of the usual size of hidden states. Every frame gets the same.
    this.#template = Float32Array.from(
      { length: maxRows * engine.info.hidden },
      (_, i) => Math.sin(i * 1.7),
    );
  }

  /**
   * Opens an arena with room for `rows` rows behind `past` slots, of which only the first holds a
   * row. Empty slots behind a row that is attended to cost as much as filled ones, since attention
   * goes over every slot from there on and the mask hides some (measured: the same times as with a
   * filled arena, to 3 %).
   */
  async open(past: number, rows: number): Promise<void> {
    const layout = { capacity: past + rows, keep: new Int32Array(0) };
    await this.#engine.layout(`past ${past}`, layout, this.#signal);
    if (past > 0) await this.#frame(past, 0, 1, 0);
  }

  /**
   * Mean seconds (see {@linkcode CpuPace}) of `frames` frames of `rows` rows behind `past` slots.
   * In the last stage the tokens of the last `wanted` rows are wanted.
   */
  async repeat(
    { rows, past, wanted = 0 }: { rows: number; past: number; wanted?: number },
    frames: number,
  ): Promise<number> {
    const total = await this.#pace.time(async () => {
      let computed = 0;
      for (let i = 0; i < frames; i++) computed += await this.#frame(past, past, rows, wanted);
      return computed;
    });
    return total / frames;
  }

  /** Runs one frame; returns the seconds of the engine's own time. */
  async #frame(arena: number, base: number, rows: number, wanted: number): Promise<number> {
    const { firstLayer, lastLayer, layers, hidden, vocab } = this.#engine.info;
    const slots = Int32Array.from({ length: rows }, (_, i) => base + i);
    const last = lastLayer === layers - 1;
    const want = Int32Array.from({ length: last ? wanted : 0 }, (_, i) => rows - wanted + i);
    const elements = this.#template.slice(0, rows * hidden);
    const start = performance.now();
    const { computeMs } = await this.#engine.run({
      arena: `past ${arena}`,
      seq: this.#seq++,
      base,
      tokens: slots.map((slot) => (slot * 7919) % vocab),
      positions: slots,
      parents: slots.map((slot) => slot > base ? slot - 1 : base > 0 ? 0 : -1),
      want,
      want_samplers: want.map(() => SAMPLER.id),
      ...(last ? { samplers: [SAMPLER] } : {}),
      ...(firstLayer > 0 ? { hidden: fromFloat32([rows, hidden], elements) } : {}),
    }, this.#signal);
    if (rows === 1) this.overheads.push((performance.now() - start - computeMs) / 1000);
    return computeMs / 1000;
  }
}

/** The frames that {@linkcode compare} measures. */
export interface Point {
  /** Rows of a frame. */
  rows: number;
  /** Slots of the arena before the first row. */
  past: number;
  /** Rows whose token is wanted. @default 0 */
  wanted?: number;
}

/** Measures the seconds of a frame on two stages, which take turns. */
export async function compare(
  { plain, more, point }: { plain: Bench; more: Bench; point: Point },
  { repeats, repeatMs, patienceS }: MeasuringEffort,
  /** `performance.now()` when the measurement of the profile began. */
  started: number,
): Promise<Paired> {
  const { rows, past } = point;
  const frames = async (bench: Bench) => {
    await bench.repeat(point, 1); // the first frame of a size allocates buffers
    const once = await bench.repeat(point, 1);
    const least = point.rows === 1 ? MIN_STEPS : 1;
    return Math.min(MAX_FRAMES, Math.max(least, Math.ceil(repeatMs / 1000 / once)));
  };
  const counts = { plain: await frames(plain), more: await frames(more) };
  const result: Paired = { rows, past, plain: [], more: [] };
  const patient = () => performance.now() - started < patienceS * 1000;
  const least = rows === 1 ? 2 * repeats - 1 : repeats;
  for (let i = 0; i < least || (i < 3 * repeats && patient() && scatters(result)); i++) {
    result.plain.push(await plain.repeat(point, counts.plain));
    result.more.push(await more.repeat(point, counts.more));
  }
  return result;
}

/**
 * true if the differences between the stages lie too far around their median, compared with the
 * times. The median of the distances counts.
 */
function scatters({ plain, more }: Paired): boolean {
  const differences = more.map((m, i) => m - plain[i]);
  const middle = median(differences);
  const scatter = median(differences.map((d) => Math.abs(d - middle)));
  return scatter > SCATTER * Math.max(median(more), middle);
}
