/**
 * A stage engine that computes a toy model in integers and virtual time: what a row becomes depends on every ancestor's row
 * in every layer, so that a wrong slot, parent, order or split changes the tokens.
 *
 * @module
 */
import {
  asFloat32,
  type Clock,
  type Frame,
  fromFloat32,
  OrreryError,
  samplingSchema,
  type StageEngine,
  type StageInfo,
} from "../actors/mod.ts";

/** Vocabulary of the toy model. */
export const TOY_VOCAB = 251;

interface ToyArena {
  capacity: number;
  parents: Int32Array;
  /** By layer, what each slot's row was on entering it. */
  rows: Map<number, Int32Array>;
}

const mix = (a: number, b: number) => Math.imul(a ^ (b + 0x9e37), 0x85ebca6b) >>> 12;

/** See the module's text. */
export class ToyEngine implements StageEngine {
  readonly info: StageInfo;
  /** Open arenas by request. */
  readonly arenas = new Map<string, ToyArena>();
  /** Frames run. */
  frames = 0;
  disposed = false;
  /** Set to make the next frame fail. */
  failNext?: OrreryError;
  /** Set to let frames vanish: the engine hangs. */
  hang = false;
  readonly #clock: Clock;
  readonly #msPerRow: number;

  constructor(clock: Clock, range: { first: number; last: number; layers: number }, msPerRow = 1) {
    this.#clock = clock;
    this.#msPerRow = msPerRow;
    this.info = {
      firstLayer: range.first,
      lastLayer: range.last,
      layers: range.layers,
      hidden: 1,
      vocab: TOY_VOCAB,
      context: 4096,
      kvBytesPerRow: 8,
    };
  }

  open(request: string, { capacity }: NonNullable<Frame["open"]>): Promise<void> {
    const rows = new Map<number, Int32Array>();
    for (let l = this.info.firstLayer; l <= this.info.lastLayer; l++) rows.set(l, new Int32Array(capacity));
    this.arenas.set(request, { capacity, parents: new Int32Array(capacity), rows });
    return Promise.resolve();
  }

  async run(frame: Frame) {
    this.frames++;
    const rows = frame.tokens.length;
    if (this.hang) await new Promise(() => {});
    await new Promise<void>((resolve) => this.#clock.after(this.#msPerRow * rows, resolve));
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure) throw failure;
    const arena = this.arenas.get(frame.request);
    if (!arena) {
      throw new OrreryError({ group: "engine", code: "no_arena", message: `no arena for ${frame.request}` });
    }
    if (frame.base + rows > arena.capacity) {
      throw new OrreryError({
        group: "engine",
        code: "arena_full",
        message: `arena of ${arena.capacity} rows cannot take ${frame.base + rows}`,
        metadata: { capacity: arena.capacity, needed: frame.base + rows },
      });
    }
    arena.parents.set(frame.parents, frame.base);
    let state = frame.hidden ? Int32Array.from(asFloat32(frame.hidden)) : Int32Array.from(frame.tokens);
    for (let l = this.info.firstLayer; l <= this.info.lastLayer; l++) {
      arena.rows.get(l)!.set(state, frame.base);
      state = state.map((_, i) => this.#attend(arena, l, frame.base + i, frame.positions[i]));
    }
    const computeMs = this.#msPerRow * rows;
    if (this.info.lastLayer < this.info.layers - 1) {
      return { kind: "hidden" as const, hidden: fromFloat32([rows, 1], Float32Array.from(state)), computeMs };
    }
    const tokens = Array.from(frame.want, (w) => ({ slot: frame.base + w, token: state[w] % TOY_VOCAB }));
    return { kind: "tokens" as const, tokens, computeMs };
  }

  #attend(arena: ToyArena, layer: number, slot: number, position: number): number {
    let value = position;
    for (let s = slot; s >= 0; s = arena.parents[s]) value = mix(value, arena.rows.get(layer)![s]);
    return value;
  }

  close(request: string): Promise<void> {
    this.arenas.delete(request);
    return Promise.resolve();
  }

  stats() {
    return Promise.resolve({
      arenas: this.arenas.size,
      arenaBytes: 0,
      frames: this.frames,
      rows: 0,
      busyMs: 0,
    });
  }

  dispose(): Promise<void> {
    this.disposed = true;
    return Promise.resolve();
  }
}

/** The toy model's greedy tokens after a prompt: all layers in one engine, the whole prompt in one frame. */
export async function toyAnswer(
  prompt: Int32Array<ArrayBuffer>,
  count: number,
  layers: number,
): Promise<number[]> {
  const clock: Clock = { now: () => 0, after: (_ms, fn) => (queueMicrotask(fn), () => {}) };
  const engine = new ToyEngine(clock, { first: 0, last: layers - 1, layers }, 0);
  await engine.open("r", {
    capacity: prompt.length + count,
    sampling: samplingSchema.parse({}),
    prompt_rows: 0,
    reply_to: "",
  });
  const answer: number[] = [];
  for (
    let base = 0, tokens = prompt;
    answer.length < count;
    base += tokens.length, tokens = Int32Array.of(answer.at(-1)!)
  ) {
    const output = await engine.run({
      request: "r",
      seq: 0,
      base,
      tokens,
      positions: Int32Array.from(tokens, (_, i) => base + i),
      parents: Int32Array.from(tokens, (_, i) => base + i - 1),
      want: Int32Array.of(tokens.length - 1),
    });
    if (output.kind === "tokens") answer.push(output.tokens[0].token);
  }
  return answer;
}
