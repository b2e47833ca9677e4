import assert from "node:assert/strict";
import { Simulation } from "../../actors/mod.ts";
import { GoneNodes } from "./gone_nodes.ts";

Deno.test("GoneNodes.has() says no again once something came from the node, or layers are placed there", async () => {
  const simulation = new Simulation({ seed: 1 });
  const run = (ms: number) => simulation.run({ forMs: ms });
  let heardAt: number | undefined;
  const gone = new GoneNodes({
    clock: simulation.clock,
    silentMs: () => heardAt === undefined ? undefined : simulation.clock.now() - heardAt,
  });
  await run(1_000);
  assert.equal(gone.has("a"), false);
  heardAt = 900;
  gone.add("a");
  await run(500);
  assert.equal(gone.has("a"), true, "what came from it came before it was lost");
  heardAt = 1_200;
  assert.equal(gone.has("a"), false);
  heardAt = undefined;
  gone.add("b");
  assert.equal(gone.has("b"), true);
  gone.placed(["b", "c"]);
  assert.equal(gone.has("b"), false);
});
