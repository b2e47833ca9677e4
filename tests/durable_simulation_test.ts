/**
 * Durable actors under the simulator: crashes in the middle of a save, processes that stand still, cut
 * and lossy lines, requests that land late, two owners. Stores that are broken on purpose must be
 * noticed. `deno task test:simulation --only durable` runs thousands.
 */
import { DURABLE } from "./simulations/durable.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";

Deno.test("DurableStates loses no add, doubles none and rings each alarm once, on every seed", async () => {
  await assertSeeds(DURABLE, seedsFrom(1, 16));
});

for (const broken of DURABLE.broken) {
  Deno.test(`DURABLE.run() notices ${broken.name}`, () => assertCaught(broken));
}
