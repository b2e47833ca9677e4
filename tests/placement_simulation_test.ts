/**
 * A placement that takes over fails no request: nodes join, leave and are placed anew while all of
 * them answer, on machines so busy that turns come seconds late. Every seed is another schedule.
 * `deno task test:simulation --only placement` runs thousands.
 */
import assert from "node:assert/strict";
import { PLACEMENT } from "./simulations/placement.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { LAYERS } from "./support/generation_world.ts";
import { PlacementWorld } from "./support/placement_world.ts";

Deno.test("clusterActor fails no request when a placement takes over, however late turns come", async () => {
  // Of nine seeds three are plain, in three the LM head moves too, in three nodes must make room.
  await assertSeeds(PLACEMENT, seedsFrom(0, 9));
});

for (const broken of PLACEMENT.broken) {
  Deno.test(`PLACEMENT.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("clusterActor serves between placements, however often layers are placed anew and need room", async () => {
  // A node has memory for the layers once: nothing serves while others are loaded.
  const world = new PlacementWorld({ seed: 1, layersPerNode: LAYERS });
  const { sim } = world;
  const [n0, n1] = world.nodes.values();
  let asking = true;
  const run = async () => {
    await Promise.all([world.join(n0), world.join(n1)]);
    await world.ready(n0);
    const placing = (async () => {
      while (asking) {
        await world.sleep(300);
        await world.replan();
      }
    })();
    const since = sim.clock.now();
    let longest = 0;
    while (sim.clock.now() < since + 30_000) {
      const at = sim.clock.now();
      assert.equal((await world.ask(n0, [1, 2, 3], 4)).length, 4);
      longest = Math.max(longest, sim.clock.now() - at);
    }
    asking = false;
    await placing;
    return longest;
  };
  const longest = await sim.until(run());
  world.close(); // real timers
  assert.ok(longest < 3_000, `an answer took ${longest} ms`);
});
