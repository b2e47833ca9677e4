/**
 * Membership while machines and links fail: every seed is another schedule. Nobody is suspected or
 * taken for dead who could be reached all the time, and when all is mended the members are exactly
 * the nodes that run, each once, and all of them know the same list.
 * `deno task test:simulation --only membership` runs thousands.
 */
import { MEMBERSHIP } from "./simulations/membership.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";

Deno.test("clusterActor lists exactly the nodes that run, and removes none for slowness, on every seed", async () => {
  // In 406 and 491 a node dies for which others have stood in before.
  await assertSeeds(MEMBERSHIP, [...seedsFrom(0, 38), 406, 491]);
});

for (const broken of MEMBERSHIP.broken) {
  Deno.test(`MEMBERSHIP.run() notices ${broken.name}`, () => assertCaught(broken));
}
