import assert from "node:assert/strict";
import fc from "fast-check";
import { type Moved, newRow, type Row, RowPool } from "./row_pool.ts";

Deno.test("RowPool.arrange() and identity() move every row to the slot that the pool says, and none when refused", () => {
  const action = fc.constantFrom("place", "free", "call", "idle", "arrange", "grow", "refuse");
  fc.assert(fc.property(
    fc.array(fc.tuple(action, fc.nat(), fc.integer({ min: 0, max: 40 })), { maxLength: 60 }),
    (actions) => {
      const pool = new RowPool();
      pool.capacity = 60;
      /** What the stages have: rows by slot. */
      let stage = new Map<number, Row>();
      const rows = new Set<Row>();
      const idle = (row: Row) => row.users === 0;
      /** What a stage makes of a layout. */
      const lay = ({ keep, shelf = new Int32Array(0) }: Moved, before: number) => {
        const next = new Map<number, Row>();
        const at = (slot: number) => stage.get(slot < 0 ? slot + before : slot)!;
        keep.forEach((from, to) => next.set(to, at(from)));
        shelf.forEach((from, i) => next.set(pool.capacity - shelf.length + i, at(from)));
        stage = next;
      };
      for (const [what, pick, number] of actions) {
        const row = [...rows][pick % Math.max(1, rows.size)];
        switch (what) {
          case "place":
            if (pool.room > 0) {
              const placed = newRow(0, rows.size, {});
              pool.place(placed);
              rows.add(placed);
              stage.set(placed.slot, placed);
            }
            break;
          case "free":
            if (row) pool.free(row);
            rows.delete(row);
            break;
          case "idle":
            if (row && row.users > 0) {
              row.users = 0;
              if (row.shelved) pool.uncall();
            }
            break;
          case "call":
            if (row && row.users === 0) {
              row.users = 1;
              if (row.shelved) pool.call();
            }
            break;
          case "arrange":
            lay(pool.arrange(number % 2 ? idle : undefined), pool.capacity);
            assert.equal(pool.called, 0, "who is needed has come down");
            break;
          default: {
            if (!pool.sound) break;
            const from = pool.capacity;
            pool.capacity += number;
            const moved = pool.identity();
            if (what === "grow") lay(moved, from);
            else pool.capacity = from;
          }
        }
        for (const one of rows) assert.equal(stage.get(one.slot), one, what);
        assert.equal(pool.live + pool.shelved, rows.size);
        assert.equal(pool.capacity - pool.room - pool.holes, rows.size);
        assert.equal(pool.called, [...rows].filter((r) => r.shelved && r.users > 0).length);
      }
    },
  ));
});
