/**
 * Timing stages of one model against each other.
 *
 * A repeat is a run of frames; stages that are compared take turns, so that whatever slows the
 * machine for a while slows both.
 *
 * @module
 */
import { fromFloat32, samplingSchema, type StageEngine } from "../../actors/mod.ts";
import type { Pace } from "./pace.ts";
import { median, type Paired } from "./tables.ts";

/** How thoroughly to measure. */
export interface Effort {
  /** Rows of a frame, ascending. */
  rows: number[];
  /** Rows before it, ascending. */
  past: number[];
  /** Rows whose token is wanted, ascending. */
  wanted: number[];
  /** Least repeats of a point; up to three times as many while they scatter. */
  repeats: number;
  /** A repeat is of so many milliseconds, or of one frame that takes longer. */
  repeatMs: number;
  /** Repeats beyond the least are made until measuring has taken so many seconds. */
  patienceS: number;
  /** Larger frames are left out once measuring has taken so many seconds. */
  budgetS: number;
}

const MAX_FRAMES = 64;
/** Fewest frames of a repeat where they have one row: all of decoding is made of them. */
const MIN_STEPS = 5;
const SAMPLER = { id: 0, sampling: samplingSchema.parse({}), prompt_rows: 0 };

/** A loaded stage and what its frames need. */
export class Bench {
  readonly #engine: StageEngine;
  readonly #signal: AbortSignal;
  readonly #pace: Pace;
  readonly #template: Float32Array;
  #seq = 0;
  /** Seconds by which the way to the worker and back exceeded the computing, frame by frame. */
  readonly overheads: number[] = [];

  constructor(engine: StageEngine, { maxRows, pace, signal }: {
    /** Rows of the largest frame. */
    maxRows: number;
    pace: Pace;
    signal: AbortSignal;
  }) {
    this.#engine = engine;
    this.#signal = signal;
    this.#pace = pace;
    // Some numbers of the size of hidden states; the same in every frame.
    this.#template = Float32Array.from(
      { length: maxRows * engine.info.hidden },
      (_, i) => Math.sin(i * 1.7),
    );
  }

  /**
   * Opens an arena with room for `rows` rows behind `past` empty slots. Those cost as much as
   * filled ones: attention goes over every slot and a mask hides what a row must not see (the same
   * times with a filled arena, to 3 %).
   */
  async open(past: number, rows: number): Promise<void> {
    const layout = { capacity: past + rows, keep: new Int32Array(0) };
    await this.#engine.layout(`past ${past}`, layout, this.#signal);
  }

  /**
   * Seconds (see {@linkcode Pace}) of one frame of `rows` rows over `past`, the mean of `frames`;
   * the last `wanted` rows get tokens.
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
      parents: slots.map((slot) => slot === base ? -1 : slot - 1),
      want,
      want_samplers: want.map(() => SAMPLER.id),
      ...(last ? { samplers: [SAMPLER] } : {}),
      ...(firstLayer > 0 ? { hidden: fromFloat32([rows, hidden], elements) } : {}),
    }, this.#signal);
    if (rows === 1) this.overheads.push((performance.now() - start - computeMs) / 1000);
    return computeMs / 1000;
  }
}

/** A point of {@linkcode compare}. */
export interface Point {
  rows: number;
  past: number;
  /** @default 0 */
  wanted?: number;
}

/** Seconds of a frame on both stages, taking turns. */
export async function compare(
  { plain, more, point }: { plain: Bench; more: Bench; point: Point },
  { repeats, repeatMs, patienceS }: Effort,
  /** `performance.now()` when measuring began. */
  started: number,
): Promise<Paired> {
  const { rows, past } = point;
  const frames = async (bench: Bench) => {
    await bench.repeat(point, 1); // the first of its size allocates
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
 * Do the differences lie more than 4 % of the times around their median (median of the distances)?
 */
function scatters({ plain, more }: Paired): boolean {
  const differences = more.map((m, i) => m - plain[i]);
  const middle = median(differences);
  const scatter = median(differences.map((d) => Math.abs(d - middle)));
  return scatter > 0.04 * Math.max(median(more), middle);
}
