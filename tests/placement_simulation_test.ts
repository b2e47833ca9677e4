/**
 * A placement that takes over fails no request: nodes join, leave and are placed anew while all of
 * them answer, on machines so busy that turns come seconds late. Every seed is another schedule.
 * `deno task test:simulation --only placement` runs thousands.
 */
import { PLACEMENT } from "./simulations/placement.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";

Deno.test("clusterActor fails no request when a placement takes over, however late turns come", async () => {
  // Of nine seeds three are plain, in three the LM head moves too, in three nodes must make room.
  await assertSeeds(PLACEMENT, seedsFrom(0, 9));
});

for (const broken of PLACEMENT.broken) {
  Deno.test(`PLACEMENT.run() notices ${broken.name}`, () => assertCaught(broken));
}
