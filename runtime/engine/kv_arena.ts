/**
 * KV arenas: the memory of rows in one stage.
 *
 * @module
 */
import {
  type ArenaLayout,
  KnownMasks,
  type Sampling,
  stateCount,
} from "../../actors/pipeline/mod.ts";
import type { RowCache, StageGraph } from "../../models/graph/contract.ts";
import { oneStateBytes } from "../../models/mod.ts";
import { OrtTensor, type OrtTensors } from "./ort.ts";
import { NearSlots } from "./near_slots.ts";
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
  /**
   * Near slots of the windowed layers that the frame attends to: the first one of the view, and how
   * many there are with its own rows; undefined: these layers have the slots of the arena.
   */
  near?: { first: number; total: number };
  /** The KV inputs of a session; the caller adds the other inputs of a frame. */
  feeds: OrtTensors;
  /** The KV outputs of a session: the same buffers as `feeds`, so rows are written in place. */
  fetches: OrtTensors;
}

/** Tensors of some caches from a slot on. */
type CacheTensors = Pick<ArenaView, "feeds" | "fetches">;

/** A buffer of one layer, f32 (1, heads, capacity, dim). */
interface Cache extends RowCache {
  data: Float32Array<ArrayBuffer>;
}

/** What an arena has besides a row of each buffer for each slot. */
export interface ArenaParts {
  /** Rows that windowed layers have. @default all */
  near?: number;
  /** The recurrent states of the stage. @default it has none */
  recurrence?: StageGraph["recurrence"];
}

/**
 * Bytes of an arena: f32 (heads, capacity, dim) for each buffer of every layer, of which those of windowed
 * layers may have fewer rows, and its recurrent states.
 */
