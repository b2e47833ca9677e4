/**
 * A stage engine that computes a toy model in integers and virtual time: what a row becomes depends
 * on every ancestor's row in every layer, so that a wrong slot, parent, order or split changes the
 * tokens. It is strict: rows that hang on nothing, a layout that keeps what was never written, and
 * samplers that nobody announced are errors.
 *
 * @module
 */
import {
  type ArenaLayout,
  asFloat32,
  CANDIDATE_LIMITS,
  type Clock,
  type Frame,
  fromFloat32,
  type HeadEngine,
  type HeadInfo,
  type HeadOutput,
  type HeadPartial,
  type HeadRow,
  type HeadTokens,
  isAllowed,
  KnownMasks,
  LATE_MASK,
  type LateRow,
  OrreryError,
  packPartials,
  type Sampling,
  samplingSchema,
  type StageEngine,
  type StageInfo,
  type StageOutput,
  type Tensor,
} from "../../actors/mod.ts";

import { isWindowed, ToyNear } from "./toy_near.ts";

/** Vocabulary of the toy model. */
export const TOY_VOCAB = 251;

const UNWRITTEN = -2;

interface ToyArena {
  /** First slot of the shelf; the capacity, if there is no shelf. */
  shelf: number;
  capacity: number;
  /** Slot of each row's parent, -1 for a root, -2 where no row stands. */
  parents: Int32Array;
  /** Position of each slot's row. */
  positions: Int32Array;
  /** What windowed layers keep; undefined: all rows. */
  near?: ToyNear;
  /** By layer: the value of each slot's row at the layer's input. */
  rows: Map<number, Int32Array>;
  samplers: Map<number, { sampling: Sampling; prompt_rows: number; hidden?: boolean }>;
  masks: KnownMasks;
}

/** Options of a {@linkcode ToyEngine}. */
export interface ToyOptions {
  /** Rows that all arenas together may hold. @default no bound */
  budgetRows?: number;
  /**
   * Virtual milliseconds of a frame with so many rows that begins at `now` (virtual milliseconds).
   * @default msPerRow * rows
   */
  frameMs?: (rows: number, now: number) => number;
  /** Shards of the head, where the last stage does not have it. */
  head?: HeadTokens[];
  /**
   * The token after these, from the first row on, of an engine that has all layers and no shards.
   * @default the toy's own
   */
  next?: (tokens: number[]) => number;
  /** Positions that a row of a windowed layer attends to. @default no layer has a window */
  window?: number;
  /** Tokens of the vocabulary. @default {@linkcode TOY_VOCAB} */
  vocab?: number;
}

const mix = (a: number, b: number) => Math.imul(a ^ (b + 0x9e37), 0x85ebca6b) >>> 12;

/** See the module's text. */
export class ToyEngine implements StageEngine {
  readonly info: StageInfo;
  /** Open arenas by name. */
  readonly arenas = new Map<string, ToyArena>();
  /** Number of frames that ran. */
  frames = 0;
  /** Number of rows in these frames. */
  rows = 0;
  /** Number of layouts that moved or dropped rows. */
  compactions = 0;
  disposed = false;
  /** Set to make the next frame fail. */
  failNext?: OrreryError;
  /** Set to true to let frames vanish, as when the engine hangs. */
  hang = false;
  /** Rows that all arenas together may hold. */
  budgetRows: number;
  readonly #clock: Clock;
  readonly #frameMs: (rows: number, now: number) => number;
  readonly #next?: (tokens: number[]) => number;
  readonly #window?: number;
  /** Most rows that windowed layers had room for. */
  mostNear = 0;

  constructor(
    clock: Clock,
    range: { first: number; last: number; layers: number },
    msPerRow = 1,
    options: ToyOptions = {},
  ) {
    this.#clock = clock;
    this.#frameMs = options.frameMs ?? ((rows) => msPerRow * rows);
    this.#next = options.next;
    this.#window = options.window;
    this.budgetRows = options.budgetRows ?? Infinity;
    this.info = {
      firstLayer: range.first,
      lastLayer: range.last,
      layers: range.layers,
      hidden: 1,
      vocab: options.vocab ?? TOY_VOCAB,
      context: 4096,
      kvBytesPerRow: 8,
      ...(options.head && range.last === range.layers - 1 && { head: options.head }),
    };
  }

