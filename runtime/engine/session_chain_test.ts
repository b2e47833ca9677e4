import assert from "node:assert/strict";
import { asFloat32 } from "../../actors/pipeline/mod.ts";
import { buildSplitStage, type StageGraph } from "../../models/graph/mod.ts";
import { chain, Fixture, open, range, TOKENS } from "../../tests/support/engine_fixture.ts";
import { loadEngine } from "./mod.ts";
import { heldLibrary } from "./library.ts";
import { SessionChain } from "./session_chain.ts";

const LAYERS = 5;

/** A fixture's model, and what builds its graphs. */
async function model(precision: "f32" | "q4") {
  const fixture = await Fixture.make({ layers: LAYERS }, precision);
  const { manifest, blobsDir: blobDir } = fixture.model;
  const split = (sessions: number, firstLayer = 0, lastLayer = LAYERS - 1) =>
    buildSplitStage(manifest, { firstLayer, lastLayer, blobDir }, sessions);
  const load = async (graph: StageGraph) => {
    const { geometry } = fixture;
    const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 1 << 24 });
    await open(engine, "r");
    return engine;
  };
  return { split, load, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
}

Deno.test("SessionChain.run() gives the numbers of one session, to the bit, however many share the layers", async () => {
  for (const precision of ["f32", "q4"] as const) {
    await using made = await model(precision);
    const answers: unknown[] = [];
    for (const sessions of [1, 2, 4, 9]) {
      const graph = await made.split(sessions);
      assert.equal(graph.parts?.length ?? 1, Math.min(sessions, LAYERS));
      assert.equal(graph.caches.length, LAYERS);
      const engine = await made.load(graph);
      // A longer frame, and a shorter one behind it.
      const pieces = [[0, 7], [7, 9], [9, TOKENS.length]];
      const tokens: unknown[] = [];
      for (const [from, to] of pieces) {
        const part = TOKENS.slice(from, to);
        const output = await engine.run(chain("r", from, part, { want: range(part.length) }));
        assert.equal(output.kind, "tokens");
        if (output.kind === "tokens") tokens.push(...output.tokens);
      }
      answers.push(tokens);
      await engine.dispose();
    }
    for (const answer of answers) assert.deepEqual(answer, answers[0], precision);
  }
});

Deno.test("SessionChain.run() hands hidden states on where the stage is not the last one", async () => {
  await using made = await model("f32");
  const states: Float32Array[] = [];
  for (const sessions of [1, 3]) {
    const engine = await made.load(await made.split(sessions, 0, 2));
    const output = await engine.run(chain("r", 0, TOKENS));
    if (output.kind !== "hidden") throw new Error(`it gave ${output.kind}`);
    states.push(asFloat32(output.hidden).slice());
    await engine.dispose();
  }
  assert.deepEqual(states[1], states[0]);
});

Deno.test("SessionChain.open() frees the other sessions where one cannot be made, and says why", async () => {
  await using made = await model("f32");
  const graph = await made.split(2);
  const [first, second] = graph.parts!;
  const broken = { ...graph, parts: [first, { ...second, path: `${second.path}.none` }] };
  const options = { threads: 1, spinning: false, library: heldLibrary() };
  await assert.rejects(SessionChain.open(broken, options), /\.none/);
});
