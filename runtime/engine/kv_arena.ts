/**
 * KV arenas: the memory of rows in one stage.
 *
 * @module
 */
import { type ArenaLayout, KnownMasks, type Sampling } from "../../actors/pipeline/mod.ts";
import type { RowCache, StageGraph } from "../../models/graph/contract.ts";
import { stateBytes } from "../../models/mod.ts";
import { OrtTensor, type OrtTensors } from "./ort.ts";
import { RecurrentStates } from "./recurrent_states.ts";
import { type Move, moves, Slots } from "./slots.ts";

/**
 * Slots at a multiple of which a view begins. A smaller step leaves out more of the slots of others
 * and makes more views, of which each takes a tensor a cache.
 */
const VIEW_STEP = 64;

/** Bytes of one f32 element. */
const F32_BYTES = 4;

/** The buffers of each layer of a stage: keys and values, or the rows of a convolution. */
export type ArenaShape = readonly (readonly RowCache[])[];

/** How a row's next token is chosen. */
export interface Sampler {
  /** Settings of the choice. */
  sampling: Sampling;
  /** Rows at positions below this one are the prompt. */
  promptRows: number;
  /** Nothing is chosen: the row's hidden state after the final norm is wanted. */
  hidden?: boolean;
}

/** The caches of an arena from some slot on, as a session takes them. */
export interface ArenaView {
  /** Slot of the arena that is the first one of the view. */
  first: number;
  /** The KV inputs of a session; the caller adds the other inputs of a frame. */
  feeds: OrtTensors;
  /** The KV outputs of a session: the same buffers as `feeds`, so rows are written in place. */
  fetches: OrtTensors;
}

/** A buffer of one layer, f32 (1, heads, capacity, dim). */
interface Cache extends RowCache {
  data: Float32Array<ArrayBuffer>;
}

/** The recurrent states of a stage; undefined: it has none. */
export type ArenaStates = StageGraph["recurrence"];

/** Bytes of an arena: f32 (heads, capacity, dim) for each buffer of every layer, and its states. */
export function arenaBytes(shape: ArenaShape, capacity: number, recurrence?: ArenaStates): number {
  const states = recurrence ? stateBytes(recurrence.states, capacity) : 0;
  return shape.flat().reduce(
    (sum, { heads, dim }) => sum + heads * dim * capacity * F32_BYTES,
    states,
  );
}

/**
 * The rows of one arena: its slots, the samplers that rows may name, and the buffers of every
 * layer.
 */
export class KvArena {
  /** Samplers by id. */
  readonly samplers = new Map<number, Sampler>();
  /** Masks that rows may name. */
  readonly masks = new KnownMasks();
  /** Views of the caches by their first slot. */
  readonly #views = new Map<number, ArenaView>();
  /** The buffers of the first layer, of the next one, ... */
  readonly #caches: Cache[];
  /** How many of them, at the end, are those of the last layer. */
  readonly #ofLastLayer: number;
  /** The recurrent states of its rows; undefined: no layer has one. */
  readonly states?: RecurrentStates;
  #slots: Slots;

  /**
   * Allocates an empty arena of `capacity` rows, all zeros. A masked slot still takes part in the
   * arithmetic, so an unwritten one must hold finite numbers: a NaN would spoil the softmax. Throws
   * RangeError where the memory cannot be allocated.
   */
  constructor(shape: ArenaShape, capacity: number, recurrence?: ArenaStates) {
    this.#slots = new Slots(capacity);
    const caches = shape.flat();
    const buffers = allocate(caches, capacity);
    this.#caches = caches.map((cache, i) => ({ ...cache, data: buffers[i] }));
    this.#ofLastLayer = shape.at(-1)!.length;
    if (recurrence) this.states = new RecurrentStates(recurrence, capacity);
  }

  /** The slots of the arena: which rows stand in them and how they hang together. */
  get slots(): Slots {
    return this.#slots;
  }

  /**
   * Moves the kept rows to their slots in an arena of another size, or within this one.
   *
   * Throws `bad_frame` (group `engine`) for rows that cannot be kept and RangeError where the
   * memory cannot be allocated; the arena is unchanged then.
   */
  layout({ capacity, ...lists }: ArenaLayout): void {
    const keep = this.#slots.named(Int32Array.from(lists.keep));
    const shelf = this.#slots.named(Int32Array.from(lists.shelf ?? []));
    const slots = this.#slots.moved(capacity, keep, shelf);
    const order = [...moves(keep), ...moves(shelf, capacity - shelf.length)];
    if (capacity === this.#slots.capacity) {
      this.states?.move(capacity, newSlots(order));
      const away = order.filter(({ from, to }) => from !== to);
      for (const cache of this.#caches) this.#shift(cache, away);
    } else {
      // The system backs pages of the new buffers only as they are written, and each old buffer is
      // freed right after its copy: at most one layer's cache is in memory twice at a time.
      const fresh = allocate(this.#caches, capacity);
      this.states?.move(capacity, newSlots(order));
      this.#releaseViews();
      this.#caches.forEach((cache, i) => {
        const old = cache.data;
        cache.data = fresh[i];
        this.#copy(old, cache, order, capacity);
        old.buffer.transfer(0);
      });
    }
    this.#slots = slots;
  }

