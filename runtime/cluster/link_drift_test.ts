import assert from "node:assert/strict";
import fc from "fast-check";
import { LinkDrift } from "./link_drift.ts";
import type { LinkNow } from "./link_table.ts";

const link = (seconds: number, bytesPerS = 12.5e6, [from, to] = "ab"): LinkNow => ({
  from,
  to,
  seconds,
  bytesPerS,
});

/** At which look (from 0) the first change is found; -1: at none. */
function found(planned: LinkNow, looks: LinkNow[], used = ["a", "b"]): number {
  const drift = new LinkDrift();
  drift.planned([planned], used);
  return looks.findIndex((now) => drift.look([now]) !== undefined);
}

Deno.test("LinkDrift.look() finds a change of latency or bandwidth at the third look that shows it", () => {
  for (const [before, now] of [[0.002, 0.02], [0.02, 0.002]]) {
    assert.equal(found(link(before), Array(5).fill(link(now))), 2);
  }
  for (const [before, now] of [[100e6, 5e6], [5e6, 100e6]]) {
    assert.equal(found(link(0.001, before), Array(5).fill(link(0.001, now))), 2);
  }
});

Deno.test("LinkDrift.look() takes no outlier for a change, whichever way it points", () => {
  const [same, slow, fast] = [link(0.02), link(0.2), link(0.002)];
  assert.equal(found(same, [slow, slow, same, slow, slow, same]), -1);
  assert.equal(found(same, [slow, fast, slow, fast, slow, fast]), -1);
  assert.equal(found(same, [slow, fast, fast, fast]), 3);
});

Deno.test("LinkDrift.look() finds nothing within the tolerance, nor what takes less than a millisecond", () => {
  const before = fc.record({
    seconds: fc.double({ min: 1e-4, max: 0.5, noNaN: true }),
    bytesPerS: fc.double({ min: 1e5, max: 1e9, noNaN: true }),
  });
  const factor = fc.double({ min: 1 / 1.45, max: 1.45, noNaN: true });
  fc.assert(fc.property(before, factor, factor, ({ seconds, bytesPerS }, a, b) => {
    const planned = link(seconds, bytesPerS);
    assert.equal(found(planned, Array(4).fill(link(seconds * a, bytesPerS * b))), -1);
  }));
  assert.equal(found(link(0.0001, 1e9), Array(4).fill(link(0.0009, 1e9))), -1);
});

Deno.test("LinkDrift.look() does not mind that a link without work becomes slower", () => {
  const used = ["a", "c"];
  assert.equal(found(link(0.02), Array(4).fill(link(0.2)), used), -1);
  assert.equal(found(link(0.2), Array(4).fill(link(0.02)), used), 2, "a faster one may be of use");
});

Deno.test("LinkDrift.planned() compares with the links of the new plan from then on", () => {
  const drift = new LinkDrift();
  drift.planned([link(0.02)], ["a", "b"]);
  for (let i = 0; i < 3; i++) drift.look([link(0.2)]);
  drift.planned([link(0.2)], ["a", "b"]);
  for (let i = 0; i < 5; i++) assert.equal(drift.look([link(0.2)]), undefined);
  for (let i = 0; i < 2; i++) assert.equal(drift.look([link(0.02)]), undefined);
  const { beforeS, nowS } = drift.look([link(0.02)])!;
  assert.ok(beforeS > 0.2 && nowS < 0.05);
});
