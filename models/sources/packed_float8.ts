/**
 * Weights in 8-bit floats (e4m3, of which no code is infinite) with scales, as DeepSeek, Qwen and
 * Mistral publish them (`weight_scale_inv`) and compressed-tensors, FBGEMM and ModelOpt write them
 * (`weight_scale`). All multiply a code's value by its scale.
 *
 * @module
 */
import type { PackedTensor, PlacedTensor } from "./placed_tensor.ts";
import { readScales } from "./packed_parts.ts";

/** Element type in safetensors. */
const F8 = "F8_E4M3";
/** Names of scales, behind the name of the weight. */
const SCALES = ["_scale_inv", "_scale"];

/**
 * The value of each code: a sign, 4 bits of exponent (bias 7) and 3 of mantissa; 0x7f and 0xff are
 * NaN (Micikevicius et al., "FP8 formats for deep learning", arXiv 2209.05433).
 */
export const FLOAT8 = Float32Array.from({ length: 256 }, (_, code) => {
  const exponent = (code >> 3) & 15, mantissa = code & 7;
  if ((code & 127) === 127) return NaN;
  const size = exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
  return code & 128 ? -size : size;
});

/** Which rows and inputs share a scale: (rows, columns) of scales, each for (height, width). */
interface ScaleGrid {
  columns: number;
  height: number;
  width: number;
}

/**
 * Gives each weight in 8-bit floats its scales: one for all, one for each row, or one for each block
 * of so many rows and columns.
 */
export function packFloat8(
  tensors: Map<string, PlacedTensor>,
  block?: readonly [rows: number, columns: number],
): void {
  for (const [name, tensor] of [...tensors]) {
    if (tensor.dtype !== F8 || !name.endsWith(".weight")) continue;
    const found = SCALES.map((ending) => name + ending).find((scale) => tensors.has(scale));
    const [rows, inputs] = tensor.shape;
    const scales = found === undefined ? undefined : tensors.get(found);
    const grid = scales && gridOf(scales.shape, { rows, inputs, block });
    if (!found || !scales || !grid || tensor.shape.length !== 2) {
      const unlike = scales
        ? `its scales ${found} are [${scales.shape}]`
        : `there is no ${name}_scale_inv or ${name}_scale`;
      tensors.set(name, { ...tensor, unpacked: `it is ${F8} [${tensor.shape}], and ${unlike}` });
      continue;
    }
    tensors.set(name, { ...tensor, packed: float8Tensor(tensor, { found, scales, grid }) });
  }
}

/** How scales of this shape belong to a tensor; undefined: they do not. */
function gridOf(
  shape: readonly number[],
  { rows, inputs, block }: {
    rows: number;
    inputs: number;
    block?: readonly [rows: number, columns: number];
  },
): ScaleGrid | undefined {
  const count = shape.reduce((a, b) => a * b, 1);
  if (count === 1) return { columns: 1, height: rows, width: inputs };
  if (count === rows && shape[0] === rows) return { columns: 1, height: 1, width: inputs };
  if (!block) return undefined;
  const [height, width] = block;
  const columns = Math.ceil(inputs / width);
  const fits = shape.join() === [Math.ceil(rows / height), columns].join();
  return fits ? { columns, height, width } : undefined;
}

function float8Tensor(
  tensor: PlacedTensor,
  { found, scales, grid }: { found: string; scales: PlacedTensor; grid: ScaleGrid },
): PackedTensor {
  const width = tensor.shape[1];
  return {
    exact: () => undefined,
    async open(read) {
      const factors = await readScales(read, scales, found);
      return {
        async values(firstRow, rows) {
          const codes = await read(tensor, firstRow * width, rows * width);
          const values = new Float32Array(codes.length);
          for (let row = 0, at = 0; row < rows; row++) {
            const line = Math.floor((firstRow + row) / grid.height) * grid.columns;
            for (let from = 0; from < width; from += grid.width) {
              const factor = factors[line + from / grid.width];
              const end = at + Math.min(grid.width, width - from);
              for (; at < end; at++) values[at] = FLOAT8[codes[at]] * factor;
            }
          }
          return values;
        },
      };
    },
  };
}
