/**
 * Membership while machines and links fail: every seed is another schedule. Nobody is suspected or
 * taken for dead who could be reached all the time, and when all is mended the members are exactly
 * the nodes that run, each once, and all of them know the same list.
 *
 * The gate runs a few seeds; `deno task bench:membership` runs 10,000.
 */
import assert from "node:assert/strict";
import { checkMembership } from "./support/membership_schedule.ts";
import { BROKEN_MEMBERSHIP, checkVariant } from "./support/membership_variants.ts";

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

for (const { name, shows, ...variant } of BROKEN_MEMBERSHIP) {
  Deno.test(`checkMembership() notices that ${name} (seed ${variant.seed})`, async () => {
    const { violations } = await checkVariant(variant);
    assert.match(violations.join("\n"), shows);
  });
}