  layout(name: string, layout: ArenaLayout): Promise<void> {
    return Promise.resolve().then(() => this.#layout(name, layout));
  }

  #layout(
    name: string,
    { capacity, keep, shelf: away = new Int32Array(0), near: stated }: ArenaLayout,
  ): void {
    const old = this.arenas.get(name);
    const kept = keep.length + away.length;
    const shelf = capacity - away.length;
    if (!old && kept > 0) throw toyError("no_arena", `no arena ${name} to keep rows of`);
    if (kept > capacity) throw toyError("bad_frame", `${kept} rows kept of ${capacity}`);
    // A row takes half as much in the windowed layers, of which the near slots are, as in all.
    const taken = (slots: number, near = slots) => this.#window ? (slots + near) / 2 : slots;
    const others = [...this.arenas].reduce(
      (n, [other, a]) => n + (other === name ? 0 : taken(a.capacity, a.near?.capacity)),
      0,
    );
    if (others + taken(capacity, (stated ?? old?.near)?.capacity) > this.budgetRows) {
      throw toyError("arena_memory", `an arena of ${capacity} rows does not fit`, {
        bytes: capacity * this.info.kvBytesPerRow,
        budget: this.budgetRows * this.info.kvBytesPerRow,
        used: others * this.info.kvBytesPerRow,
      });
    }
    const moved = new Map([[-1, -1]]);
    const orphan = (slot: number) => !moved.has(old!.parents[slot]);
    const lost = (slot: number) =>
      toyError("bad_frame", `slot ${slot} is kept, its parent ${old!.parents[slot]} is not`);
    const named = (slot: number) => slot < 0 ? slot + old!.capacity : slot;
    const move = (from: number, to: number) => {
      if (from >= old!.capacity || old!.parents[from] === UNWRITTEN) {
        throw toyError("bad_frame", `slot ${from} is kept, but no row stands there`);
      }
      if (moved.has(from)) throw toyError("bad_frame", `slot ${from} is kept twice`);
      moved.set(from, to);
    };
    for (const [to, from] of [...keep].map(named).entries()) {
      move(from, to);
      if (orphan(from)) throw lost(from);
    }
    for (const [i, from] of away.entries()) move(named(from), shelf + i);
    for (const from of [...away].map(named)) if (orphan(from)) throw lost(from);
    moved.delete(-1);
    if ([...moved].some(([from, to]) => from !== to)) this.compactions++;
    const parents = new Int32Array(capacity).fill(UNWRITTEN);
    for (const [from, to] of moved) parents[to] = moved.get(old!.parents[from]) ?? -1;
    const positions = new Int32Array(capacity);
    for (const [from, to] of moved) positions[to] = old!.positions[from];
    const limited = old ? old.near : stated && this.#window && new ToyNear(stated.capacity);
    const near = limited ? limited.moved(moved, stated) : undefined;
    if (near) this.mostNear = Math.max(this.mostNear, near.capacity);
    const rows = new Map<number, Int32Array>();
    for (let l = this.info.firstLayer; l <= this.info.lastLayer; l++) {
      const layer = new Int32Array(capacity);
      for (const [from, to] of moved) layer[to] = old!.rows.get(l)![from];
      rows.set(l, layer);
    }
    this.arenas.set(name, {
      capacity,
      shelf,
      parents,
      positions,
      ...(near && { near }),
      rows,
      samplers: old?.samplers ?? new Map(),
      masks: old?.masks ?? new KnownMasks(),
    });
  }

