/**
 * A hostile node under the simulator: it knows every address, sends whatever may be written into an
 * envelope, and takes no answer. Every seed sends other messages; requests of others must not notice.
 * `deno task test:simulation --only hostile` runs thousands.
 */
import { HOSTILE } from "./simulations/hostile.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";

Deno.test("ActorSystem lets no message of a hostile node disturb requests, on every seed", async () => {
  await assertSeeds(HOSTILE, seedsFrom(0, 6));
});

for (const broken of HOSTILE.broken) {
  Deno.test(`HOSTILE.run() notices ${broken.name}`, () => assertCaught(broken));
}
