/**
 * Weights from f32 into the stored layouts (see `models/manifest.ts`): pure loops over typed
 * arrays.
 *
 * Both quantised layouts have an f32 scale for each block of inputs of a row ({@linkcode blockFor}
 * says how many).
 *
 * `q8` is symmetric: scale = max|x| / 127, so each value is off by at most scale / 2.
 *
 * `q4` has codes 0..15, value = (code - zero) * scale. Each block tries six quantisers and keeps
 * the one with the smallest squared error:
 * - symmetric (zero = 8) with the scales m/-8 (m = the value of largest magnitude with its sign, as
 *   ggml's Q4_0: it lands on -8 exactly), m/-8.7 (m is clipped a little, the rest is finer) and
 *   m/7;
 * - asymmetric, the range lo..hi of the values and 0 over 15, 16 and 17 steps (over more than 15
 *   both ends are clipped a little), with the zero point where 0 then falls.
 *
 * For a candidate's codes q (less the zero point) the best scale is sum(x q) / sum(q q), and then
 * the squared error is sum(x x) - sum(x q)^2 / sum(q q): that error is compared, and the refitted
 * scale is stored.
 *
 * Measured on the embedded model (projections only, divergence from f32 in nats a token over
 * answers of its corpus): symmetric rounding to max|x| / 7 0.0041, asymmetric rounding lo..hi
 * 0.0028, the three symmetric candidates 0.0024, all six 0.0020. More candidates (up to 160 a
 * block) and errors weighted by the gains of the norm before a projection changed nothing. Zero
 * points cost `MatMulNBits` no measurable time (1 to 128 rows) and 2.5% of a blob.
 *
 * @module
 */
import { BLOCK, type Block, BLOCKS } from "./manifest.ts";

/**
 * One byte with the zero points (8) of two symmetric q4 blocks: the value with which a tensor's
 * zero points are filled at first.
 */
export const SYMMETRIC_PAIR = 0x88;

/** Code of the value 0 in a symmetric q4 block. */
export const SYMMETRIC = 8;
const SYMMETRIC_DIVISORS = [-8, -8.7, 7] as const;
const ASYMMETRIC_STEPS = [15, 16, 17] as const;

/** Most inputs that share a scale. */
const WIDEST = 128;

/**
 * Inputs of a matrix that share a scale, where nobody asks for another number: the most that the
 * error allows, since a larger block is read faster. `key` is the tensor's name in its group.
 *
 * A q8 value hardly errs at any block, so its block is the largest. Of a q4 model the projections
 * of the MLP, which are most of its bytes, have the largest too. Those of attention, which err more
 * for each byte saved, and a q4 vocabulary have {@linkcode BLOCK}. What that costs stands in
 * docs/performance.md. A block divides the inputs.
 */
export function blockFor(key: string, inputs: number, format: "q4" | "q8"): Block {
  const wide = format === "q8" || key.startsWith("mlp.");
  return dividingBlock(inputs, wide ? WIDEST : BLOCK);
}

/** The largest block of at most `most` inputs that divides them, else {@linkcode BLOCK}. */
export function dividingBlock(inputs: number, most: Block): Block {
  return BLOCKS.findLast((block) => block <= most && inputs % block === 0) ?? BLOCK;
}

/**
 * Number of blocks of `block` elements in a row of `inputs` elements; the last one is padded with
 * zeros.
 */
export const blocksOf = (inputs: number, block: number): number => Math.ceil(inputs / block);

/**
 * Buffers that a quantiser writes: the codes of the rows at hand, and the scales and zero points of
 * the whole tensor [outputs, inputs].
 */
export interface QuantisedRows {
  /** Inputs that share a scale; even. */
  block: number;
  /** u8 [rows, blocks, block / 2 (q4, low nibble first) or block (q8)]. */
  codes: Uint8Array;
  /** f32 [outputs, blocks]. */
  scales: Float32Array;
  /**
   * q4: u8 [outputs, ceil(blocks / 2)], low nibble first; every byte must begin as
   * {@linkcode SYMMETRIC_PAIR}.
   */
  zeros: Uint8Array;
}

/**
 * Quantises f32 rows [rows, inputs] to q8; `firstRow` is the number in the tensor of the first of
 * them. Returns whether some block is asymmetric, as {@linkcode quantiseQ4} does: always false.
 */
export function quantiseQ8(
  values: Float32Array,
  inputs: number,
  firstRow: number,
  { block, codes, scales }: QuantisedRows,
): boolean {
  const rows = values.length / inputs;
  let scaleAt = firstRow * blocksOf(inputs, block);
  let out = 0;
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * inputs;
    for (let at = row * inputs; at < end; at += block) {
      const stop = Math.min(at + block, end);
      let most = 0;
      for (let i = at; i < stop; i++) {
        const size = Math.abs(values[i]);
        if (size > most) most = size;
      }
      const scale = Math.fround(most / 127);
      const inverse = scale === 0 ? 0 : 1 / scale;
      scales[scaleAt++] = scale;
      for (let i = at; i < stop; i++) {
        const code = (values[i] * inverse + 128.5) | 0;
        codes[out++] = code > 255 ? 255 : code;
      }
      for (let i = stop; i < at + block; i++) codes[out++] = 128;
    }
  }
  return false;
}

