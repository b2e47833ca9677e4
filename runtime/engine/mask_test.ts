import assert from "node:assert/strict";
import fc from "fast-check";
import { hasCode } from "../../actors/system/errors.ts";
import { MASKED } from "../../models/graph/contract.ts";
import { chain, rows } from "../../tests/support/slot_rows.ts";
import { attentionBias, windowBias } from "./mask.ts";
import { type SlotRows, Slots } from "./slots.ts";

function put(slots: Slots, frame: SlotRows): Float32Array {
  slots.check(frame);
  slots.write(frame);
  return attentionBias(slots, frame.base, frame.tokens.length);
}

/**
 * The definition: a table of parents, walked one by one. Overwriting forgets what hung on the
 * overwritten slots.
 */
class Naive {
  parents = new Map<number, number>();
  write(frame: SlotRows): void {
    const end = frame.base + frame.parents.length;
    const own = (slot: number) => slot >= frame.base && slot < end;
    const hangs = (slot: number): boolean =>
      slot !== -1 && (own(slot) || hangs(this.parents.get(slot)!));
    for (const slot of [...this.parents.keys()].filter(hangs)) this.parents.delete(slot);
    frame.parents.forEach((parent, i) => this.parents.set(frame.base + i, parent));
  }
  ancestors(slot: number): number[] {
    const path: number[] = [];
    for (; slot !== -1; slot = this.parents.get(slot)!) path.push(slot);
    return path;
  }
  bias(frame: SlotRows): number[] {
    const n = frame.parents.length;
    const total = frame.base + n;
    return Array.from({ length: n }, (_, row) => {
      const seen = new Set(this.ancestors(frame.base + row));
      return Array.from({ length: total }, (_, slot) => seen.has(slot) ? 0 : MASKED);
    }).flat();
  }
}

Deno.test("attentionBias() is causal for a chain", () => {
  const slots = new Slots(8);
  const M = Math.fround(MASKED);
  assert.deepEqual([...put(slots, chain(0, 3))], [0, M, M, 0, 0, M, 0, 0, 0]);
  assert.deepEqual([...put(slots, chain(3, 2))], [0, 0, 0, 0, M, 0, 0, 0, 0, 0]);
});

Deno.test("attentionBias() hides a sibling branch and its rows", () => {
  const slots = new Slots(8);
  const M = Math.fround(MASKED);
  put(slots, chain(0, 2));
  put(slots, rows(2, [1, 2], [2, 3]));
  assert.deepEqual([...put(slots, rows(4, [1, 4], [2, 3]))], [0, 0, M, M, 0, M, 0, 0, M, M, 0, 0]);
});

Deno.test("attentionBias() overwrites the buffer given, when it is long enough", () => {
  const slots = new Slots(8);
  slots.write(chain(0, 3));
  const out = new Float32Array(20).fill(NaN);
  const bias = attentionBias(slots, 0, 3, { out });
  assert.equal(bias.buffer, out.buffer);
  assert.deepEqual([...bias], [...attentionBias(slots, 0, 3)]);
  assert.ok(attentionBias(slots, 0, 3, { out: new Float32Array(4) }).length === 9);
});

/** Both biases of the frame that was just put. */
function windowed(slots: Slots, frame: SlotRows, window: number, out?: Float32Array<ArrayBuffer>) {
  const bias = attentionBias(slots, frame.base, frame.tokens.length);
  return {
    bias,
    windowed: windowBias(slots, frame.base, frame.tokens.length, { window, bias, out }),
  };
}

Deno.test("windowBias() shows each row of a chain the rows of its window, itself included", () => {
  const slots = new Slots(8);
  const M = Math.fround(MASKED);
  const frame = chain(0, 4);
  put(slots, frame);
  assert.deepEqual([...windowed(slots, frame, 2).windowed], [
    0,
    M,
    M,
    M,
    0,
    0,
    M,
    M,
    M,
    0,
    0,
    M,
    M,
    M,
    0,
    0,
  ]);
});

Deno.test("windowBias() counts positions along a row's path, not slots", () => {
  const slots = new Slots(8);
  const M = Math.fround(MASKED);
  put(slots, chain(0, 2)); // positions 0 1
  put(slots, rows(2, [1, 2, 3], [2, 3, 4])); // a branch that the next row does not see
  const branch = rows(5, [1], [2]);
  put(slots, branch);
  assert.deepEqual([...windowed(slots, branch, 2).windowed], [M, 0, M, M, M, 0]);
});

