/**
 * Weights in MLX's affine quantisation: value = code * scale + bias for each group of inputs, codes of
 * 2 to 8 bits one after the other in words of 32, the lowest bits first.
 *
 * @module
 */
import { checkPart, endingWith, readScales } from "./packed_parts.ts";
import type { PackedTensor, PlacedTensor } from "./placed_tensor.ts";

const WORD_BITS = 32;

/** The parts of a matrix, its codes' name, inputs that share a scale, and bits of a code. */
interface AffineParts {
  name: string;
  codes: PlacedTensor;
  scales: PlacedTensor;
  biases: PlacedTensor;
  group: number;
  bits: number;
}

/**
 * Gives each matrix X.weight of words its X.scales and X.biases. `group` is the number of inputs that
 * share a scale; `groups` has those of matrices X that have another one.
 */
export function packAffine(
  tensors: Map<string, PlacedTensor>,
  { group: usual, groups }: { group: number; groups: Readonly<Record<string, number>> },
): void {
  for (const [stem, codes] of endingWith(tensors, ".weight")) {
    const name = `${stem}.weight`;
    const [scales, biases] = [tensors.get(`${stem}.scales`), tensors.get(`${stem}.biases`)];
    if (codes.dtype !== "U32" || codes.shape.length !== 2) continue;
    const group = Object.hasOwn(groups, stem) ? groups[stem] : usual;
    const inputs = scales?.shape.length === 2 ? scales.shape[1] * group : 0;
    const bits = codes.shape[1] * WORD_BITS / inputs;
    if (!scales || !biases || !(bits >= 2 && bits <= 8 && Number.isInteger(bits))) {
      const why = scales && biases
        ? `its scales are [${scales.shape}] for groups of ${group} inputs`
        : `there is no ${stem}.scales or ${stem}.biases`;
      tensors.set(name, { ...codes, unpacked: `it is U32 [${codes.shape}], and ${why}` });
      continue;
    }
    tensors.set(name, {
      ...codes,
      dtype: `MLX${bits}`,
      shape: [codes.shape[0], inputs],
      packed: affineTensor({ name, codes, scales, biases, group, bits }),
    });
  }
}

function affineTensor(
  { name, codes, scales, biases, group, bits }: AffineParts,
): PackedTensor {
  const [outputs, columns] = codes.shape;
  const count = scales.shape[1];
  return {
    // Biases are no whole multiples of the scales.
    exact: () => undefined,
    async open(read) {
      for (const [what, part] of [["scales", scales], ["biases", biases]] as const) {
        checkPart(part, name.replace(/weight$/, what), {
          dtype: scales.dtype,
          shape: [outputs, count],
        });
      }
      const factors = await readScales(read, scales, `${name} (scales)`);
      const offsets = await readScales(read, biases, `${name} (biases)`);
      return {
        async values(firstRow, rows) {
          const bytes = await read(codes, firstRow * columns * 4, rows * columns * 4);
          const values = new Float32Array(rows * count * group);
          const reader = bitReader(bytes, bits);
          for (let line = 0, at = 0; line < rows * count; line++) {
            const scale = factors[firstRow * count + line];
            const bias = offsets[firstRow * count + line];
            for (let i = 0; i < group; i++, at++) values[at] = reader() * scale + bias;
          }
          return values;
        },
      };
    },
  };
}

/** Gives the next code of so many bits at each call, the lowest bits first. */
function bitReader(bytes: Uint8Array, bits: number): () => number {
  const mask = (1 << bits) - 1;
  let at = 0, held = 0, count = 0;
  return () => {
    if (count < bits) {
      held |= bytes[at++] << count;
      count += 8;
    }
    const code = held & mask;
    held >>= bits;
    count -= bits;
    return code;
  };
}
