/**
 * Journals under the simulator: nodes that crash, stand still, lose each other and the registry,
 * while clients read answers and come back to other nodes. Journals that are broken on purpose must
 * be noticed. `deno task test:simulation --only journal` runs thousands.
 */
import { JOURNAL } from "./simulations/journal.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";

Deno.test("Journal loses no token, doubles none and ends each request once, on every seed", async () => {
  await assertSeeds(JOURNAL, seedsFrom(1, 24));
});

for (const broken of JOURNAL.broken) {
  Deno.test(`JOURNAL.run() notices ${broken.name}`, () => assertCaught(broken));
}
