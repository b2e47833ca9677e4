import assert from "node:assert/strict";
import fc from "fast-check";
import type { NodeLinks } from "../../actors/mod.ts";
import { LinkTable } from "./link_table.ts";

const PROBE = { seconds: 0.002, bytes_per_s: 10e6, bytes_per_s_back: 20e6 };

/** What a node tells of its link to `node`. */
const told = (
  node: string,
  { trip = null, rate = null, age = rate === null ? null : 0, quiet = 0 }: {
    trip?: number | null;
    rate?: number | null;
    age?: number | null;
    quiet?: number;
  },
): NodeLinks => ({
  quiet_ms: quiet,
  links: [{ node, round_trip_ms: trip, bytes_per_s: rate, age_ms: age }],
});

Deno.test("LinkTable.get() adds to the round trip what a message takes besides, and follows it", () => {
  const table = new LinkTable();
  assert.equal(table.get("a", "b"), undefined);
  table.probed("a", "b", PROBE, 0);
  assert.deepEqual(table.get("a", "b"), { seconds: 0.002, bytesPerS: 10e6 });
  assert.deepEqual(table.get("b", "a"), { seconds: 0.002, bytesPerS: 20e6 });
  table.reported("b", told("a", { trip: 3 }), 1);
  assert.equal(table.get("a", "b")!.seconds, 0.002, "the same link");
  table.reported("b", told("a", { trip: 43 }), 2);
  const { seconds } = table.get("a", "b")!;
  assert.ok(Math.abs(seconds - 0.022) < 1e-9, `${seconds}`);
  table.reported("b", told("a", {}), 3);
  assert.equal(table.get("a", "b")!.seconds, seconds, "what was known last stays");
  table.reported("a", told("b", { trip: 3 }), 4);
  assert.ok(Math.abs(table.get("a", "b")!.seconds - 0.002) < 1e-9, "the end with less load counts");
});

Deno.test("LinkTable.get() takes a bandwidth from the node that receives, if it is the newer one", () => {
  const table = new LinkTable();
  table.probed("a", "b", PROBE, 1000);
  table.reported("b", told("a", { rate: 1e6, age: 500 }), 1200);
  assert.equal(table.get("a", "b")!.bytesPerS, 10e6, "the probe is newer");
  table.reported("b", told("a", { rate: 1e6, age: 100 }), 1200);
  assert.equal(table.get("a", "b")!.bytesPerS, 1e6);
  assert.equal(table.get("b", "a")!.bytesPerS, 20e6, "the other direction stays");
});

Deno.test("LinkTable.get() knows a link by traffic alone, where no probe succeeded", () => {
  const table = new LinkTable();
  table.reported("b", told("a", { trip: 4 }), 0);
  assert.equal(table.has("a", "b"), false);
  table.reported("b", told("a", { trip: 4, rate: 5e6 }), 0);
  assert.deepEqual(table.get("b", "a"), { seconds: 0.002, bytesPerS: 5e6 });
});

Deno.test("LinkTable.reported() lets a node say nothing of links that are not its own", () => {
  const table = new LinkTable();
  table.probed("a", "b", PROBE, 0);
  table.probed("a", "c", PROBE, 0);
  const before = table.list().filter(({ from, to }) => from !== "c" && to !== "c");
  const numbers = fc.record({
    trip: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
    rate: fc.option(fc.double({ min: 1, max: 1e12, noNaN: true })),
  });
  fc.assert(fc.property(fc.constantFrom("a", "b", "c", "d"), numbers, (peer, numbers) => {
    table.reported("c", told(peer, numbers), 1);
    table.keep(["a", "b", "c"]);
    const after = table.list().filter(({ from, to }) => from !== "c" && to !== "c");
    assert.deepEqual(after, before);
    assert.ok(table.list().every(({ from, to }) => from !== "d" && to !== "d"));
  }));
});

Deno.test("LinkTable.stale() names the pair that was measured longest ago, while both nodes are quiet", () => {
  const table = new LinkTable();
  const minute = 60_000;
  table.probed("a", "b", PROBE, 0);
  table.probed("b", "c", PROBE, minute);
  const all = (quiet: number, at: number) => {
    for (const node of ["a", "b", "c"]) table.reported(node, { quiet_ms: quiet, links: [] }, at);
  };
  all(10 * minute, 9 * minute);
  assert.equal(table.stale(9 * minute), undefined, "nothing is old");
  all(10 * minute, 12 * minute);
  assert.deepEqual(table.stale(12 * minute), ["a", "b"]);
  table.probed("a", "b", PROBE, 12 * minute);
  assert.deepEqual(table.stale(12 * minute), ["b", "c"]);
  table.reported("c", { quiet_ms: 1000, links: [] }, 12 * minute);
  assert.equal(table.stale(12 * minute), undefined, "c computes");
  all(10 * minute, 12 * minute);
  assert.equal(table.stale(16 * minute), undefined, "nobody knows whether they compute now");
});
