/**
 * KV arenas: the memory of rows in one stage.
 *
 * @module
 */
import { type ArenaLayout, KnownMasks, type Sampling } from "../../actors/pipeline/mod.ts";
import { kvNames } from "../../models/graph/contract.ts";
import { OrtTensor, type OrtTensors } from "./ort.ts";
import { type Move, moves, Slots } from "./slots.ts";

/**
 * Slots at a multiple of which a view begins. A smaller step leaves out more of the slots of others
 * and makes more views, of which each takes a tensor a cache.
 */
const VIEW_STEP = 64;

/** Bytes of one f32 element. */
const F32_BYTES = 4;

/** What one row takes in a stage: keys and values, f32 (kvHeads, headDim) each, of every layer. */
export interface ArenaShape {
  /** First layer of the stage, 0-based. */
  firstLayer: number;
  /** Last layer of the stage, inclusive. */
  lastLayer: number;
  /** Heads of keys and values in a layer. */
  kvHeads: number;
  /** Elements of one head. */
  headDim: number;
}

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

/** Keys or values of one layer, f32 (1, kvHeads, capacity, headDim). */
interface Cache {
  /** Name of the session's input that reads the buffer. */
  past: string;
  /** Name of the session's output that writes the same buffer. */
  present: string;
  data: Float32Array<ArrayBuffer>;
}

/** Bytes of an arena: keys and values, f32 (kvHeads, capacity, headDim) each, of every layer. */
export function arenaBytes(shape: ArenaShape, capacity: number): number {
  return cacheCount(shape) * shape.kvHeads * shape.headDim * capacity * F32_BYTES;
}

/**
 * The rows of one arena: its slots, the samplers that rows may name, and the keys and values of
 * every layer.
 */
export class KvArena {
  /** Samplers by id. */
  readonly samplers = new Map<number, Sampler>();
  /** Masks that rows may name. */
  readonly masks = new KnownMasks();
  /** Views of the caches by their first slot. */
  readonly #views = new Map<number, ArenaView>();
  readonly #shape: ArenaShape;
  /** Keys, then values, of the first layer, of the next one, ... */
  readonly #caches: Cache[] = [];
  #slots: Slots;

  /**
   * Allocates an empty arena of `capacity` rows, all zeros. A masked slot still takes part in the
   * arithmetic, so an unwritten one must hold finite numbers: a NaN would spoil the softmax. Throws
   * RangeError where the memory cannot be allocated.
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
    });
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
      const away = order.filter(({ from, to }) => from !== to);
      for (const { data } of this.#caches) this.#shift(data, away);
    } else {
      // The system backs pages of the new buffers only as they are written, and each old buffer is
      // freed right after its copy: at most one layer's cache is in memory twice at a time.
      const fresh = allocate(this.#shape, capacity);
      this.#releaseViews();
      this.#caches.forEach((cache, i) => {
        const old = cache.data;
        cache.data = fresh[i];
        this.#copy(old, cache.data, order, capacity);
        old.buffer.transfer(0);
      });
    }
    this.#slots = slots;
  }

  /**
   * Which of the `rows` slots from `base` on have a key or a value that is not finite: indices from
   * 0, relative to `base`.
   */
  damaged(base: number, rows: number): number[] {
    const found: number[] = [];
    const { headDim } = this.#shape;
    for (let row = 0; row < rows; row++) {
      // A NaN or an infinity of one layer reaches every later layer, so the last one shows them
      // all.
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

  /** Sets the keys and values of a slot to zeros in every layer. */
  clear(slot: number): void {
    for (const { data } of this.#caches) {
      for (const at of this.#heads(slot)) data.fill(0, at, at + this.#shape.headDim);
    }
  }

  /** Frees the memory at once instead of when the garbage collector runs. The arena is unusable. */
  free(): void {
    this.#releaseViews();
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
  #heads(slot: number): number[] {
    const { kvHeads, headDim } = this.#shape;
    return Array.from(
      { length: kvHeads },
      (_, head) => (head * this.#slots.capacity + slot) * headDim,
    );
  }

  /** Copies rows of a cache into one of `capacity` rows. */
  #copy(from: Float32Array, to: Float32Array, order: Move[], capacity: number): void {
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
   * Moves rows within a cache. All rows of a head are copied out before any is written back, since
   * rows that move up may overlap rows that move down.
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

  /**
   * Tensors that begin at slot `first` of the first head. A head's slots then begin `first` slots
   * later in every head, since the distance between heads, which is the capacity, is kept. What
   * lies beyond the buffer are the last slots of the last head; the operator reads and writes only
   * those slots that the frame's total says, which end at the arena's last one.
   */
  #viewFrom(first: number): ArenaView {
    const { kvHeads, headDim } = this.#shape;
    const dims = [1, kvHeads, this.#slots.capacity, headDim];
    const feeds: OrtTensors = {}, fetches: OrtTensors = {};
    for (const { past, present, data } of this.#caches) {
      const tensor = new OrtTensor("float32", data, dims, first * headDim);
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

/** Keys and values of every layer. */
function cacheCount({ firstLayer, lastLayer }: ArenaShape): number {
  return 2 * (lastLayer - firstLayer + 1);
}

/** Zeros for the keys and values of every layer, in the order of the layers. */
function allocate(shape: ArenaShape, capacity: number): Float32Array<ArrayBuffer>[] {
  return Array.from(
    { length: cacheCount(shape) },
    () => new Float32Array(shape.kvHeads * capacity * shape.headDim),
  );
}
