import assert from "node:assert/strict";
import fc from "fast-check";
import { hasCode } from "../system/errors.ts";
import {
  asFloat32,
  decodeHidden,
  encodeHidden,
  fromFloat32,
  type Tensor,
  tensorSchema,
} from "./tensor.ts";

const rows = (hidden: number, ...values: number[]) =>
  fromFloat32([values.length / hidden, hidden], Float32Array.from(values));
const values = (t: Tensor) => [...asFloat32(t)];
const f16 = (x: number) => new Float16Array([x])[0];

Deno.test("encodeHidden() returns the tensor itself, when the wire is f32", () => {
  const t = rows(2, 1, 2, 3, 4);
  assert.equal(encodeHidden(t, "f32"), t);
  assert.equal(decodeHidden(t), t);
});

Deno.test("encodeHidden() takes two bytes an element and keeps exactly what f16 can hold, when the wire is f16", () => {
  const exact = [0, -0, 1, -2.5, 65504, -65504, 2 ** -24, 1 + 2 ** -10, 1 / 3].map(f16);
  const wire = encodeHidden(rows(3, ...exact), "f16");
  assert.equal(wire.dtype, "f16");
  assert.deepEqual(wire.shape, [3, 3]);
  assert.equal(wire.data.byteLength, 18);
  assert.deepEqual(values(decodeHidden(wire)), exact);
});

Deno.test("encodeHidden() is off by at most 2^-11 of each number, or half the smallest step, when the wire is f16", () => {
  const number = fc.float({ noNaN: true, min: -65504, max: 65504 });
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 40 }), (numbers) => {
      const back = values(decodeHidden(encodeHidden(rows(1, ...numbers), "f16")));
      numbers.forEach((x, i) => {
        assert.ok(
          Math.abs(back[i] - x) <= Math.max(Math.abs(x) * 2 ** -11, 2 ** -25),
          `${x} became ${back[i]}`,
        );
      });
    }),
    { numRuns: 500, seed: 3 },
  );
});

Deno.test("encodeHidden() leaves a tensor as f32, when it has a number too large for f16", () => {
  assert.equal(encodeHidden(rows(2, 1, 65519), "f16").dtype, "f16");
  for (const large of [65520, -65520, 3e38]) {
    const t = rows(2, 1, large);
    assert.equal(encodeHidden(t, "f16"), t);
    assert.deepEqual(values(decodeHidden(encodeHidden(t, "f16"))), [1, Math.fround(large)]);
  }
});

Deno.test("encodeHidden() is off by at most max|row| / 254 in each row, when the wire is int8", () => {
  const number = fc.float({
    noNaN: true,
    noDefaultInfinity: true,
    min: -Math.fround(1e30),
    max: Math.fround(1e30),
  })
    .filter((x) => x === 0 || Math.abs(x) > 1e-30);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(number, number, number), { minLength: 1, maxLength: 12 }),
      (table) => {
        const wire = encodeHidden(rows(3, ...table.flat()), "int8");
        assert.equal(wire.dtype, "i8");
        assert.equal(wire.data.byteLength + wire.scales!.byteLength, table.length * (3 + 4));
        const back = values(decodeHidden(wire));
        table.forEach((row, r) => {
          const bound = Math.max(...row.map(Math.abs)) / 254 * (1 + 1e-5);
          row.forEach((x, i) =>
            assert.ok(Math.abs(back[3 * r + i] - x) <= bound, `${x}: ${back[3 * r + i]}`)
          );
        });
      },
    ),
    { numRuns: 500, seed: 4 },
  );
});

Deno.test("encodeHidden() keeps the largest number of each row exactly, when the wire is int8", () => {
  const back = values(decodeHidden(encodeHidden(rows(2, 127, 1, -1270, 10, 0, 0), "int8")));
  assert.deepEqual(back, [127, 1, -1270, 10, 0, 0]);
});

Deno.test("encodeHidden() keeps a NaN or an infinity visible", () => {
  for (const wire of ["f16", "int8"] as const) {
    const back = values(decodeHidden(encodeHidden(rows(2, 1, NaN, 2, Infinity, 3, 4), wire)));
    assert.ok(!Number.isFinite(back[0] + back[1]), wire);
    assert.ok(!Number.isFinite(back[2] + back[3]), wire);
    assert.ok(Math.abs(back[4] - 3) < 0.02 && Math.abs(back[5] - 4) < 0.02, wire);
  }
});

Deno.test("encodeHidden() and decodeHidden() take bytes that are not aligned, and leave the buffer as it was", () => {
  for (const wire of ["f32", "f16", "int8"] as const) {
    const plain = rows(2, 1, -2, 3, 127);
    const shifted = (t: Tensor): Tensor => {
      const buffer = new Uint8Array(t.data.byteLength + 1);
      buffer.set(t.data, 1);
      return { ...t, data: buffer.subarray(1) };
    };
    const wired = encodeHidden(shifted(plain), wire);
    assert.deepEqual(
      values(decodeHidden(shifted(wired))),
      values(decodeHidden(encodeHidden(plain, wire))),
      wire,
    );
    assert.deepEqual(values(plain), [1, -2, 3, 127]);
  }
});

Deno.test("decodeHidden() refuses tensors that are not hidden states", () => {
  const bad: Tensor[] = [
    { dtype: "i8", shape: [2, 1], data: new Uint8Array(2) },
    { dtype: "i8", shape: [2, 1], data: new Uint8Array(2), scales: new Float32Array(3) },
    { dtype: "i32", shape: [1, 1], data: new Uint8Array(4) },
  ];
  for (const t of bad) assert.throws(() => decodeHidden(t), (e) => hasCode(e, "bad_frame"));
  assert.throws(() => encodeHidden(bad[0], "f16"), (e) => hasCode(e, "bad_frame"));
});

Deno.test("tensorSchema takes scales with i8 rows only, one for each row", () => {
  const ok = encodeHidden(rows(2, 1, 2, 3, 4), "int8");
  assert.deepEqual(tensorSchema.parse(ok).scales, ok.scales);
  const bad: unknown[] = [
    { ...ok, scales: new Float32Array(3) },
    { ...ok, scales: [1, 2] },
    { ...ok, shape: [4] },
    { ...rows(2, 1, 2), scales: Float32Array.of(1) },
    { ...ok, data: new Uint8Array(5) },
  ];
  for (const t of bad) assert.equal(tensorSchema.safeParse(t).success, false);
});