  /**
   * Which of the `rows` slots from `base` on have a number that is not finite: indices from
   * 0, relative to `base`.
   */
  damaged(base: number, rows: number): number[] {
    const found: number[] = [];
    for (let row = 0; row < rows; row++) {
      // A NaN or an infinity of one layer reaches every later layer, so the last one shows them
      // all.
      let sum = 0;
      for (const cache of this.#caches.slice(-this.#ofLastLayer)) {
        for (const at of this.#heads(cache, base + row)) {
          for (let i = at; i < at + cache.dim; i++) sum += cache.data[i];
        }
      }
      if (!Number.isFinite(sum)) found.push(row);
    }
    return found;
  }

  /** Sets what every layer keeps of a slot's row to zeros. */
  clear(slot: number): void {
    for (const cache of this.#caches) {
      for (const at of this.#heads(cache, slot)) cache.data.fill(0, at, at + cache.dim);
    }
  }

  /** Frees the memory at once instead of when the garbage collector runs. The arena is unusable. */
  free(): void {
    this.#releaseViews();
    this.states?.free();
    for (const { data } of this.#caches) data.buffer.transfer(0);
  }

  /**
   * The caches of a frame of `rows` rows in slots base, base + 1, ... that leave out the slots
   * below every row that they attend to, rounded down to {@linkcode VIEW_STEP}: rows of others that
   * stand there then cost nothing. What a frame's view is depends on the arena's rows alone, so it
   * is the same in every stage.
   */
  view(base: number, rows: number): ArenaView {
    const lowest = this.#slots.lowest(base, rows);
    const first = lowest - lowest % VIEW_STEP;
    let view = this.#views.get(first);
    if (!view) this.#views.set(first, view = this.#viewFrom(first));
    return view;
  }

  /** Index of a slot's first element in a cache, one number a head. */
  #heads({ heads, dim }: Cache, slot: number): number[] {
    return Array.from({ length: heads }, (_, head) => (head * this.#slots.capacity + slot) * dim);
  }

  /** Copies rows of a buffer into a cache of `capacity` rows. */
  #copy(from: Float32Array, { data, heads, dim }: Cache, order: Move[], capacity: number): void {
    for (let head = 0; head < heads; head++) {
      const source = head * this.#slots.capacity;
      const target = head * capacity;
      for (const move of order) {
        const first = (source + move.from) * dim;
        data.set(from.subarray(first, first + move.rows * dim), (target + move.to) * dim);
      }
    }
  }

  /**
   * Moves rows within a cache. All rows of a head are copied out before any is written back, since
   * rows that move up may overlap rows that move down.
   */
  #shift({ data, heads, dim }: Cache, order: Move[]): void {
    const taken = new Float32Array(order.reduce((n, { rows }) => n + rows, 0) * dim);
    for (let head = 0; head < heads; head++) {
      const start = head * this.#slots.capacity;
      let at = 0;
      for (const { from, rows } of order) {
        const first = (start + from) * dim;
        taken.set(data.subarray(first, first + rows * dim), at);
        at += rows * dim;
      }
      at = 0;
      for (const { to, rows } of order) {
        data.set(taken.subarray(at, at + rows * dim), (start + to) * dim);
        at += rows * dim;
      }
    }
  }

  /**
   * Tensors that begin at slot `first` of the first head. A head's slots then begin `first` slots
   * later in every head, since the distance between heads, which is the capacity, is kept. What
   * lies beyond the buffer are the last slots of the last head; the operator reads and writes only
   * those slots that the frame's total says, which end at the arena's last one.
   */
  #viewFrom(first: number): ArenaView {
    const feeds: OrtTensors = {}, fetches: OrtTensors = {};
    for (const { past, present, data, heads, dim } of this.#caches) {
      const dims = [1, heads, this.#slots.capacity, dim];
      const tensor = new OrtTensor("float32", data, dims, first * dim);
      feeds[past] = fetches[present] = tensor;
    }
    return { first, feeds, fetches };
  }

  #releaseViews(): void {
    for (const { feeds } of this.#views.values()) {
      for (const tensor of Object.values(feeds)) tensor.release();
    }
    this.#views.clear();
  }
}

/** Zeros for these buffers, in their order. */
function allocate(caches: readonly RowCache[], capacity: number): Float32Array<ArrayBuffer>[] {
  return caches.map(({ heads, dim }) => new Float32Array(heads * capacity * dim));
}

/** The new slot of an old one; undefined: its row is not kept. */
function newSlots(order: readonly Move[]): (slot: number) => number | undefined {
  return (slot) => {
    const move = order.find(({ from, rows }) => slot >= from && slot < from + rows);
    return move && move.to + slot - move.from;
  };
}
