import assert from "node:assert/strict";
import { Simulation } from "../system/mod.ts";
import type { Reach } from "./health.ts";
import { StandIns } from "./stand_ins.ts";

/** A node "a" that requests need, and what the others say of it, in virtual time. */
function world(votes: Record<string, Reach | "away">) {
  const sim = new Simulation({ seed: 1 });
  const given = {
    heardAt: 0,
    silentSince: undefined as number | undefined,
    phi: 9,
    readingMs: 0,
    able: true,
  };
  /** When others were to stand in, virtual milliseconds. */
  const told: number[] = [];
  let asked = 0;
  const standIns = new StandIns({
    now: () => sim.clock.now(),
    after: (ms, fn) => sim.clock.after(ms, fn),
    needed: () => ["a"],
    replaceable: () => true,
    voters: () => Object.keys(votes),
    silence: () => ({
      ms: sim.clock.now() - (given.silentSince ?? sim.clock.now()),
      phi: given.phi,
      readingMs: given.readingMs,
    }),
    refuses: () => new Promise((resolve) => void sim.clock.after(1, () => resolve(false))),
    reach: (voter, _node, withinMs) => {
      asked++;
      const vote = votes[voter];
      return new Promise((resolve, reject) => {
        const ms = vote === "silent" ? withinMs : vote === "away" ? 2 * withinMs : 2;
        sim.clock.after(ms, () => vote === "away" ? reject(new Error("late")) : resolve(vote));
      });
    },
    back: () => {},
    silent: () => {
      if (given.able) told.push(sim.clock.now());
      return given.able;
    },
  });
  const look = () => {
    standIns.look();
    sim.clock.after(250, look);
  };
  look();
  /** The node is silent for so long. */
  const silence = async (forMs: number) => {
    given.silentSince = sim.clock.now();
    await sim.run({ forMs });
    given.silentSince = undefined;
  };
  return { sim, given, told, silence, asked: () => asked };
}

Deno.test("StandIns has others stand in for a node that nobody reaches, within a second and a half", async () => {
  const { sim, told, silence } = world({ v: "silent", w: "away" });
  await sim.run({ forMs: 5_000 });
  await silence(3_000);
  assert.equal(told.length, 1);
  const after = told[0] - 5_000;
  assert.ok(after >= 1_000 && after <= 1_900, `${after} ms`);
});

Deno.test("StandIns does nothing for a node that another one reaches, or while its own link may be bad", async () => {
  for (const vote of ["reached", "away"] as const) {
    const { sim, told, silence, asked } = world({ v: vote, w: vote });
    await sim.run({ forMs: 5_000 });
    await silence(20_000);
    assert.deepEqual(told, [], vote);
    assert.ok(asked() > 0, "they were asked");
  }
});

Deno.test("StandIns asks nobody about a silence that is short, or usual for the node's link", async () => {
  const { sim, given, told, silence, asked } = world({ v: "silent" });
  await sim.run({ forMs: 5_000 });
  await silence(700);
  given.phi = 1;
  await silence(20_000);
  assert.deepEqual([told, asked()], [[], 0]);
});

Deno.test("StandIns asks nobody about a silence that lasts no longer than this node takes to read", async () => {
  const { sim, given, told, silence, asked } = world({ v: "silent" });
  await sim.run({ forMs: 5_000 });
  given.readingMs = 1_600;
  await silence(2_200);
  assert.deepEqual([told, asked()], [[], 0]);
  await sim.run({ forMs: 5_000 });
  await silence(4_000);
  assert.equal(told.length, 1, "a longer one counts");
});

Deno.test("StandIns waits longer for a node that was heard again right after others stood in for it", async () => {
  const { sim, told, silence } = world({ v: "silent" });
  await sim.run({ forMs: 5_000 });
  await silence(1_500);
  assert.equal(told.length, 1);
  await sim.run({ forMs: 5_000 });
  await silence(1_900);
  assert.equal(told.length, 1, "it was only slow");
  await sim.run({ forMs: 5_000 });
  await silence(2_600);
  assert.equal(told.length, 2);
  await sim.run({ forMs: 320_000 });
  await silence(1_500);
  assert.equal(told.length, 3, "its slowness is long ago");
});
