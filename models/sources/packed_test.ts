import assert from "node:assert/strict";
import type { Packing } from "../arch/mod.ts";
import { packTensors } from "./packed.ts";
import type { PlacedTensor, ReadBytes } from "./placed_tensor.ts";

type Array1 = Int32Array | Uint16Array | Float32Array | Uint8Array;

/** Tensors in memory, each with its element type, shape and elements. */
function inMemory(parts: Record<string, [dtype: string, shape: number[], elements: Array1]>) {
  const tensors = new Map<string, PlacedTensor>();
  const bytes = new Map<PlacedTensor["file"], Uint8Array>();
  for (const [name, [dtype, shape, elements]] of Object.entries(parts)) {
    const own = new Uint8Array(elements.buffer.slice(0) as ArrayBuffer);
    bytes.set(name, own);
    tensors.set(name, { dtype, shape, file: name, bytes: own.length, offset: 0 });
  }
  const read: ReadBytes = ({ file }, from, count) =>
    Promise.resolve(bytes.get(file)!.slice(from, from + count) as Uint8Array<ArrayBuffer>);
  return { tensors, read };
}

const GPTQ: Packing = {
  kind: "integers",
  layout: "gptq",
  bits: 4,
  symmetric: true,
  zeroOffset: 1,
  indexed: false,
};

/** A GPTQ matrix [8, 32] in two groups of 16, all of whose zero points are 8. */
const gptq = () => ({
  "a.qweight": ["I32", [4, 8], Int32Array.from({ length: 32 }, (_, i) => 0x11111111 * (i % 7))],
  "a.qzeros": ["I32", [2, 1], new Int32Array(2).fill(0x77777777)],
  "a.scales": ["F32", [2, 8], Float32Array.from({ length: 16 }, (_, i) => 1 + i)],
  "a.g_idx": ["I32", [32], Int32Array.from({ length: 32 }, (_, i) => i >> 4)],
} as Record<string, [string, number[], Array1]>);

Deno.test("packTensors() gives a GPTQ matrix the values of its codes, in our layouts too", async () => {
  const { tensors, read } = inMemory(gptq());
  packTensors(tensors, GPTQ);
  const { shape, packed, dtype } = tensors.get("a.weight")!;
  assert.deepEqual([dtype, shape, packed!.exact("q4")], ["GPTQ4", [8, 32], 16]);
  const rows = await packed!.open(read, "a.weight");
  const values = await rows.values(1, 2);
  // Word 1 of each row of words: codes of 1; group 0 of row 1 has scale 2, group 1 scale 10.
  assert.deepEqual([values[0], values[15], values[16]], [(1 - 8) * 2, (2 - 8) * 2, (3 - 8) * 10]);
  const q8 = await rows.codes!("q8", 1, 2);
  assert.deepEqual([...q8.scales], [2, 10, 3, 11]);
  assert.deepEqual([q8.codes[0], q8.codes[16]], [128 + 1 - 8, 128 + 3 - 8]);
  const q4 = await rows.codes!("q4", 1, 2);
  assert.deepEqual([q4.zeros, q4.codes[0], q4.codes[8]], [undefined, 0x11, 0x33]);
});

Deno.test("packTensors() refuses parts that contradict each other or config.json", async () => {
  const faults: [string, Partial<ReturnType<typeof gptq>>, Partial<Packing>, RegExp][] = [
    [
      "zero points of another shape",
      {
        "a.qzeros": ["I32", [1, 1], new Int32Array(1)],
      },
      {},
      /a\.qzeros: it is I32 \[1,1\] where its weight calls for I32 \[2,1\]/,
    ],
    [
      "zero points that are not symmetric",
      {
        "a.qzeros": ["I32", [2, 1], Int32Array.of(0x77777777, 0x77777776)],
      },
      {},
      /a\.qzeros: a zero point is not the middle code/,
    ],
    [
      "groups that are not neighbours",
      { "a.g_idx": ["I32", [32], new Int32Array(32)] },
      {},
      /a\.g_idx: groups are not neighbours/,
    ],
    [
      "a group that is not there",
      {
        "a.g_idx": ["I32", [32], new Int32Array(32).fill(2, 9)],
      },
      { indexed: true },
      /input 9 of a\.weight is in group 2 of 2/,
    ],
    [
      "a scale that is not finite",
      {
        "a.scales": ["F32", [2, 8], new Float32Array(16).fill(NaN, 3)],
      },
      {},
      /a\.scales: scale 3 is NaN/,
    ],
    [
      "scales of integers",
      {
        "a.scales": ["I32", [2, 8], new Int32Array(16)],
      },
      {},
      /its scales are I32/,
    ],
    [
      "scales of another shape",
      {
        "a.scales": ["F32", [2, 7], new Float32Array(14)],
      },
      {},
      /a\.scales: it is F32 \[2,7\] where its weight calls for F32 \[2,8\]/,
    ],
    [
      "groups that do not share the inputs",
      {
        "a.scales": ["F32", [5, 8], new Float32Array(40)],
      },
      {},
      /5 groups of its scales do not share 32 inputs/,
    ],
  ];
  for (const [what, parts, changes, message] of faults) {
    const { tensors, read } = inMemory(
      { ...gptq(), ...parts } as Parameters<typeof inMemory>[0],
    );
    packTensors(tensors, { ...GPTQ, ...changes } as Packing);
    await assert.rejects(
      tensors.get("a.weight")!.packed!.open(read, "a.weight"),
      { group: "model", code: "packed_tensor", message },
      what,
    );
  }
  const { tensors, read } = inMemory(gptq());
  tensors.delete("a.qzeros");
  packTensors(tensors, { ...GPTQ, symmetric: false } as Packing);
  await assert.rejects(
    tensors.get("a.weight")!.packed!.open(read, "a.weight"),
    /no qzeros, which its config calls for/,
  );
});

Deno.test("packTensors() leaves alone what has no scales that fit, and says why", () => {
  const parts = {
    "a.weight": ["F8_E4M3", [4, 32], new Uint8Array(128)],
    "b.weight": ["F8_E4M3", [4, 32], new Uint8Array(128)],
    "b.weight_scale_inv": ["F32", [3, 1], new Float32Array(3)],
    "c.weight": ["I8", [4, 32], new Uint8Array(128)],
    "c.weight_scale": ["F32", [2, 1], new Float32Array(2)],
  } as Record<string, [string, number[], Array1]>;
  const { tensors } = inMemory(parts);
  packTensors(tensors, { kind: "float8", block: [2, 16] });
  assert.match(tensors.get("a.weight")!.unpacked!, /there is no a\.weight_scale_inv/);
  assert.match(tensors.get("b.weight")!.unpacked!, /b\.weight_scale_inv are \[3,1\]/);
  assert.equal(tensors.get("c.weight")!.packed, undefined);
  packTensors(tensors, { kind: "bytes" });
  assert.match(tensors.get("c.weight")!.unpacked!, /c\.weight_scale are \[2,1\]/);
});
