import assert from "node:assert/strict";
import { LimitedLog } from "./limited_log.ts";

Deno.test("LimitedLog.take() lets one line of a sort pass in a span, and counts the others", () => {
  let now = 0;
  const log = new LimitedLog({ everyMs: 1000, now: () => now });
  assert.deepEqual(log.take("a"), { write: true, leftOut: 0 });
  for (let i = 0; i < 5; i++) assert.equal(log.take("a").write, false);
  assert.deepEqual(log.take("b"), { write: true, leftOut: 0 });
  now = 1000;
  assert.deepEqual(log.take("a"), { write: true, leftOut: 5 });
  assert.deepEqual(log.take("b"), { write: true, leftOut: 0 });
  now = 2000;
  assert.deepEqual(log.take("a"), { write: true, leftOut: 0 });
});

Deno.test("LimitedLog.take() bounds the lines of all sorts, however many sorts there are", () => {
  let now = 0;
  const log = new LimitedLog({ everyMs: 1000, lines: 10, now: () => now });
  const written = () =>
    Array.from({ length: 10_000 }, (_, i) => log.take(`sort ${i}`)).filter((l) => l.write).length;
  assert.equal(written(), 10);
  assert.equal(written(), 0);
  now = 1000;
  assert.equal(written(), 10);
});
