/**
 * Quantises weights to q4 so that the weights of a row make up for each other's errors (GPTQ).
 *
 * Block by block, first the weights of a block are moved by what the errors before it call for;
 * then its quantiser is chosen as {@linkcode quantiseQ4} chooses it; then the weights are rounded
 * one after the other, each moved by the errors of those before it in the block.
 *
 * Tried without gain on the embedded model: candidates weighted by what each error costs, and Gram
 * matrices of what the quantised layers before give (docs/decisions.md).
 *
 * @module
 */
import {
  blocksOf,
  chooseQuantiser,
  nibble,
  type QuantisedRows,
  type Quantiser,
  refittedScale,
  SYMMETRIC,
} from "../quantise.ts";
import type { WindowFactor } from "./factor.ts";

/** Rows that are quantised side by side: what couples their weights is read once for all. */
const TOGETHER = 8;

/**
 * Quantises f32 rows [rows, inputs] to q4; `firstRow` is the number in the tensor of the first of
 * them. The windows follow each other and cover the inputs; their sizes, but for the last, are
 * multiples of the block. Returns whether some block is asymmetric.
 */
export function quantiseCompensated(
  values: Float32Array,
  inputs: number,
  firstRow: number,
  rounded: QuantisedRows,
  windows: readonly WindowFactor[],
): boolean {
  const rows = values.length / inputs;
  const rooms = new Rooms(rounded, Math.max(...windows.map((window) => window.size)));
  let asymmetric = false;
  for (let row = 0; row < rows; row += TOGETHER) {
    const count = Math.min(TOGETHER, rows - row);
    for (const window of windows) {
      for (let at = 0; at < window.size; at += rounded.block) {
        const place = { values, inputs, row, count, firstRow, at };
        asymmetric = roundBlock(place, window, rounded, rooms) || asymmetric;
      }
    }
  }
  return asymmetric;
}

/** Which block of which rows is at hand. */
interface BlockPlace {
  values: Float32Array;
  inputs: number;
  /** The first of `count` rows, of those in `values`. */
  row: number;
  count: number;
  /** Number in the tensor of the first row of `values`. */
  firstRow: number;
  /** Where the block begins in the window. */
  at: number;
}

/** Working memory of {@linkcode roundBlock}. */
class Rooms {
  /** Errors of the weights of a window that are rounded, f64 (TOGETHER, width). */
  readonly errors: Float64Array;
  readonly width: number;
  /** The weights of a block, moved by what the errors before it call for; one array for each row. */
  readonly blocks: Float64Array[];
  /** What errors call for, for each row. */
  readonly moves = new Float64Array(TOGETHER);
  readonly quantisers: Quantiser[];
  readonly scales = new Float64Array(TOGETHER);

  constructor({ block }: QuantisedRows, width: number) {
    this.errors = new Float64Array(TOGETHER * width);
    this.width = width;
    this.blocks = Array.from({ length: TOGETHER }, () => new Float64Array(block));
    this.quantisers = this.blocks.map(() => ({ inverse: 0, zero: SYMMETRIC }));
  }
}

/** Rounds one block of some rows. Returns whether it is asymmetric in one of them. */
function roundBlock(
  { values, inputs, row: firstOfThese, count, firstRow, at }: BlockPlace,
  { first, size: width, couplings }: WindowFactor,
  { block: size, codes, scales, zeros }: QuantisedRows,
  { errors, width: stride, blocks, moves, quantisers, scales: found }: Rooms,
): boolean {
  const perRow = blocksOf(inputs, size);
  const zeroBytes = Math.ceil(perRow / 2);
  const length = Math.min(size, width - at);
  const n = (first + at) / size;
  let asymmetric = false;
  for (let i = 0; i < length; i++) {
    dots(errors, stride, 0, couplings, (at + i) * width, at, moves);
    for (let r = 0; r < count; r++) {
      blocks[r][i] = values[(firstOfThese + r) * inputs + first + at + i] - moves[r];
    }
  }
  for (let r = 0; r < count; r++) {
    const best = quantisers[r];
    blocks[r].fill(0, length);
    chooseQuantiser(blocks[r], best);
    const scale = Math.fround(refittedScale(blocks[r], best));
    found[r] = scale;
    const row = firstRow + firstOfThese + r;
    scales[row * perRow + n] = scale;
    if (best.zero !== SYMMETRIC) {
      asymmetric = true;
      zeros[row * zeroBytes + (n >> 1)] ^= (best.zero ^ SYMMETRIC) << (4 * (n & 1));
    }
  }
  for (let i = 0; i < size; i++) {
    if (i < length) dots(errors, stride, at, couplings, (at + i) * width + at, i, moves);
    for (let r = 0; r < count; r++) {
      const { zero } = quantisers[r];
      let code = zero;
      if (i < length) {
        const scale = found[r];
        const moved = blocks[r][i] - moves[r];
        code = nibble(moved * (scale === 0 ? 0 : 1 / scale) + zero);
        errors[r * stride + at + i] = moved - (code - zero) * scale;
      }
      const out = ((firstOfThese + r) * perRow + n) * size / 2 + (i >> 1);
      if (i % 2 === 0) codes[out] = code;
      else codes[out] |= code << 4;
    }
  }
  return asymmetric;
}

/**
 * Writes into `into` the sums of the products of `count` couplings, from `couplingsFrom` on, with
 * the errors of each row, from `from` on in rows of `stride`.
 */
function dots(
  errors: Float64Array,
  stride: number,
  from: number,
  couplings: Float64Array,
  couplingsFrom: number,
  count: number,
  into: Float64Array,
): void {
  // Eight sums of which none waits for another, and each coupling is loaded once.
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
  for (let k = 0; k < count; k++) {
    const coupling = couplings[couplingsFrom + k];
    const at = from + k;
    s0 += errors[at] * coupling;
    s1 += errors[at + stride] * coupling;
    s2 += errors[at + 2 * stride] * coupling;
    s3 += errors[at + 3 * stride] * coupling;
    s4 += errors[at + 4 * stride] * coupling;
    s5 += errors[at + 5 * stride] * coupling;
    s6 += errors[at + 6 * stride] * coupling;
    s7 += errors[at + 7 * stride] * coupling;
  }
  into[0] = s0;
  into[1] = s1;
  into[2] = s2;
  into[3] = s3;
  into[4] = s4;
  into[5] = s5;
  into[6] = s6;
  into[7] = s7;
}
