/**
 * Layers move to other nodes while requests run: nothing is begun anew, no request fails, and every
 * text is that of a cluster that stood still. Production actors and gateways over toy engines under
 * seeded schedules. Every seed is another schedule; `deno task test:simulation --only moves` runs more.
 */
import { MOVES } from "./simulations/moves.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";

Deno.test("clusterActor moves layers while requests run, and none fails or gets another text, on every seed", async () => {
  await assertSeeds(MOVES, seedsFrom(0, 15));
});

for (const broken of MOVES.broken) {
  Deno.test(`MOVES.run() notices ${broken.name}`, () => assertCaught(broken));
}
