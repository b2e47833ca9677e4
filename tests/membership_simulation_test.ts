/**
 * Membership while machines and links fail: every seed is another schedule. Nobody is suspected or
 * taken for dead who could be reached all the time, and when all is mended the members are exactly
 * the nodes that run, each once, and all of them know the same list.
 *
 * The gate runs a few seeds; `deno task bench:membership` runs 10,000.
 */
import assert from "node:assert/strict";
import { memberActor, type MembersView, PhiDetector } from "../actors/mod.ts";
import { checkMembership } from "./support/membership_schedule.ts";
import type { Broken } from "./support/membership_world.ts";

Deno.test("clusterActor lists exactly the nodes that run, whatever fails meanwhile", async () => {
  let removals = 0;
  for (let seed = 0; seed < 120; seed++) {
    const checked = await checkMembership({ seed });
    assert.deepEqual(checked.violations, [], `seed ${seed}`);
    removals += checked.removals;
  }
  assert.ok(removals > 100, `${removals} nodes were taken for dead`);
});

Deno.test("clusterActor removes nobody for slow links or processes that stand still for a second", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const { violations } = await checkMembership({ seed, faults: "slow" });
    assert.deepEqual(violations, [], `seed ${seed}`);
  }
});

/** Asked about others, its members say that they do not know. */
const voteless = {
  ...memberActor,
  create(...given: Parameters<typeof memberActor.create>) {
    const behaviour = memberActor.create(...given) as object;
    return { ...behaviour, reach: () => "silent" };
  },
} as unknown as typeof memberActor;

/** A node's silence is taken from what its own clock said when it sent last. */
const comparing: Broken["view"] = (view, at, { network }): MembersView => ({
  ...view,
  silentMs: (node) => {
    const silent = view.silentMs(node);
    const clock = network.processes.get(node)?.clock;
    return silent === undefined || !clock ? silent : at.clock.now() - (clock.now() - silent);
  },
});

/** Broken on purpose: a seed with which the checks notice it. */
const BROKEN: { what: string; seed: number; broken?: Broken; notices: RegExp }[] = [
  {
    what: "others are not asked",
    seed: 60,
    broken: { member: voteless },
    notices: /could reach it/,
  },
  {
    what: "clocks of two machines are compared",
    seed: 0,
    broken: { view: comparing },
    notices: /are listed, and/,
  },
  {
    what: "a late join of a former life counts for the new one",
    seed: 134,
    broken: { view: (view) => ({ ...view, isFormer: () => false }) },
    notices: /has joined since/,
  },
];

for (const { what, seed, broken, notices } of BROKEN) {
  Deno.test(`checkMembership() notices that ${what}`, async () => {
    const { violations } = await checkMembership({ seed, broken });
    assert.match(violations.join("\n"), notices);
  });
}

Deno.test("checkMembership() notices that the first node counts its own lateness as silence", async () => {
  const { tick } = PhiDetector.prototype;
  PhiDetector.prototype.tick = () => 0;
  try {
    const { violations } = await checkMembership({ seed: 1 });
    assert.match(violations.join("\n"), /is suspect .*though the first node could reach it/);
  } finally {
    PhiDetector.prototype.tick = tick;
  }
});