Deno.test("windowBias() returns the plain bias itself, when no row is past the window, else uses the buffer given", () => {
  const slots = new Slots(8);
  const frame = chain(0, 4);
  put(slots, frame);
  const open = windowed(slots, frame, 4);
  assert.equal(open.windowed, open.bias);
  const out = new Float32Array(20).fill(NaN);
  assert.equal(windowed(slots, frame, 3, out).windowed.buffer, out.buffer);
  assert.deepEqual(windowed(slots, frame, 3, out).windowed, windowed(slots, frame, 3).windowed);
});

Deno.test("windowBias() equals the plain bias with far positions masked, for any tree with gaps between positions", () => {
  const node = fc.record({
    parent: fc.nat(),
    step: fc.integer({ min: 1, max: 3 }),
    chained: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(node, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 12 }),
      fc.nat(),
      (nodes, window, split) => {
        const positions: number[] = [];
        const parents = nodes.map(({ parent, step, chained }, slot) => {
          const at = slot === 0 ? -1 : chained ? slot - 1 : parent % slot;
          positions.push((at < 0 ? 0 : positions[at]) + step);
          return at;
        });
        const base = split % nodes.length;
        const slots = new Slots(20);
        if (base > 0) put(slots, rows(0, parents.slice(0, base), positions.slice(0, base)));
        const frame = rows(base, parents.slice(base), positions.slice(base));
        put(slots, frame);
        const { bias, windowed: got } = windowed(slots, frame, window);
        const want = bias.map((value, at) => {
          const [row, slot] = [base + Math.floor(at / nodes.length), at % nodes.length];
          return positions[row] - positions[slot] >= window ? MASKED : value;
        });
        assert.deepEqual(got, want);
      },
    ),
    { numRuns: 500, seed: 7 },
  );
});

Deno.test("attentionBias() equals a naive walk, as Slots.path() does, for any frames, trees and overwrites", () => {
  const CAPACITY = 24;
  const step = fc.record({
    at: fc.nat(),
    rows: fc.integer({ min: 1, max: 6 }),
    picks: fc.array(fc.option(fc.nat(), { freq: 2 }), { minLength: 6, maxLength: 6 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const slots = new Slots(CAPACITY);
      const naive = new Naive();
      let end = 0;
      for (const s of steps) {
        const n = Math.min(s.rows, CAPACITY);
        const base = Math.min(s.at % (end + 1), CAPACITY - n);
        const parents: number[] = [];
        for (let i = 0; i < n; i++) {
          const slot = base + i;
          const choices = [-1, ...[...naive.parents.keys()].filter((p) => p < base)];
          for (let p = base; p < slot; p++) choices.push(p);
          // Left out: hang on the slot before, if it can be.
          const pick = s.picks[i];
          parents.push(
            pick === null
              ? (choices.includes(slot - 1) ? slot - 1 : -1)
              : choices[pick % choices.length],
          );
        }
        const frame = rows(base, parents);
        naive.write(frame);
        const bias = naive.bias(frame);
        assert.deepEqual(put(slots, frame), Float32Array.from(bias));
        // The columns that no row attends to may be left out.
        const seen = parents.flatMap((_, i) => naive.ancestors(base + i));
        const first = Math.min(...seen);
        assert.equal(slots.lowest(base, n), first);
        const total = base + n;
        assert.deepEqual(
          attentionBias(slots, base, n, { first }),
          Float32Array.from(bias.filter((_, i) => i % total >= first)),
        );
        end = Math.max(end, base + n);
        for (const slot of naive.parents.keys()) {
          const path = naive.ancestors(slot).reverse();
          const got = slots.path(slot, 5);
          assert.deepEqual([...got.tokens], path.map((p) => 100 + p));
          assert.equal(got.promptRows, path.filter((p) => p < 5).length);
        }
        for (let slot = 0; slot < CAPACITY - 1; slot++) {
          const next = rows(CAPACITY - 1, [slot]);
          if (naive.parents.has(slot)) slots.check(next);
          else assert.throws(() => slots.check(next), (e) => hasCode(e, "bad_frame"));
        }
      }
    }),
    { numRuns: 500, seed: 5 },
  );
});
