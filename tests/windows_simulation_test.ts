/**
 * Windowed layers that keep few rows, under the deterministic simulator: every token is that of layers
 * which keep all. `deno task test:simulation --only windows` runs thousands.
 */
import assert from "node:assert/strict";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { WINDOWS } from "./simulations/windows.ts";
import { arbiterWorld, LAYERS, promptOf } from "./support/arbiter_world.ts";
import { toyAnswer } from "./support/toy_engine.ts";

Deno.test("arbiterActor keeps few rows in windowed layers and every token right, in random conversations", async () => {
  await assertSeeds(WINDOWS, seedsFrom(0, 16));
});

for (const broken of WINDOWS.broken) {
  Deno.test(`WINDOWS.run() notices that ${broken.name}`, () => assertCaught(broken));
}

const windowed = { window: 16, slackRows: 16 };

Deno.test("arbiterActor opens windowed layers with few rows, and keeps to them in a long text", async () => {
  const { sim, client, engines } = arbiterWorld({ stages: 2, windowed });
  const { tokens } = await sim.until(client("g").answer(promptOf(300), 200, { pieces: [16] }));
  assert.deepEqual(tokens, await toyAnswer(promptOf(300), 200, LAYERS, undefined, 16));
  // Both frames under way, the window, the slack, and the prompt's end for a later request.
  for (const [engine] of engines) assert.ok(engine.mostNear <= 176, `${engine.mostNear} rows`);
});

Deno.test("arbiterActor keeps all rows of a request with branches in windowed layers", async () => {
  const { sim, client, engines } = arbiterWorld({ stages: 1, windowed });
  const answer = client("g").answer(promptOf(300), 50, { pieces: [16], branches: true });
  const { tokens } = await sim.until(answer);
  assert.deepEqual(tokens, await toyAnswer(promptOf(300), 50, LAYERS, undefined, 16));
  assert.ok(engines[0][0].mostNear >= 340, `${engines[0][0].mostNear} rows`);
});

Deno.test("arbiterActor goes on behind cached rows only where their window stands, and from there the next time", async () => {
  const { sim, client } = arbiterWorld({ stages: 2, windowed });
  const common = promptOf(150);
  const ask = async (key: string, salt: number) => {
    const asker = client(key);
    const prompt = Int32Array.of(...common, ...promptOf(100, salt));
    const { tokens } = await sim.until(asker.answer(prompt, 100, { pieces: [16] }));
    assert.deepEqual(tokens, await toyAnswer(prompt, 100, LAYERS, undefined, 16), key);
    return asker.reused;
  };
  assert.equal(await ask("first", 1), 0);
  assert.equal(await ask("second", 2), 0, "what stands before row 150 was given up");
  assert.equal(await ask("third", 3), 150, "prompts were seen to part there");
  assert.equal(await ask("again", 3), 249, "the prompt's end is kept");
});
