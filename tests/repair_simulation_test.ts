/**
 * Nodes die while requests are answered, and the plan names backups: the deployment is repaired, and
 * every answer is that of a cluster that lost nothing. Every seed is another schedule.
 * `deno task test:simulation --only repair` runs thousands.
 */
import { REPAIR } from "./simulations/repair.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";

Deno.test("clusterActor repairs a deployment whose nodes die, and no request fails", async () => {
  await assertSeeds(REPAIR, seedsFrom(1, 3));
});

for (const broken of REPAIR.broken) {
  Deno.test(`REPAIR.run() notices ${broken.name}`, () => assertCaught(broken));
}
