import assert from "node:assert/strict";
import { inFolder } from "../../tests/support/store_folder.ts";
import type { TensorSpec } from "../arch/mod.ts";
import { factorsOf, type FactorWindows } from "../calibration/mod.ts";
import type { SourceTensor, WeightSource } from "../sources/mod.ts";
import { BlobFolder } from "./blobs.ts";
import { convertGroup } from "./convert.ts";

const [EXPERTS, ROWS, INPUTS, KEY] = [3, 4, 64, "mlp.experts.down"];

let seed = 11;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;
const noise = (length: number) => Float32Array.from({ length }, random);

/** A source of one tensor, which it gives five rows at a time. */
function sourceOf(values: Float32Array): WeightSource {
  return {
    tensors: new Map(),
    check: () => ({}) as SourceTensor,
    async *read() {
      for (let firstRow = 0; firstRow * INPUTS < values.length; firstRow += 5) {
        const some = values.subarray(firstRow * INPUTS, (firstRow + 5) * INPUTS);
        yield await Promise.resolve({ firstRow, rows: some.length / INPUTS, values: some });
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The Gram matrix of rows that differ from expert to expert. */
function gramOf(): Float32Array {
  const rows = noise(40 * INPUTS);
  for (let i = 0; i < rows.length; i++) if (i % INPUTS > 0) rows[i] += 0.9 * rows[i - 1];
  return Float32Array.from({ length: INPUTS * INPUTS }, (_, at) => {
    const [i, j] = [Math.floor(at / INPUTS), at % INPUTS];
    let sum = 0;
    for (let row = 0; row < rows.length; row += INPUTS) sum += rows[row + i] * rows[row + j];
    return sum;
  });
}

Deno.test("convertGroup() makes up for the errors of each expert by its own rows", async () => {
  const grams = Array.from({ length: EXPERTS }, (_, expert) => ({
    keys: [KEY],
    expert,
    rows: 40,
    windows: [{ first: 0, size: INPUTS, values: gramOf() }],
  }));
  const factors = factorsOf(grams).get(KEY)!;
  assert.equal(factors.length, EXPERTS);
  const weights = noise(EXPERTS * ROWS * INPUTS);
  await inFolder(async (dir) => {
    const blobs = await BlobFolder.open(dir);
    /** The codes of a tensor that is converted with these factors. */
    const codesOf = async (values: Float32Array, some: readonly FactorWindows[]) => {
      const shape = [values.length / INPUTS, INPUTS];
      const spec: TensorSpec = { key: KEY, name: KEY, shape, role: "projection" };
      const { sha256, tensors } = await convertGroup(sourceOf(values), [spec], blobs, {
        precision: "q4",
        vocabulary: "q8",
        factors: new Map([[KEY, some]]),
      });
      const { offset, bytes } = tensors[KEY].data;
      return [...(await Deno.readFile(blobs.path(sha256))).subarray(offset, offset + bytes)];
    };
    const each: number[] = [];
    for (const [expert, own] of factors.entries()) {
      const from = expert * ROWS * INPUTS;
      each.push(...await codesOf(weights.subarray(from, from + ROWS * INPUTS), [own]));
    }
    assert.deepEqual(await codesOf(weights, factors), each);
    assert.notDeepEqual(await codesOf(weights, factors.slice(0, 1)), each);
  });
});
