import assert from "node:assert/strict";
import fc from "fast-check";
import { spareRows, tidy, type TidySituation } from "./tidy.ts";

/** 2000 cold rows of old requests beside one of 500 rows, on a stage with 21.6 ms a row. */
const usual = (more: Partial<TidySituation> = {}): TidySituation => ({
  ...{ live: 500, cold: 2000, holes: 0, rowsToCome: 200, rowMs: 21.6, promptRowMs: 8 },
  ...{ comesBack: 1, moveRowMs: 0.006 },
  olderThan: (age) => age < 20 ? 2000 : 0,
  ...more,
});

Deno.test("Cold rows beyond the spare ones go when rows to come pay for it", () => {
  assert.equal(tidy(usual())?.evict, 2000 - 256);
  assert.equal(tidy(usual({ live: 4000 }))?.evict, 2000 - 1000, "a quarter of what is live may stay");
  assert.equal(tidy(usual({ cold: 256, olderThan: () => 256 })), undefined);
  assert.equal(tidy(usual({ rowsToCome: 0 })), undefined, "nothing is to come that would pay for it");
});

Deno.test("A cold row stays while it is likely to be worth more than it costs", () => {
  // 200 rows to come are taxed 1.04 ms by a slot; a row of 8 ms is worth that up to an age of 6 requests.
  const { age } = tidy(usual())!;
  assert.ok(age > 6 && age < 7, String(age));
  assert.equal(tidy(usual({ olderThan: (a) => a < 5 ? 2000 : 0 })), undefined, "all are younger");
  assert.ok(
    tidy(usual({ comesBack: 0.25 }))!.age < 1,
    "where few prompts come back, only the last one's rows",
  );
  assert.ok(tidy(usual({ rowsToCome: 4000 }))!.age < 0, "for a very long answer even the last chat goes");
});

Deno.test("Holes go when moving the rest costs less than they do", () => {
  const holes = usual({ cold: 0, holes: 400, olderThan: () => 0 });
  assert.deepEqual(tidy(holes)?.evict, 0);
  assert.equal(tidy({ ...holes, holes: 250 }), undefined);
  assert.equal(tidy({ ...holes, rowsToCome: 1 }), undefined, "one row to come pays 2.1 ms, moving costs 3");
  assert.notEqual(tidy({ ...holes, rowsToCome: 2 }), undefined);
});

Deno.test("What is moved out was more than may stay, saves more than it costs, and the spare rows stay", () => {
  fc.assert(fc.property(
    fc.record({
      ...{ live: fc.nat(5000), cold: fc.nat(5000), holes: fc.nat(5000), rowsToCome: fc.nat(5000) },
      rowMs: fc.double({ min: 0.1, max: 500, noNaN: true }),
      promptRowMs: fc.double({ min: 0.1, max: 100, noNaN: true }),
      comesBack: fc.double({ min: 0, max: 1, noNaN: true }),
      moveRowMs: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    (s, share) => {
      const done = tidy({ ...s, olderThan: (age) => Math.floor(s.cold * (age < 10 ? share : share / 2)) });
      if (!done) return;
      assert.ok(s.holes + s.cold > spareRows(s.live));
      assert.ok(done.evict <= s.cold && s.holes + s.cold - done.evict >= Math.min(spareRows(s.live), s.cold));
      const saved = (s.holes + done.evict) * 0.00024 * s.rowMs * s.rowsToCome;
      assert.ok(saved > (s.live + s.cold - done.evict) * s.moveRowMs);
    },
  ));
});
