import assert from "node:assert/strict";
import { spareRows, type TidySituation, worthTidying } from "./tidy.ts";

/** 2000 cold rows of old requests beside one of 500 rows, on a stage with 21.6 ms a row. */
const usual = (more: Partial<TidySituation> = {}): TidySituation => ({
  live: 500,
  cold: 2000,
  gaps: 0,
  rowsToCome: 200,
  rowMs: 21.6,
  moveRowMs: 0.006,
  ...more,
});

Deno.test("worthTidying() moves cold rows away once the rows to come pay for it", () => {
  assert.ok(worthTidying(usual()));
  assert.ok(!worthTidying(usual({ rowsToCome: 0 })), "nothing is to come that would pay for it");
  assert.ok(
    !worthTidying(usual({ rowsToCome: 1 })),
    "one row to come pays 10.4 ms, moving costs 15",
  );
  assert.ok(worthTidying(usual({ rowsToCome: 2 })));
  assert.ok(!worthTidying(usual({ cold: 64, live: 64 })), "a few rows are not worth a thought");
  assert.ok(!worthTidying(usual({ live: 16_000 })), "an eighth of what is live may stay");
});

Deno.test("worthTidying() closes gaps when moving the rest together costs less than they do", () => {
  const gaps = usual({ cold: 0, gaps: 400, rowsToCome: 2 });
  assert.ok(worthTidying(gaps));
  assert.ok(
    !worthTidying({ ...gaps, rowsToCome: 1 }),
    "one row to come pays 2.1 ms, moving costs 3",
  );
  assert.ok(!worthTidying({ ...gaps, gaps: spareRows(500) }));
});