/**
 * Quantises f32 rows [rows, inputs] to q4; `firstRow` is the number in the tensor of the first of
 * them. Returns whether some block is asymmetric: if no block of a tensor is, its zero points need
 * not be stored.
 */
export function quantiseQ4(
  values: Float32Array,
  inputs: number,
  firstRow: number,
  { block: size, codes, scales, zeros }: QuantisedRows,
): boolean {
  const rows = values.length / inputs;
  const blocks = blocksOf(inputs, size);
  const zeroBytes = Math.ceil(blocks / 2);
  const block = new Float64Array(size);
  const best: Quantiser = { inverse: 0, zero: SYMMETRIC };
  let asymmetric = false;
  let out = 0;
  for (let row = 0; row < rows; row++) {
    for (let n = 0; n < blocks; n++) {
      const at = row * inputs + n * size;
      const length = Math.min(size, (row + 1) * inputs - at);
      for (let i = 0; i < length; i++) block[i] = values[at + i];
      block.fill(0, length);
      chooseQuantiser(block, best);
      const { inverse, zero } = best;
      let cross = 0, square = 0;
      for (let i = 0; i < size; i += 2) {
        const low = nibble(block[i] * inverse + zero), high = nibble(block[i + 1] * inverse + zero);
        codes[out++] = low | (high << 4);
        cross += block[i] * (low - zero) + block[i + 1] * (high - zero);
        square += (low - zero) * (low - zero) + (high - zero) * (high - zero);
      }
      scales[(firstRow + row) * blocks + n] = square === 0 ? 0 : cross / square;
      if (zero !== SYMMETRIC) {
        asymmetric = true;
        zeros[(firstRow + row) * zeroBytes + (n >> 1)] ^= (zero ^ SYMMETRIC) << (4 * (n & 1));
      }
    }
  }
  return asymmetric;
}

/** How a q4 block is rounded. */
export interface Quantiser {
  /** 1 / scale, before the scale is refitted. */
  inverse: number;
  /** Code of the value 0, 0 to 15; 8 in a symmetric block. */
  zero: number;
}

/**
 * Writes into `best` the quantiser of a block with the smallest squared error after its scale is
 * refitted. Among equals the first is taken, so symmetric ones are preferred.
 */
export function chooseQuantiser(block: Float64Array, best: Quantiser): void {
  best.inverse = 0;
  best.zero = SYMMETRIC;
  let low = 0, high = 0;
  for (let i = 0; i < block.length; i++) {
    const value = block[i];
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  if (low === high) return;
  const signed = -low > high ? low : high;
  let bestGain = 0;
  for (let n = 0; n < SYMMETRIC_DIVISORS.length; n++) {
    const inverse = SYMMETRIC_DIVISORS[n] / signed;
    const found = gain(block, inverse, SYMMETRIC);
    if (found > bestGain) {
      bestGain = found;
      best.inverse = inverse;
    }
  }
  for (let n = 0; n < ASYMMETRIC_STEPS.length; n++) {
    const inverse = ASYMMETRIC_STEPS[n] / (high - low);
    const zero = nibble(-low * inverse - (ASYMMETRIC_STEPS[n] - 15) / 2);
    const found = gain(block, inverse, zero);
    if (found > bestGain) {
      bestGain = found;
      best.inverse = inverse;
      best.zero = zero;
    }
  }
}

/**
 * How much smaller the squared error of a quantiser with a refitted scale is than the error of
 * storing zeros.
 */
function gain(block: Float64Array, inverse: number, zero: number): number {
  let cross = 0, square = 0;
  for (let i = 0; i < block.length; i++) {
    const code = nibble(block[i] * inverse + zero) - zero;
    cross += block[i] * code;
    square += code * code;
  }
  return square === 0 ? 0 : cross * cross / square;
}

/** The scale with which the codes that a quantiser gives a block err least. */
export function refittedScale(block: Float64Array, { inverse, zero }: Quantiser): number {
  let cross = 0, square = 0;
  for (let i = 0; i < block.length; i++) {
    const code = nibble(block[i] * inverse + zero) - zero;
    cross += block[i] * code;
    square += code * code;
  }
  return square === 0 ? 0 : cross / square;
}

/** The whole number from 0 to 15 that is nearest to `x`. */
export function nibble(x: number): number {
  const code = (x + 0.5) | 0;
  return code < 0 ? 0 : code > 15 ? 15 : code;
}

/**
 * Copies rows [rows, inputs], the first of which is row `firstRow` of a tensor [total, inputs],
 * into the transposed tensor [inputs, total].
 */
export function transposeInto(
  values: Float32Array,
  inputs: number,
  firstRow: number,
  total: number,
  into: Float32Array | Float16Array,
): void {
  const rows = values.length / inputs;
  const tile = 32;
  for (let rowTile = 0; rowTile < rows; rowTile += tile) {
    const rowEnd = Math.min(rowTile + tile, rows);
    for (let columnTile = 0; columnTile < inputs; columnTile += tile) {
      const columnEnd = Math.min(columnTile + tile, inputs);
      for (let column = columnTile; column < columnEnd; column++) {
        const base = column * total + firstRow;
        for (let row = rowTile; row < rowEnd; row++) {
          into[base + row] = values[row * inputs + column];
        }
      }
    }
  }
}
