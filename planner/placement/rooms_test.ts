import assert from "node:assert/strict";
import { seededRandom } from "../../actors/mod.ts";
import { bruteForce } from "../../tests/support/brute_force.ts";
import { clusterProblem, roughProblem, weights } from "../../tests/support/placement_samples.ts";
import { prepare } from "./instance.ts";
import { solveBounded, solveExact } from "./place.ts";
import { roomsOf } from "./rooms.ts";

/** Hops of devices in rooms: about `near` within a room, about `far` between rooms. */
function hops(rooms: number[], { near, far, seed }: { near: number; far: number; seed: number }) {
  const random = seededRandom(seed);
  return rooms.map((a, i) =>
    rooms.map((b, j) => i === j ? 0 : (a === b ? near : far) * (0.8 + 0.4 * random()))
  );
}

Deno.test("roomsOf() finds the groups between which hops are far dearer", () => {
  const rooms = [0, 0, 1, 1, 0, 1, 2, 2];
  const hop = hops(rooms, { near: 1, far: 12, seed: 4 });
  assert.deepEqual(roomsOf(8, Float64Array.from(hop.flat())), [[0, 1, 4], [2, 3, 5], [6, 7]]);
});

Deno.test("roomsOf() sees one room where hops are alike", () => {
  const hop = hops([0, 0, 0, 0, 0, 0], { near: 1, far: 1, seed: 1 });
  assert.deepEqual(roomsOf(6, Float64Array.from(hop.flat())), [[0, 1, 2, 3, 4, 5]]);
});

Deno.test("solveBounded() has a bound below the optimum, and solveExact() finds it, in two rooms", () => {
  let found = 0;
  for (let seed = 0; seed < 60; seed++) {
    const rough = roughProblem(seed + 5000, { devices: 6, layers: 5 });
    const hop = hops([0, 0, 0, 1, 1, 1], { near: 0.2, far: 3, seed });
    const problem = {
      ...rough,
      sum: { ...rough.sum, hop },
      max: { ...rough.max, hop },
      ...weights(seed % 2 === 0 ? "latency" : "blended"),
    };
    const best = bruteForce(problem).value;
    if (best === Infinity) continue;
    found++;
    assert.equal(prepare(problem).rooms.length, 2);
    assert.ok(Math.abs(solveExact(problem).value - best) <= 1e-9 * best, `seed ${seed}`);
    assert.ok(solveBounded(problem).lowerBound <= best * (1 + 1e-9), `seed ${seed}`);
  }
  assert.ok(found > 20, `${found} problems have a placement`);
});

Deno.test("place() charges for changing rooms: its gap with 64 devices in rooms stays small", () => {
  const problem = {
    ...clusterProblem("rooms", { devices: 64, layers: 40 }),
    ...weights("latency"),
  };
  assert.equal(prepare(problem).rooms.length, 4);
  const { gap } = solveBounded(problem);
  assert.ok(gap < 0.05, `gap ${gap}`);
});
