import assert from "node:assert/strict";
import { A, recorderWorld } from "../../tests/support/recorder.ts";

Deno.test("Simulation gives the same run for the same seed, and another for another", async () => {
  const trace = async (seed: number) => {
    const { sim, systems } = recorderWorld({
      nodes: ["n1", "n2", "n3"],
      place: (a) => a.endsWith("a") ? "n1" : "n2",
      seed,
    });
    const sends = [];
    for (let n = 0; n < 30; n++) {
      sends.push(systems[n % 3].tell(n % 2 ? A : "t/recorder/b", { type: "put", n }));
    }
    await sim.until(Promise.all(sends));
    await sim.run({ forMs: 1000 });
    const a = await sim.until(systems[0].ask(A, { type: "read" }));
    const b = await sim.until(systems[0].ask("t/recorder/b", { type: "read" }));
    return JSON.stringify([a, b, sim.steps, sim.clock.now()]);
  };
  assert.equal(await trace(5), await trace(5));
  assert.notEqual(await trace(5), await trace(6));
});