  async run(frame: Frame): Promise<StageOutput> {
    this.frames++;
    const rows = frame.tokens.length;
    this.rows += rows;
    if (this.hang) await new Promise(() => {});
    const computeMs = this.#frameMs(rows, this.#clock.now());
    await new Promise<void>((resolve) => this.#clock.after(computeMs, resolve));
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure) throw failure;
    const arena = this.arenas.get(frame.arena);
    if (!arena) throw toyError("no_arena", `no arena ${frame.arena}`);
    if (frame.base + rows > arena.shelf) {
      throw toyError(
        "arena_full",
        `arena of ${arena.shelf} rows cannot take ${frame.base + rows}`,
        {
          capacity: arena.shelf,
          needed: frame.base + rows,
        },
      );
    }
    for (const { id, ...sampler } of [...frame.samplers ?? [], ...frame.strict_samplers ?? []]) {
      arena.samplers.set(id, sampler);
    }
    const problem = arena.masks.note(frame, this.info.vocab);
    if (problem !== undefined) throw toyError("bad_frame", problem);
    for (const [i, parent] of frame.parents.entries()) {
      const known = parent === -1 || parent >= frame.base || arena.parents[parent] !== UNWRITTEN;
      if (parent >= frame.base + i || !known) {
        throw toyError(
          "bad_frame",
          `row ${i} of frame ${frame.seq} hangs on slot ${parent}, which holds nothing`,
        );
      }
      arena.parents[frame.base + i] = parent;
      arena.positions[frame.base + i] = frame.positions[i];
    }
    arena.near?.place(frame.base, rows, frame.near_base);
    let state = frame.hidden
      ? Int32Array.from(asFloat32(frame.hidden))
      : Int32Array.from(frame.tokens);
    for (let l = this.info.firstLayer; l <= this.info.lastLayer; l++) {
      arena.rows.get(l)!.set(state, frame.base);
      state.forEach((value, i) => arena.near?.set(l, frame.base + i, value));
      state = state.map((_, i) => this.#attend(arena, l, frame.base + i, frame.positions[i]));
    }
    if (this.info.lastLayer < this.info.layers - 1) {
      return {
        kind: "hidden" as const,
        hidden: fromFloat32([rows, 1], Float32Array.from(state)),
        computeMs,
      };
    }
    const stated = (i: number) => arena.samplers.get(frame.want_samplers[i])?.hidden ?? false;
    if (this.info.head) {
      const [states, scored]: number[][] = [[], []];
      for (const i of frame.want.keys()) (stated(i) ? states : scored).push(i);
      const normed = Float32Array.from(scored, (i) => state[frame.want[i]]);
      const rows = scored.map((i) => ({ position: frame.positions[frame.want[i]] + 1 }));
      const results = states.map((i) => ({
        slot: frame.base + frame.want[i],
        token: 0,
        hidden: Float32Array.of(state[frame.want[i]]),
      }));
      return {
        kind: "normed" as const,
        normed: fromFloat32([scored.length, 1], normed),
        rows,
        computeMs,
        ...(states.length > 0 && { states: { wanted: states, results } }),
      };
    }
    const late: LateRow[] = [];
    const tokens = Array.from(frame.want, (w, i) => {
      const slot = frame.base + w;
      if (stated(i)) return { slot, token: 0, hidden: Float32Array.of(state[w]) };
      const sampler = arena.samplers.get(frame.want_samplers[i]);
      if (!sampler) {
        throw toyError(
          "bad_frame",
          `row ${w} names sampler ${frame.want_samplers[i]}, which is not known`,
        );
      }
      const { sampling, prompt_rows } = sampler;
      const plain = this.#next?.(this.#path(arena, frame.base + w)) ?? state[w];
      // Its penalty counts the tokens of the answer so far.
      const own = sampling.frequency_penalty === 0
        ? plain
        : mix(plain, this.#depth(arena, frame.base + w) - prompt_rows);
      const drawn = sampling.temperature > 0 && !this.#next ? mix(own, sampling.seed) : own;
      const given = frame.want_given?.[i] ?? -1;
      if (given >= 0) return { slot, token: given, logprob: -(drawn + given) / 1000 };
      const id = frame.want_masks?.[i] ?? -1;
      const choose = (mask?: Int32Array) => {
        const token = toyChoice(drawn, mask, this.info.vocab);
        const failed = { code: "no_token_left", message: "the mask refuses every token" };
        return {
          slot,
          token: token ?? 0,
          ...(token === undefined && { failed }),
          ...(sampling.logprobs && { logprob: -(drawn % 4096) / 1000 }),
        };
      };
      if (id === LATE_MASK) {
        late.push({ row: i, choose });
        return { slot, token: 0 };
      }
      const mask = id < 0 ? undefined : arena.masks.get(id);
      if (id >= 0 && !mask) {
        throw toyError("bad_frame", `row ${w} names mask ${id}, which is not known`);
      }
      return choose(mask);
    });
    for (const id of frame.drop_samplers ?? []) arena.samplers.delete(id);
    return { kind: "tokens" as const, tokens, computeMs, ...(late.length > 0 && { late }) };
  }

  #attend(arena: ToyArena, layer: number, slot: number, position: number): number {
    let value = position;
    const windowed = this.#window !== undefined && isWindowed(layer);
    for (let s = slot; s >= 0; s = arena.parents[s]) {
      if (windowed && arena.positions[s] <= position - this.#window!) break;
      const near = windowed ? arena.near : undefined;
      value = mix(value, near?.get(layer, s) ?? arena.rows.get(layer)![s]);
    }
    return value;
  }

  /** Rows from the first one to the one in `slot`. */
  #depth(arena: ToyArena, slot: number): number {
    let depth = 0;
    for (let s = slot; s >= 0; s = arena.parents[s]) depth++;
    return depth;
  }

  /** The tokens from the first row to the one in `slot`. */
  #path(arena: ToyArena, slot: number): number[] {
    const tokens: number[] = [];
    for (let s = slot; s >= 0; s = arena.parents[s]) tokens.push(arena.rows.get(0)![s]);
    return tokens.reverse();
  }

  close(arena: string): Promise<void> {
    this.arenas.delete(arena);
    return Promise.resolve();
  }

  stats() {
    return Promise.resolve({
      arenas: this.arenas.size,
      arenaBytes: 0,
      frames: this.frames,
      rows: this.rows,
      busyMs: 0,
    });
  }

  dispose(): Promise<void> {
    this.disposed = true;
    return Promise.resolve();
  }
}

