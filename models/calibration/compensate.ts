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
import { dot, type WindowFactor } from "./factor.ts";

/**
 * Quantises f32 rows [rows, inputs] to q4; `firstRow` is the number in the tensor of the first of
 * them. The windows follow each other and cover the inputs; their sizes, but for the last, are
 * multiples of the block. Returns whether some block is asymmetric.
 */
export function quantiseCompensated(
  values: Float32Array,
  inputs: number,
  firstRow: number,
  { block: size, codes, scales, zeros }: QuantisedRows,
  windows: readonly WindowFactor[],
): boolean {
  const rows = values.length / inputs;
  const blocks = blocksOf(inputs, size);
  const zeroBytes = Math.ceil(blocks / 2);
  const errors = new Float64Array(Math.max(...windows.map((window) => window.size)));
  const block = new Float64Array(size);
  const best: Quantiser = { inverse: 0, zero: SYMMETRIC };
  let asymmetric = false;
  for (let row = 0; row < rows; row++) {
    for (const { first, size: width, couplings } of windows) {
      for (let at = 0; at < width; at += size) {
        const length = Math.min(size, width - at);
        const from = row * inputs + first + at;
        for (let i = 0; i < length; i++) {
          block[i] = values[from + i] - dot(errors, 0, couplings, (at + i) * width, at);
        }
        block.fill(0, length);
        chooseQuantiser(block, best);
        const { zero } = best;
        const scale = Math.fround(refittedScale(block, best));
        const inverse = scale === 0 ? 0 : 1 / scale;
        const n = (first + at) / size;
        const out = (row * blocks + n) * size / 2;
        for (let i = 0; i < size; i++) {
          let code = zero;
          if (i < length) {
            const moved = block[i] - dot(errors, at, couplings, (at + i) * width + at, i);
            code = nibble(moved * inverse + zero);
            errors[at + i] = moved - (code - zero) * scale;
          }
          if (i % 2 === 0) codes[out + i / 2] = code;
          else codes[out + (i - 1) / 2] |= code << 4;
        }
        scales[(firstRow + row) * blocks + n] = scale;
        if (zero !== SYMMETRIC) {
          asymmetric = true;
          zeros[(firstRow + row) * zeroBytes + (n >> 1)] ^= (zero ^ SYMMETRIC) << (4 * (n & 1));
        }
      }
    }
  }
  return asymmetric;
}
