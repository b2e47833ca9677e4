/**
 * An answer that goes on elsewhere is the undisturbed one, wherever it was cut. Under the simulator,
 * on toy stages: the second run has other stages, another schedule and another arbiter.
 */
import assert from "node:assert/strict";
import { addProgress, emptyAnswer } from "../actors/mod.ts";
import { RESUME } from "./simulations/resume.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { world } from "./support/generation_world.ts";
import { answer, CASES, known, stateAfter } from "./support/resume_cases.ts";

Deno.test("Start.resumed goes on with answers of every kind, wherever they were cut", async () => {
  // Each kind is cut four times; `deno task test:simulation --only resume` cuts more.
  await assertSeeds(RESUME, seedsFrom(0, 4 * Object.keys(CASES).length));
});

for (const broken of RESUME.broken) {
  Deno.test(`RESUME.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("Start.resumed computes nothing where all tokens are known, and tells the rest", async () => {
  for (const name of ["plain, to an end token", "by an outline", "by points that are given"]) {
    const { outcome: whole } = await answer(CASES[name], { stages: 2 });
    const state = stateAfter(whole.deltas);
    for (const lane of state.lanes) lane.told = 0;
    const { outcome, frames } = await answer(CASES[name], { stages: 3, resumed: state });
    const ended = whole.done.completion_tokens ===
      state.lanes.reduce((n, { tokens }) => n + tokens.length, 0);
    if (ended) assert.equal(frames, 0, name);
    assert.deepEqual(known(outcome.deltas), known(whole.deltas), name);
  }
});

Deno.test("Start.resumed is refused where more was told than generated", async () => {
  const w = world();
  const resumed = { outline: false, lanes: [{ lane: "plain", tokens: [1], told: 2 }] };
  await assert.rejects(w.answer("g", { resumed }), /more tokens were told than the lane has/);
});

Deno.test("addProgress() refuses a gap, and forgets what is generated again", () => {
  const state = emptyAnswer();
  const progress = (at: number, tokens: number[], told: number) => ({
    outline: false,
    lanes: [{ lane: "plain", at, tokens, told }],
  });
  addProgress(state, progress(0, [1, 2, 3], 2));
  addProgress(state, progress(2, [4], 3));
  assert.deepEqual(state.lanes, [{ lane: "plain", tokens: [1, 2, 4], told: 3 }]);
  assert.throws(
    () => addProgress(state, progress(5, [6], 6)),
    /begins at token 5, and 3 are known/,
  );
});
