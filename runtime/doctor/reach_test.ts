import assert from "node:assert/strict";
import { measureReach } from "./reach.ts";

/** A node whose clock is `ahead` ms ahead; messages take the given milliseconds there and back. */
function world(ahead: number, trips: [there: number, back: number][]) {
  let now = 1e12;
  const left = [...trips];
  const ask = () => {
    const [there, back] = left.shift()!;
    now += there;
    const shown = now + ahead;
    now += back;
    return Promise.resolve(shown);
  };
  return measureReach("attic", ask, { wall: () => now, monotonic: () => now - 5e11 });
}

const even: [number, number][] = Array.from({ length: 5 }, () => [10, 10]);

Deno.test("measureReach() takes half of the round trip from what the other clock shows", async () => {
  const reach = await world(7_000, even);
  assert.deepEqual(reach, {
    state: "reached",
    node: "attic",
    round_trip_ms: 20,
    clock_ms: 7_000,
    clock_error_ms: 11,
  });
});

Deno.test("measureReach() believes the shortest round trip, and its error bound holds", async () => {
  const reach = await world(-500, [[400, 2], [90, 3], [3, 1], [50, 50], [2, 300]]);
  assert.ok(reach.state === "reached");
  assert.equal(reach.round_trip_ms, 4);
  assert.ok(Math.abs(reach.clock_ms! + 500) <= reach.clock_error_ms, `${reach.clock_ms}`);
});

Deno.test("measureReach() measures the way to a node that cannot show its clock", async () => {
  const reach = await measureReach("attic", () => Promise.resolve(null));
  assert.ok(reach.state === "reached" && reach.clock_ms === null);
});

Deno.test("measureReach() reports a node that fails or shows no time as unreachable", async () => {
  const failed = await measureReach("attic", () => Promise.reject(new Error("no route")));
  assert.ok(failed.state === "unreachable" && /no route/.test(failed.why));
  const silly = await measureReach("attic", () => Promise.resolve("noon"));
  assert.equal(silly.state, "unreachable");
});
