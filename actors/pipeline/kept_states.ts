/**
 * Hidden states that a stage has sent on, by the slots of an arena: from them the next stage can be
 * rebuilt where it is lost (`rebuild.ts`), without the stages before it computing anything.
 *
 * A row is kept exactly as it was sent, in the arena's wire format, so that what is rebuilt is what
 * was lost: 2 bytes an element in f16, 1 in int8. Memory is taken in blocks of
 * {@linkcode BLOCK_ROWS} slots as rows come, and counts into the engine's budget for arenas
 * (`ArenaLayout.beside`). A frame that was sent in f32, since f16 could not hold it, makes its
 * blocks f32.
 *
 * @module
 */
import { decodeHidden, DTYPE_BYTES, type Tensor, type Wire } from "./tensor.ts";

/** Slots of a block. */
const BLOCK_ROWS = 128;
const BYTES: Record<Wire, number> = { f32: 4, f16: 2, int8: 1 };
const SCALE_BYTES = 4;

/** Bytes that a row of `hidden` elements takes here. */
export const keptRowBytes = (wire: Wire, hidden: number): number =>
  BYTES[wire] * hidden + (wire === "int8" ? SCALE_BYTES : 0);

/** Rows of {@linkcode BLOCK_ROWS} slots. */
interface StatesBlock {
  dtype: "f32" | "f16" | "i8";
  /** (BLOCK_ROWS, hidden) */
  data: Uint8Array;
  /** Only of i8. (BLOCK_ROWS) */
  scales?: Float32Array;
}

/** Where the rows of a layout stood: see `layout` of a frame. */
interface MovedRows {
  capacity: number;
  keep: Int32Array;
  shelf?: Int32Array;
}

/** See the module's text. */
export class KeptStates {
  readonly #hidden: number;
  #blocks: (StatesBlock | undefined)[] = [];
  /** 1: the slot's row is kept. (capacity) */
  #has = new Uint8Array(0);

  /** Keeps nothing yet. @param hidden Elements of a row. */
  constructor(hidden: number) {
    this.#hidden = hidden;
  }