/** The toy's token: the one that is drawn, or the next one after it that the mask allows. */
export function toyChoice(
  drawn: number,
  mask?: Int32Array,
  vocab = TOY_VOCAB,
): number | undefined {
  for (let i = 0; i < vocab; i++) {
    const token = (drawn + i) % vocab;
    if (!mask || isAllowed(mask, token)) return token;
  }
  return undefined;
}

/**
 * A shard of the toy model's head: one part. The toy's token has the largest logit, and those after it
 * less and less. It chooses greedily, and lists what is lacking when it is asked.
 */
export class ToyHead implements HeadEngine {
  readonly info: HeadInfo;
  /** How often it ran. */
  runs = 0;
  /** Set to make the next run fail. */
  failNext?: OrreryError;
  /** Set to true to let rows vanish, as when the engine hangs. */
  hang = false;
  /** Set to true to list less than it says to have, at first: the arbiter then asks for more. */
  shy = false;
  disposed = false;
  readonly #clock: Clock;
  readonly #tokens: HeadTokens;
  readonly #ms: number;

  constructor(clock: Clock, tokens: HeadTokens, ms = 1) {
    this.#clock = clock;
    this.#tokens = tokens;
    this.info = { parts: 1, vocab: TOY_VOCAB, tokens: tokens.tokens, hidden: 1 };
    this.#ms = ms;
  }

  async run(
    { normed, rows, limit }: { normed: Tensor; rows: HeadRow[]; limit: number },
  ): Promise<HeadOutput> {
    this.runs++;
    if (this.hang) await new Promise(() => {});
    await new Promise<void>((resolve) => this.#clock.after(this.#ms, resolve));
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure) throw failure;
    const states = asFloat32(normed);
    const { first, tokens } = this.#tokens;
    const partials = rows.map(({ row, sampling, allowed }): HeadPartial => {
      const drawn = sampling.temperature > 0 ? mix(states[row], sampling.seed) : states[row];
      const own = drawn % TOY_VOCAB;
      const has = own >= first && own < first + tokens;
      // The token of the shard that comes first from the drawn one on. No random number of the
      // arbiter outweighs the logits: the toy draws by its own rule.
      const distance = (token: number) => (token - own + TOY_VOCAB) % TOY_VOCAB;
      const listed = Array.from({ length: tokens }, (_, i) => first + i)
        .filter((token) => !allowed || isAllowed(allowed, token - first))
        .sort((a, b) => distance(a) - distance(b)).slice(0, 1);
      const shy = this.shy && limit === CANDIDATE_LIMITS[0];
      const none = new Float32Array(0);
      return {
        tokens: Int32Array.from(listed),
        logits: Float32Array.from(listed, (token) => -1e4 * distance(token)),
        own: none,
        // It lists the one token of two that it says to have.
        count: listed.length + (shy && has ? 1 : 0),
        sum: 0,
        ownMax: 0,
        ownSum: 0,
        topTokens: new Int32Array(0),
        topLogits: none,
      };
    });
    return { partials: packPartials(partials), failed: [], more: this.shy, computeMs: this.#ms };
  }

  dispose(): Promise<void> {
    this.disposed = true;
    return Promise.resolve();
  }
}

function toyError(
  code: string,
  message: string,
  metadata: Record<string, unknown> = {},
): OrreryError {
  return new OrreryError({ group: "engine", code, message, metadata });
}

/**
 * The toy model's tokens after a prompt (greedy unless told): all layers in one engine, the whole
 * prompt in one frame.
 */
export async function toyAnswer(
  prompt: Int32Array,
  count: number,
  layers: number,
  sampling: Sampling = samplingSchema.parse({}),
  window?: number,
): Promise<number[]> {
  const clock: Clock = { now: () => 0, after: (_ms, fn) => (queueMicrotask(fn), () => {}) };
  const engine = new ToyEngine(clock, { first: 0, last: layers - 1, layers }, 0, { window });
  await engine.layout("a", { capacity: prompt.length + count, keep: new Int32Array(0) });
  const answer: number[] = [];
  for (
    let base = 0, tokens = prompt;
    answer.length < count;
    base += tokens.length, tokens = Int32Array.of(answer.at(-1)!)
  ) {
    const output = await engine.run({
      arena: "a",
      seq: 0,
      ...(base === 0 && { samplers: [{ id: 0, sampling, prompt_rows: prompt.length }] }),
      base,
      tokens: Int32Array.from(tokens),
      positions: Int32Array.from(tokens, (_, i) => base + i),
      parents: Int32Array.from(tokens, (_, i) => base + i - 1),
      want: Int32Array.of(tokens.length - 1),
      want_samplers: Int32Array.of(0),
    });
    if (output.kind === "tokens") answer.push(output.tokens[0].token);
  }
  return answer;
}
