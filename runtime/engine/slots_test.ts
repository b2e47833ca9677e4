import assert from "node:assert/strict";
import fc from "fast-check";
import { hasCode } from "../../actors/system/errors.ts";
import { range } from "../../tests/support/engine_fixture.ts";
import { chain, rows } from "../../tests/support/slot_rows.ts";
import { moves, Slots } from "./slots.ts";

Deno.test("Slots.runs() walks a long chain as one run, when it came in pieces", () => {
  const slots = new Slots(100);
  for (let base = 0; base < 96; base += 8) slots.write(chain(base, 8));
  assert.deepEqual([...slots.runs(95)], [{ first: 0, last: 95 }]);
  slots.write(rows(96, [40], [41]));
  assert.deepEqual([...slots.runs(96)], [{ first: 96, last: 96 }, { first: 0, last: 40 }]);
});

Deno.test("Slots.check() names the capacity and the rows needed, when a frame does not fit", () => {
  const slots = new Slots(4);
  slots.check(chain(0, 4));
  assert.throws(
    () => slots.check(chain(0, 5)),
    (e) =>
      hasCode(e, "arena_full") && e.metadata.capacity === 4 && e.metadata.needed === 5 &&
      /5 rows.*4/.test(e.message),
  );
});

Deno.test("Slots.check() refuses rows whose parent or position cannot be, and changes nothing", () => {
  const slots = new Slots(8);
  slots.write(chain(0, 2));
  const bad = [
    rows(3, [2]), // a gap: slot 2 was never written
    rows(2, [2]), // its own parent
    rows(2, [1, 4]), // a later row as parent
    rows(2, [-2]),
    rows(2, [1], [1]), // same position as its parent
    rows(2, [1, 2], [5, 5]),
  ];
  for (const frame of bad) assert.throws(() => slots.check(frame), (e) => hasCode(e, "bad_frame"));
  slots.check(rows(2, [1, 2], [2, 7]));
  slots.check(rows(5, [-1]));
});

Deno.test("Slots.forget() drops rows and what hangs on them, and keeps their neighbours", () => {
  const slots = new Slots(8);
  slots.write(rows(0, [-1, 0, 0, 1, 3, 2]));
  slots.forget(1, 1);
  for (
    const [slot, there] of [[0, true], [1, false], [2, true], [3, false], [4, false], [
      5,
      true,
    ]] as const
  ) {
    const next = rows(7, [slot]);
    if (there) slots.check(next);
    else assert.throws(() => slots.check(next), (e) => hasCode(e, "bad_frame"));
  }
});

Deno.test("Slots.moved() keeps every path as moves() says, for any tree and any rows kept with their ancestors, below or on the shelf", () => {
  const node = fc.record({
    parent: fc.nat(),
    chained: fc.boolean(),
    wanted: fc.boolean(),
    away: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(node, { minLength: 1, maxLength: 24 }),
      fc.nat({ max: 6 }),
      (nodes, spare) => {
        const parents = nodes.map(({ parent, chained }, slot) =>
          chained ? slot - 1 : parent % (slot + 1) - 1
        );
        const slots = new Slots(nodes.length);
        const tokens = Int32Array.from(nodes, (_, slot) => 100 + slot);
        const positions = Int32Array.from(tokens, (_, slot) => slot);
        slots.write({ base: 0, tokens, positions, parents: Int32Array.from(parents) });
        const kept = new Set<number>();
        const below = new Set<number>();
        nodes.forEach(({ wanted, away }, slot) => {
          for (let s = slot; wanted && s >= 0; s = parents[s]) {
            kept.add(s);
            if (!away) below.add(s);
          }
        });
        const keep = Int32Array.from(below).sort();
        const shelf = Int32Array.from([...kept].filter((slot) => !below.has(slot))).sort();
        const capacity = kept.size + spare || 1;
        const moved = slots.moved(capacity, keep, shelf);
        const now = new Map([...keep].map((from, to) => [from, to]));
        shelf.forEach((from, i) => now.set(from, capacity - shelf.length + i));
        for (const [from, to] of now) {
          const parent = parents[from];
          assert.equal(moved.parent(to), parent < 0 ? -1 : now.get(parent));
          assert.equal(moved.position(to), slots.position(from));
          if (below.has(from)) assert.deepEqual(moved.path(to, 3), slots.path(from, 3));
        }
        const room = capacity - shelf.length;
        const one = (base: number, parent: number) => rows(base, [parent], [99]);
        assert.throws(() => moved.check(one(room, -1)), (e) => hasCode(e, "arena_full"));
        for (let slot = 0; slot < room - 1; slot++) {
          const check = () => moved.check(one(room - 1, slot));
          if (slot < keep.length) check();
          else assert.throws(check, (e) => hasCode(e, "bad_frame"));
        }
        const all = [...moves(keep), ...moves(shelf, room)]
          .flatMap(({ from, to, rows }) => range(rows).map((i) => [from + i, to + i]));
        assert.deepEqual(all, [...now]);
        // Down again, the shelf's rows after the others: what was there before.
        const back = Int32Array.from([...keep, ...shelf], (from) => now.get(from)!);
        const again = slots.moved(capacity, keep, shelf);
        const order = [...back].sort((a, b) => again.position(a) - again.position(b));
        const down = again.moved(capacity, Int32Array.from(order));
        order.forEach((_, to) =>
          assert.equal(down.position(to), [...kept].sort((a, b) => a - b)[to])
        );
      },
    ),
    { numRuns: 500, seed: 9 },
  );
});