  /** Bytes that the blocks take. */
  get bytes(): number {
    return this.#blocks.reduce(
      (sum, block) => sum + (block ? block.data.byteLength + (block.scales?.byteLength ?? 0) : 0),
      0,
    );
  }

  /** Number of rows that are kept. */
  get rows(): number {
    return this.#has.reduce((n, has) => n + has, 0);
  }

  /** Keeps the rows of slots base, base + 1, ...: hidden states (rows, hidden) as they are sent. */
  put(base: number, states: Tensor): void {
    const dtype = states.dtype as StatesBlock["dtype"];
    const rowBytes = this.#hidden * DTYPE_BYTES[dtype];
    for (let row = 0; row < states.shape[0]; row++) {
      const slot = base + row;
      if (slot >= this.#has.length) return;
      const at = slot % BLOCK_ROWS;
      const block = this.#block(slot, dtype);
      if (block.dtype === dtype) {
        block.data.set(states.data.subarray(row * rowBytes, (row + 1) * rowBytes), at * rowBytes);
        if (states.scales) block.scales![at] = states.scales[row];
      } else {
        const one = decodeHidden(rowOf(states, row, rowBytes));
        block.data.set(one.data, at * one.data.byteLength);
      }
      this.#has[slot] = 1;
    }
  }

  /**
   * The states of slots base .. base + rows - 1, as they were sent (rows, hidden); undefined where
   * one of them is not kept. The tensor is a copy.
   */
  get(base: number, rows: number): Tensor | undefined {
    for (let slot = base; slot < base + rows; slot++) if (!this.#has[slot]) return undefined;
    const blocks = Array.from({ length: rows }, (_, row) => this.#blocks[at(base + row)]!);
    const [{ dtype }] = blocks;
    const same = blocks.every((block) => block.dtype === dtype);
    const given = same ? dtype : "f32";
    const bytes = this.#hidden * DTYPE_BYTES[given];
    const data = new Uint8Array(rows * bytes);
    const scales = given === "i8" ? new Float32Array(rows) : undefined;
    for (const [row, block] of blocks.entries()) {
      const slot = (base + row) % BLOCK_ROWS;
      const rowBytes = this.#hidden * DTYPE_BYTES[block.dtype];
      const own = rowOf(
        { ...block, shape: [BLOCK_ROWS, this.#hidden] },
        slot,
        rowBytes,
      );
      data.set(same ? own.data : decodeHidden(own).data, row * bytes);
      if (scales) scales[row] = block.scales![slot];
    }
    return { dtype: given, shape: [rows, this.#hidden], data, ...(scales && { scales }) };
  }

  /** Moves the rows as the engine moves those of the arena; those that nobody names are forgotten. */
  layout({ capacity, keep, shelf = new Int32Array(0) }: MovedRows): void {
    const before = this.#has;
    const named = (slot: number) => slot < 0 ? slot + before.length : slot;
    const moves: { from: number; to: number }[] = [];
    for (const [to, from] of keep.entries()) moves.push({ from: named(from), to });
    const first = capacity - shelf.length;
    for (const [i, from] of shelf.entries()) moves.push({ from: named(from), to: first + i });
    const has = new Uint8Array(capacity);
    const kept = moves.filter(({ from }) => before[from] === 1);
    const moved = kept.filter(({ from, to }) => from !== to);
    // All are taken before any is written: rows that move up may stand where others go.
    const taken = moved.map(({ from }) => this.#take(from));
    for (const { to } of kept) has[to] = 1;
    this.#has = has;
    this.#blocks.length = Math.ceil(capacity / BLOCK_ROWS);
    for (const [i, { to }] of moved.entries()) this.put(to, taken[i]);
    for (const i of this.#blocks.keys()) {
      const start = i * BLOCK_ROWS;
      if (!has.subarray(start, start + BLOCK_ROWS).includes(1)) this.#blocks[i] = undefined;
    }
  }

  /** A copy of one slot's row, (1, hidden). */
  #take(slot: number): Tensor {
    const block = this.#blocks[at(slot)]!;
    const rowBytes = this.#hidden * DTYPE_BYTES[block.dtype];
    const row = rowOf({ ...block, shape: [BLOCK_ROWS, this.#hidden] }, slot % BLOCK_ROWS, rowBytes);
    const { data, scales } = row;
    return { ...row, data: data.slice(), ...(scales && { scales: scales.slice() }) };
  }

  /** The block of a slot, which can hold rows of this dtype from now on. */
  #block(slot: number, dtype: StatesBlock["dtype"]): StatesBlock {
    const block = this.#blocks[at(slot)];
    if (block && (block.dtype === dtype || block.dtype === "f32")) return block;
    if (!block) {
      const bytes = BLOCK_ROWS * this.#hidden * DTYPE_BYTES[dtype];
      const scales = dtype === "i8" ? new Float32Array(BLOCK_ROWS) : undefined;
      return this.#blocks[at(slot)] = { dtype, data: new Uint8Array(bytes), scales };
    }
    const { data } = decodeHidden({ ...block, shape: [BLOCK_ROWS, this.#hidden] });
    return this.#blocks[at(slot)] = { dtype: "f32", data };
  }
}

/** Index of a slot's block. */
const at = (slot: number): number => Math.floor(slot / BLOCK_ROWS);

/** One row of a tensor (rows, hidden): a view. */
function rowOf({ dtype, shape, data, scales }: Tensor, row: number, rowBytes: number): Tensor {
  return {
    dtype,
    shape: [1, shape[1]],
    data: data.subarray(row * rowBytes, (row + 1) * rowBytes),
    ...(scales && { scales: scales.subarray(row, row + 1) }),
  };
}
