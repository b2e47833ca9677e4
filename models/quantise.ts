/**
 * Weights from f32 into the stored layouts (see `models/manifest.ts`): pure loops over typed arrays.
 *
 * Both quantised layouts are symmetric over blocks of 32 inputs with an f32 scale.
 *
 * `q8`: scale = max|x| / 127, so each value is off by at most scale / 2.
 *
 * `q4` has codes -8..7. Each block tries the scales m/-8 (m = the value of largest magnitude with its sign, as ggml's Q4_0:
 * it lands on -8 exactly), m/-8.7 (m is clipped a little, the rest is finer) and m/7 (symmetric). For a candidate's codes q
 * the best scale is sum(x q) / sum(q q), and then the squared error is sum(x x) - sum(x q)^2 / sum(q q): the candidate with
 * the smallest error wins and its refitted scale is stored.
 *
 * @module
 */

/** Inputs that share a scale. */
export const BLOCK = 32;

const Q4_DIVISORS = [-8, -8.7, 7] as const;

/** Blocks in a row of `inputs` elements; the last is padded with zeros. */
export const blocksOf = (inputs: number): number => Math.ceil(inputs / BLOCK);

/**
 * Rows of f32 [rows, inputs] to q8: codes u8 [rows, blocks, 32] at `codes`, scales f32 [rows, blocks] from `scaleAt`.
 */
export function quantiseQ8(
  values: Float32Array,
  inputs: number,
  codes: Uint8Array,
  scales: Float32Array,
  scaleAt: number,
): void {
  const rows = values.length / inputs;
  let out = 0;
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * inputs;
    for (let at = row * inputs; at < end; at += BLOCK) {
      const stop = Math.min(at + BLOCK, end);
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
      for (let i = stop; i < at + BLOCK; i++) codes[out++] = 128;
    }
  }
}

/**
 * Rows of f32 [rows, inputs] to q4: nibbles u8 [rows, blocks, 16] at `codes` (low nibble first), scales f32 [rows, blocks]
 * from `scaleAt`.
 */
export function quantiseQ4(
  values: Float32Array,
  inputs: number,
  codes: Uint8Array,
  scales: Float32Array,
  scaleAt: number,
): void {
  const rows = values.length / inputs;
  const block = new Float64Array(BLOCK);
  let out = 0;
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * inputs;
    for (let at = row * inputs; at < end; at += BLOCK) {
      const length = Math.min(BLOCK, end - at);
      let most = 0, signed = 0;
      for (let i = 0; i < length; i++) {
        const value = values[at + i];
        block[i] = value;
        const size = value < 0 ? -value : value;
        if (size > most) {
          most = size;
          signed = value;
        }
      }
      for (let i = length; i < BLOCK; i++) block[i] = 0;
      const inverse = bestInverse(block, signed);
      let cross = 0, square = 0;
      for (let i = 0; i < BLOCK; i += 2) {
        const low = nibble(block[i] * inverse), high = nibble(block[i + 1] * inverse);
        codes[out++] = low | (high << 4);
        cross += block[i] * (low - 8) + block[i + 1] * (high - 8);
        square += (low - 8) * (low - 8) + (high - 8) * (high - 8);
      }
      scales[scaleAt++] = square === 0 ? 0 : cross / square;
    }
  }
}

/** 1 / scale of the candidate with the smallest squared error after its scale is refitted. */
function bestInverse(block: Float64Array, signed: number): number {
  if (signed === 0) return 0;
  let best = 0, bestGain = -1;
  for (let candidate = 0; candidate < Q4_DIVISORS.length; candidate++) {
    const inverse = Q4_DIVISORS[candidate] / signed;
    let cross = 0, square = 0;
    for (let i = 0; i < BLOCK; i++) {
      const code = nibble(block[i] * inverse) - 8;
      cross += block[i] * code;
      square += code * code;
    }
    const gain = cross * cross / square;
    if (gain > bestGain) {
      bestGain = gain;
      best = inverse;
    }
  }
  return best;
}

/** Code 0..15 of a value in units of the scale. */
function nibble(x: number): number {
  const code = (x + 8.5) | 0;
  return code < 0 ? 0 : code > 15 ? 15 : code;
}

/** Copies `rows` rows of [rows, inputs], which start at `firstRow` of [total, inputs], into the transposed [inputs, total]. */
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
        for (let row = rowTile; row < rowEnd; row++) into[base + row] = values[row * inputs + column];
      }
    }
  }
}
