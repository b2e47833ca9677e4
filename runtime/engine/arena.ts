/**
 * KV arenas: the memory of rows in one stage.
 *
 * @module
 */
import type { ArenaLayout, Sampling } from "../../actors/pipeline/mod.ts";
import { kvNames } from "../../models/graph/contract.ts";
import { engineError } from "./errors.ts";
import { Tensor, type Tensors } from "./ort.ts";
import { type Move, moves, Slots } from "./slots.ts";

/** What one row needs in a stage. */
export interface ArenaShape {
  firstLayer: number;
  /** Inclusive. */
  lastLayer: number;
  kvHeads: number;
  headDim: number;
}

/** How a row's next token is chosen. */
export interface Sampler {
  sampling: Sampling;
  /** Rows before this position are the prompt. */
  promptRows: number;
}

/** Keys or values of one layer, f32 (1, kvHeads, capacity, headDim). */
interface Cache {
  /** Input of a session. */
  past: string;
  /** Output of a session, over the same buffer. */
  present: string;
  data: Float32Array<ArrayBuffer>;
}

/** Bytes of an arena: keys and values, f32 (kvHeads, capacity, headDim), of every layer. */
export function arenaBytes(shape: ArenaShape, capacity: number): number {
  return (shape.lastLayer - shape.firstLayer + 1) * 2 * shape.kvHeads * shape.headDim * capacity *
    4;
}

/**
 * The rows of one arena: its slots, the samplers that they may name, and keys and values of every
 * layer.
 */
export class Arena {
  /** By id. */
  readonly samplers = new Map<number, Sampler>();
  /** The KV inputs of a session; the caller adds the others of a frame. */
  readonly feeds: Tensors = {};
  /** The same buffers as KV outputs. */
  readonly fetches: Tensors = {};
  readonly #shape: ArenaShape;
  readonly #caches: Cache[] = [];
  #slots: Slots;

  /**
   * Allocates, all zeros: what a mask hides must still be a finite number, or it would poison a
   * softmax.
   */
  constructor(shape: ArenaShape, capacity: number) {
    this.#shape = shape;
    this.#slots = new Slots(capacity);
    const layers = Array.from(
      { length: shape.lastLayer - shape.firstLayer + 1 },
      (_, i) => kvNames(shape.firstLayer + i),
    );
    const names = layers.flatMap(({ pastKey, pastValue, presentKey, presentValue }) => [
      { past: pastKey, present: presentKey },
      { past: pastValue, present: presentValue },
    ]);
    const buffers = allocate(shape, capacity);
    names.forEach((name, i) => {
      this.#caches.push({ ...name, data: buffers[i] });
      this.#bind(i);
    });
  }

  /** Its rows and how they hang together. */
  get slots(): Slots {
    return this.#slots;
  }

  /** Bytes of keys and values. */
  get bytes(): number {
    return arenaBytes(this.#shape, this.#slots.capacity);
  }

  /**
   * Moves the kept rows to their slots in an arena of another size, or in this one. Throws
   * `bad_frame` for rows that cannot be kept, RangeError where memory cannot be had; the arena is
   * as it was then.
   */
  layout({ capacity, ...lists }: ArenaLayout): void {
    const keep = this.#slots.named(Int32Array.from(lists.keep));
    const shelf = this.#slots.named(Int32Array.from(lists.shelf ?? []));
    const slots = this.#slots.moved(capacity, keep, shelf);
    const order = [...moves(keep), ...moves(shelf, capacity - shelf.length)];
    if (capacity === this.#slots.capacity) {
      const away = order.filter(({ from, to }) => from !== to);
      for (const { data } of this.#caches) this.#shift(data, away);
    } else {
      // Memory that nobody has written takes none yet, so two copies of one layer are the most that
      // there is at a time.
      const fresh = allocate(this.#shape, capacity);
      this.#caches.forEach((cache, i) => {
        const old = cache.data;
        cache.data = fresh[i];
        this.#move(old, cache.data, order, capacity);
        this.#bind(i);
        old.buffer.transfer(0);
      });
    }
    this.#slots = slots;
  }

  /**
   * Which of `rows` slots from `base` on have a key or value in the last layer that is not finite:
   * indices.
   */
  damaged(base: number, rows: number): number[] {
    const found: number[] = [];
    const { headDim } = this.#shape;
    for (let row = 0; row < rows; row++) {
      // What is not finite in one layer is not finite in any later one: the last one tells for all.
      let sum = 0;
      for (const { data } of this.#caches.slice(-2)) {
        for (const at of this.#heads(base + row)) {
          for (let i = at; i < at + headDim; i++) sum += data[i];
        }
      }
      if (!Number.isFinite(sum)) found.push(row);
    }
    return found;
  }

  /** Makes keys and values of a slot zeros. */
  clear(slot: number): void {
    for (const { data } of this.#caches) {
      for (const at of this.#heads(slot)) data.fill(0, at, at + this.#shape.headDim);
    }
  }

  /** Gives the memory back now, not when the garbage collector comes by. */
  free(): void {
    for (const { past, data } of this.#caches) {
      this.feeds[past].release();
      data.buffer.transfer(0);
    }
  }

  /** Where a slot's elements begin, one number a head. */
  #heads(slot: number): number[] {
    const { kvHeads, headDim } = this.#shape;
    return Array.from(
      { length: kvHeads },
      (_, head) => (head * this.#slots.capacity + slot) * headDim,
    );
  }

  /** Copies rows from a cache into one of `capacity` rows. */
  #move(from: Float32Array, to: Float32Array, order: Move[], capacity: number): void {
    const { kvHeads, headDim } = this.#shape;
    for (let head = 0; head < kvHeads; head++) {
      const source = head * this.#slots.capacity;
      const target = head * capacity;
      for (const move of order) {
        const first = (source + move.from) * headDim;
        to.set(from.subarray(first, first + move.rows * headDim), (target + move.to) * headDim);
      }
    }
  }

  /**
   * Moves rows within a cache. They are taken out first, a head at a time: what moves up may meet
   * what moves down.
   */
  #shift(data: Float32Array, order: Move[]): void {
    const { kvHeads, headDim } = this.#shape;
    const taken = new Float32Array(order.reduce((n, { rows }) => n + rows, 0) * headDim);
    for (let head = 0; head < kvHeads; head++) {
      const start = head * this.#slots.capacity;
      let at = 0;
      for (const { from, rows } of order) {
        const first = (start + from) * headDim;
        taken.set(data.subarray(first, first + rows * headDim), at);
        at += rows * headDim;
      }
      at = 0;
      for (const { to, rows } of order) {
        data.set(taken.subarray(at, at + rows * headDim), (start + to) * headDim);
        at += rows * headDim;
      }
    }
  }