export function arenaBytes(
  shape: ArenaShape,
  capacity: number,
  { near = capacity, recurrence }: ArenaParts = {},
): number {
  const states = recurrence ? stateCount(capacity) * oneStateBytes(recurrence.states) : 0;
  return shape.flat().reduce(
    (sum, { heads, dim, windowed }) => sum + heads * dim * (windowed ? near : capacity) * F32_BYTES,
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
  /** Views of the far caches by their first slot. */
  readonly #views = new Map<number, CacheTensors>();
  /** Views of the near caches by their first near slot. */
  readonly #nearViews = new Map<number, CacheTensors>();
  /** The buffers of the first layer, of the next one, ... */
  readonly #caches: Cache[];
  /** Those of them whose rows stand in the slots of the arena, and those with near slots. */
  readonly #far: readonly Cache[];
  readonly #nearCaches: readonly Cache[];
  /** How many of them, at the end, are those of the last layer that has any. */
  readonly #ofLastLayer: number;
  /** The recurrent states of its rows; undefined: no layer has one. */
  readonly states?: RecurrentStates;
  #slots: Slots;
  #near?: NearSlots;

  /**
   * Allocates an empty arena of `capacity` rows, all zeros. A masked slot still takes part in the
   * arithmetic, so an unwritten one must hold finite numbers: a NaN would spoil the softmax. Throws
   * RangeError where the memory cannot be allocated.
   */
  constructor(shape: ArenaShape, capacity: number, { near, recurrence }: ArenaParts = {}) {
    this.#slots = new Slots(capacity);
    const caches = shape.flat();
    if (near !== undefined && caches.some(({ windowed }) => windowed)) {
      this.#near = new NearSlots(near, capacity);
    }
    const buffers = caches.map((cache) => zeros(cache, this.#capacityOf(cache)));
    this.#caches = caches.map((cache, i) => ({ ...cache, data: buffers[i] }));
    this.#far = this.#caches.filter((cache) => !this.#isNear(cache));
    this.#nearCaches = this.#caches.filter((cache) => this.#isNear(cache));
    this.#ofLastLayer = shape.findLast((caches) => caches.length > 0)?.length ?? 0;
    if (recurrence) this.states = new RecurrentStates(recurrence, capacity);
  }

  /** The slots of the arena: which rows stand in them and how they hang together. */
  get slots(): Slots {
    return this.#slots;
  }

  /** Where rows stand in windowed layers; undefined: in the slots of the arena. */
  get near(): NearSlots | undefined {
    return this.#near;
  }

  /**
   * Moves the kept rows to their slots in an arena of another size, or within this one.
   *
   * Throws `bad_frame` (group `engine`) for rows that cannot be kept and RangeError where the
   * memory cannot be allocated; the arena is unchanged then.
   */
  layout({ capacity, near: stated, ...lists }: ArenaLayout): void {
    const keep = this.#slots.named(Int32Array.from(lists.keep));
    const shelf = this.#slots.named(Int32Array.from(lists.shelf ?? []));
    const slots = this.#slots.moved(capacity, keep, shelf);
    const near = this.#near?.moved(capacity, { keep, shelf, near: stated });
    const order = [...moves(keep), ...moves(shelf, capacity - shelf.length)];
    const groups: Rearranged[] = [
      { caches: this.#far, order, from: this.#slots.capacity, to: capacity },
    ];
    if (near) {
      const [from, to] = [this.#near!.capacity, near.near.capacity];
      groups.push({ caches: this.#nearCaches, order: near.moves, from, to });
    }
    // The system backs pages of the new buffers only as they are written, and each old buffer is
    // freed right after its copy: at most one layer's cache is in memory twice at a time.
    const fresh = groups.map(({ caches, from, to }) =>
      from === to ? undefined : caches.map((cache) => zeros(cache, to))
    );
    this.states?.move(capacity, newSlots(order));
    if (fresh.some((buffers) => buffers)) this.#releaseViews();
    for (const [i, { caches, order, from, to }] of groups.entries()) {
      const away = order.filter((move) => move.from !== move.to);
      for (const [n, cache] of caches.entries()) {
        const data = fresh[i]?.[n];
        if (!data) shiftRows(cache, away, from);
        else {
          const old = cache.data;
          cache.data = data;
          copyRows(old, cache, order, { from, to });
          old.buffer.transfer(0);
        }
      }
    }
    this.#slots = slots;
    this.#near = near?.near;
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
   * is the same in every stage. `window`: that of the stage's windowed layers, if it has any. Throws
   * `bad_frame` where a row that they attend to in these layers was given up.
   */
  view(base: number, rows: number, window = Infinity): ArenaView {
    const first = floored(this.#slots.lowest(base, rows));
    const far = this.#viewed(this.#views, first, this.#far);
    const near = this.#near;
    if (!near) return { first, ...far };
    const nearFirst = floored(near.lowest(this.#slots, base, rows, window));
    const windowed = this.#viewed(this.#nearViews, nearFirst, this.#nearCaches);
    return {
      first,
      near: { first: nearFirst, total: near.at(base) + rows - nearFirst },
      feeds: { ...far.feeds, ...windowed.feeds },
      fetches: { ...far.fetches, ...windowed.fetches },
    };
  }

  /** Do rows stand in near slots in this cache? */
  #isNear({ windowed }: RowCache): boolean {
    return windowed === true && this.#near !== undefined;
  }

  /** Rows that a cache has room for. */
  #capacityOf(cache: RowCache): number {
    return this.#isNear(cache) ? this.#near!.capacity : this.#slots.capacity;
  }

  /** Index of a slot's first element in a cache, one number a head. */
  #heads(cache: Cache, slot: number): number[] {
    const capacity = this.#capacityOf(cache);
    const at = this.#isNear(cache) ? this.#near!.at(slot) : slot;
    return Array.from({ length: cache.heads }, (_, head) => (head * capacity + at) * cache.dim);
  }

  /** The view of these caches from a slot on, which is made where there is none yet. */
  #viewed(
    views: Map<number, CacheTensors>,
    first: number,
    caches: readonly Cache[],
  ): CacheTensors {
    let view = views.get(first);
    if (!view) views.set(first, view = this.#viewFrom(first, caches));
    return view;
  }

  /**
   * Tensors that begin at slot `first` of the first head. A head's slots then begin `first` slots
   * later in every head, since the distance between heads, which is the capacity, is kept. What
   * lies beyond the buffer are the last slots of the last head; the operator reads and writes only
   * those slots that the frame's total says, which end at the arena's last one.
   */
  #viewFrom(first: number, caches: readonly Cache[]): CacheTensors {
    const feeds: OrtTensors = {}, fetches: OrtTensors = {};
    for (const cache of caches) {
      const { past, present, again, data, heads, dim } = cache;
      const dims = [1, heads, this.#capacityOf(cache), dim];
      const tensor = new OrtTensor("float32", data, dims, first * dim);
      feeds[past] = fetches[present] = tensor;
      if (again !== undefined) fetches[again] = tensor;
    }
    return { feeds, fetches };
  }

  #releaseViews(): void {
    for (const views of [this.#views, this.#nearViews]) {
      for (const { feeds } of views.values()) {
        for (const tensor of Object.values(feeds)) tensor.release();
      }
      views.clear();
    }
  }
}

/** Buffers whose rows move as `order` says, from ones of `from` rows into ones of `to` rows. */
interface Rearranged {
  caches: readonly Cache[];
  order: Move[];
  from: number;
  to: number;
}

/** A slot rounded down to where a view may begin. */
const floored = (slot: number): number => slot - slot % VIEW_STEP;

/** Zeros for a buffer of so many rows. */
const zeros = ({ heads, dim }: RowCache, capacity: number): Float32Array<ArrayBuffer> =>
  new Float32Array(heads * capacity * dim);

/** Copies rows of a buffer with room for `from` rows into a cache with room for `to` rows. */
function copyRows(
  old: Float32Array,
  { data, heads, dim }: Cache,
  order: Move[],
  { from, to }: { from: number; to: number },
): void {
  for (let head = 0; head < heads; head++) {
    for (const move of order) {
      const first = (head * from + move.from) * dim;
      data.set(old.subarray(first, first + move.rows * dim), (head * to + move.to) * dim);
    }
  }
}

/**
 * Moves rows within a cache of `capacity` rows. All rows of a head are copied out before any is written
 * back, since rows that move up may overlap rows that move down.
 */
function shiftRows({ data, heads, dim }: Cache, order: Move[], capacity: number): void {
  const taken = new Float32Array(order.reduce((n, { rows }) => n + rows, 0) * dim);
  for (let head = 0; head < heads; head++) {
    const start = head * capacity;
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

/** The new slot of an old one; undefined: its row is not kept. */
function newSlots(order: readonly Move[]): (slot: number) => number | undefined {
  return (slot) => {
    const move = order.find(({ from, rows }) => slot >= from && slot < from + rows);
    return move && move.to + slot - move.from;
  };
}
