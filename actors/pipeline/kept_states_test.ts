import assert from "node:assert/strict";
import { keptRowBytes, KeptStates } from "./kept_states.ts";
import { decodeHidden, encodeHidden, fromFloat32, type Tensor, type Wire } from "./tensor.ts";
import { seededRandom } from "../system/simulation.ts";

const HIDDEN = 5;
const NONE = new Int32Array(0);

/** Rows of which each is told from every other: f32 (ids, hidden). */
const states = (...ids: number[]): Tensor =>
  fromFloat32(
    [ids.length, HIDDEN],
    Float32Array.from({ length: ids.length * HIDDEN }, (_, i) =>
      ids[Math.floor(i / HIDDEN)] + (i % HIDDEN) / 8),
  );

/** First element of each row. */
const ids = (tensor: Tensor | undefined): number[] | undefined => {
  if (!tensor) return undefined;
  const values = new Float32Array(decodeHidden(tensor).data.slice().buffer);
  return Array.from({ length: tensor.shape[0] }, (_, row) => values[row * HIDDEN]);
};

Deno.test("KeptStates.get() gives the bytes that were sent, in every wire format", () => {
  for (const wire of ["f32", "f16", "int8"] as Wire[]) {
    const kept = new KeptStates(HIDDEN);
    kept.layout({ capacity: 300, keep: NONE });
    const sent = encodeHidden(states(1, 2, 3, 4), wire);
    kept.put(126, sent); // two blocks
    const { dtype, data, scales } = kept.get(126, 4)!;
    assert.deepEqual({ dtype, data, scales }, {
      dtype: sent.dtype,
      data: sent.data,
      scales: sent.scales,
    });
    assert.deepEqual(kept.get(127, 2)!.shape, [2, HIDDEN]);
    assert.equal(kept.bytes, 256 * keptRowBytes(wire, HIDDEN));
    assert.equal(kept.get(125, 2), undefined, "slot 125 was never written");
    assert.equal(kept.get(129, 2), undefined, "nor was slot 130");
  }
});

Deno.test("KeptStates.put() keeps rows that f16 cannot hold beside rows that it can", () => {
  const kept = new KeptStates(HIDDEN);
  kept.layout({ capacity: 16, keep: NONE });
  kept.put(0, encodeHidden(states(1, 2), "f16"));
  const large = encodeHidden(states(100_000, 100_001), "f16");
  assert.equal(large.dtype, "f32");
  kept.put(2, large);
  kept.put(4, encodeHidden(states(3), "f16"));
  assert.deepEqual(ids(kept.get(0, 5)), [1, 2, 100_000, 100_001, 3]);
});

Deno.test("KeptStates.layout() moves rows as random layouts say, and forgets the others", () => {
  const random = seededRandom(5);
  const int = (n: number) => Math.floor(random() * n);
  for (const wire of ["f16", "int8"] as Wire[]) {
    const kept = new KeptStates(HIDDEN);
    let capacity = 200;
    /** Id of the row of each slot; undefined: none stands there. */
    let rows: (number | undefined)[] = Array(capacity).fill(undefined);
    kept.layout({ capacity, keep: NONE });
    for (let round = 0, id = 1; round < 60; round++) {
      const base = int(capacity - 8);
      const n = 1 + int(8);
      const written = Array.from({ length: n }, () => id++);
      kept.put(base, encodeHidden(states(...written), wire));
      for (const [i, w] of written.entries()) rows[base + i] = w;
      if (round % 3 === 0) {
        const standing = [...rows.keys()].filter((s) => rows[s] !== undefined && random() < 0.9);
        standing.sort(() => random() - 0.5);
        const shelf = standing.splice(0, int(standing.length));
        const larger = capacity + int(2) * 100;
        const name = (slot: number) => int(2) ? slot : slot - capacity;
        kept.layout({
          capacity: larger,
          keep: Int32Array.from(standing, name),
          ...(shelf.length > 0 && { shelf: Int32Array.from(shelf, name) }),
        });
        const moved: (number | undefined)[] = Array(larger).fill(undefined);
        for (const [to, from] of standing.entries()) moved[to] = rows[from];
        for (const [i, from] of shelf.entries()) moved[larger - shelf.length + i] = rows[from];
        [rows, capacity] = [moved, larger];
      }
      for (const [slot, row] of rows.entries()) {
        const [known] = ids(kept.get(slot, 1)) ?? [];
        if (row === undefined) assert.equal(known, undefined, `slot ${slot}`);
        else assert.ok(Math.abs(known! - row) < 0.5 + row / 200, `slot ${slot}: ${known} ${row}`);
      }
      assert.equal(kept.rows, rows.filter((row) => row !== undefined).length);
    }
  }
});

Deno.test("KeptStates.layout() gives blocks back in which no row is left", () => {
  const kept = new KeptStates(HIDDEN);
  kept.layout({ capacity: 1024, keep: NONE });
  for (let base = 0; base < 1024; base += 4) {
    kept.put(base, encodeHidden(states(1, 2, 3, 4), "f16"));
  }
  assert.equal(kept.bytes, 1024 * keptRowBytes("f16", HIDDEN));
  kept.layout({ capacity: 1024, keep: Int32Array.of(1023, 7) });
  assert.equal(kept.bytes, 128 * keptRowBytes("f16", HIDDEN));
  assert.equal(kept.rows, 2);
});