  #bind(index: number): void {
    const { past, present, data } = this.#caches[index];
    const { kvHeads, headDim } = this.#shape;
    this.feeds[past]?.release();
    const tensor = new Tensor("float32", data, [
      1,
      kvHeads,
      data.length / kvHeads / headDim,
      headDim,
    ]);
    this.feeds[past] = this.fetches[present] = tensor;
  }
}

/** Zeros for every layer's keys and values, in the order of layers. */
function allocate(shape: ArenaShape, capacity: number): Float32Array<ArrayBuffer>[] {
  const count = 2 * (shape.lastLayer - shape.firstLayer + 1);
  return Array.from(
    { length: count },
    () => new Float32Array(shape.kvHeads * capacity * shape.headDim),
  );
}

/** The open arenas of a stage and the memory that they may take together. */
export class Arenas {
  readonly #shape: ArenaShape;
  readonly #budget: number;
  readonly #arenas = new Map<string, Arena>();
  #bytes = 0;

  /** @param budget Bytes that all arenas together may take. */
  constructor(shape: ArenaShape, budget: number) {
    this.#shape = shape;
    this.#budget = budget;
  }

  /** Number of open arenas. */
  get count(): number {
    return this.#arenas.size;
  }

  /** Bytes that they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * See `StageEngine.layout`. Throws `no_arena`, `arena_memory`, `bad_frame`; nothing has changed
   * then.
   */
  layout(name: string, layout: ArenaLayout): void {
    const { capacity, keep, shelf } = layout;
    if (!(Number.isInteger(capacity) && capacity > 0)) {
      throw engineError("bad_frame", `arena ${name} cannot have ${capacity} rows`, {
        arena: name,
        capacity,
      });
    }
    const arena = this.#arenas.get(name);
    if (!arena && keep.length + (shelf?.length ?? 0) > 0) throw noArena(name);
    const bytes = arenaBytes(this.#shape, capacity);
    const others = this.#bytes - (arena?.bytes ?? 0);
    if (others + bytes > this.#budget) {
      throw engineError(
        "arena_memory",
        `an arena of ${capacity} rows takes ${bytes} bytes; ${others} of the ${this.#budget} bytes for arenas are ` +
          `in use by others`,
        { bytes, budget: this.#budget, used: others },
      );
    }
    try {
      if (arena) arena.layout(layout);
      else this.#arenas.set(name, new Arena(this.#shape, capacity));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw engineError(
        "arena_memory",
        `an arena of ${capacity} rows (${bytes} bytes) could not be allocated: ${cause.message}`,
        { bytes, budget: this.#budget, used: others },
        cause,
      );
    }
    this.#bytes = others + bytes;
  }

  /** An open arena. Throws `no_arena`. */
  get(name: string): Arena {
    const arena = this.#arenas.get(name);
    if (!arena) throw noArena(name);
    return arena;
  }

  /** Frees an arena if it is open. */
  close(name: string): void {
    const arena = this.#arenas.get(name);
    if (!arena) return;
    this.#arenas.delete(name);
    this.#bytes -= arena.bytes;
    arena.free();
  }

  /** Frees all. */
  clear(): void {
    for (const name of [...this.#arenas.keys()]) this.close(name);
  }
}

function noArena(name: string) {
  return engineError("no_arena", `arena ${name} is not open: never laid out, or closed`, {
    arena: name,
  });
}
