/**
 * Hidden states of prompts through the pipeline: the same however stages, head and prompts are cut,
 * beside requests that decode. Under the simulator, on toy stages.
 */
import assert from "node:assert/strict";
import { freshAddress, OrreryError, samplingSchema, seededRandom } from "../actors/mod.ts";
import { embedPrompt, embedPrompts, type Pooling } from "../runtime/serve/embed.ts";
import { arbiterWorld, LAYERS, promptOf } from "./support/arbiter_world.ts";
import { toyTokens } from "./support/generation_world.ts";
import { toyAnswer } from "./support/toy_engine.ts";

const greedy = samplingSchema.parse({});

/** The toy model's state after each row of a prompt. */
const statesOf = (prompt: Int32Array) =>
  Array.from(
    prompt,
    (_, i) =>
      toyTokens([...prompt.subarray(0, i + 1)], 1, greedy, (state) => state, { layers: LAYERS })[0],
  );

/** What pooling makes of these states, of one number each. */
function pooled(states: number[], pooling: Pooling): Float32Array {
  if (pooling === "last") return Float32Array.of(states.at(-1)!);
  return Float32Array.of(states.reduce((sum, state) => sum + state, 0) / states.length);
}

type World = ReturnType<typeof arbiterWorld>;

/** The vector of a prompt. */
function embed(
  { api, arbiter }: World,
  prompt: Int32Array<ArrayBuffer>,
  pooling: Pooling,
  signal = new AbortController().signal,
) {
  const self = freshAddress(api.node, "generation");
  return embedPrompt(api, prompt, { arbiter, self, pooling, signal });
}

Deno.test("embedPrompt() gives the mean and the last state, on any stages and shards, beside answers", async () => {
  for (const [stages, shards] of [[1, 0], [2, 0], [4, 0], [1, 2], [2, 4]]) {
    const random = seededRandom(stages + 10 * shards);
    const shape = { pieces: [{ prompt_tokens: 4096, rows: [1 + Math.floor(random() * 20)] }] };
    const w = arbiterWorld({ stages, shards, seed: stages, shape });
    const prompts = [promptOf(1), promptOf(40, 1), promptOf(100, 2), promptOf(100, 2)];
    const where = `${stages} stages, ${shards} shards`;
    for (const pooling of ["mean", "last"] as const) {
      const [answer, ...vectors] = await w.sim.until(
        Promise.all([
          w.client(`g-${pooling}`).answer(promptOf(30, 7), 20),
          ...prompts.map((prompt) => embed(w, prompt, pooling)),
        ]),
      );
      assert.deepEqual(answer.tokens, await toyAnswer(promptOf(30, 7), 20, LAYERS), where);
      for (const [i, vector] of vectors.entries()) {
        assert.deepEqual(vector, pooled(statesOf(prompts[i]), pooling), `${where}, prompt ${i}`);
      }
    }
    assert.deepEqual(w.crashes, []);
    const { requests } = await w.stats();
    assert.equal(requests, 0);
  }
});

Deno.test("embedPrompt() goes on where a stage's engine is replaced", async () => {
  const w = arbiterWorld({ stages: 2 });
  await w.sim.until(embed(w, promptOf(9), "mean"));
  w.engines[1][0].failNext = new OrreryError({
    group: "engine",
    code: "engine_failed",
    message: "out of luck",
  });
  const vector = await w.sim.until(embed(w, promptOf(9, 1), "mean"));
  assert.deepEqual(vector, pooled(statesOf(promptOf(9, 1)), "mean"));
  assert.equal(w.engines[1].length, 2);
});

Deno.test("embedPrompt() fails with its frame, ends with the signal, and leaves no request", async () => {
  const w = arbiterWorld({ stages: 2 });
  await w.sim.until(embed(w, promptOf(9), "mean"));
  w.engines[1][0].failNext = new OrreryError({
    group: "engine",
    code: "bad_frame",
    message: "out of luck",
  });
  await assert.rejects(w.sim.until(embed(w, promptOf(9, 1), "mean")), /out of luck/);
  w.engines[0].at(-1)!.hang = true;
  const abort = new AbortController();
  const embedding = embed(w, promptOf(9, 2), "mean", abort.signal);
  w.sim.clock.after(50, () => abort.abort(new Error("not wanted any more")));
  await assert.rejects(w.sim.until(embedding), /not wanted any more/);
  assert.equal((await w.stats()).requests, 0);
});

Deno.test("embedPrompt() uses rows of earlier prompts only where the last state alone is wanted", async () => {
  const w = arbiterWorld({ stages: 1 });
  const prompt = promptOf(50);
  for (const [pooling, reused] of [["last", 0], ["last", 49], ["mean", 49]] as const) {
    const vector = await w.sim.until(embed(w, prompt, pooling));
    assert.deepEqual(vector, pooled(statesOf(prompt), pooling));
    assert.equal((await w.stats()).reused_rows, reused, pooling);
  }
});

Deno.test("embedPrompts() gives the vectors in their order, several at once in fewer frames", async () => {
  const prompts = Array.from({ length: 12 }, (_, i) => promptOf(3 + (i * 7) % 20, i));
  const took: number[] = [];
  for (const atOnce of [1, 6]) {
    const w = arbiterWorld({ stages: 2 });
    const selves = Array.from({ length: atOnce }, () => freshAddress(w.api.node, "generation"));
    const { signal } = new AbortController();
    const begun = w.sim.clock.now();
    const vectors = await w.sim.until(
      embedPrompts(w.api, prompts, { arbiter: w.arbiter, selves, pooling: "mean", signal }),
    );
    took.push(w.sim.clock.now() - begun);
    assert.deepEqual(vectors, prompts.map((prompt) => pooled(statesOf(prompt), "mean")));
    assert.equal((await w.stats()).requests, 0);
  }
  assert.ok(took[1] < took[0] * 0.75, `${took[0]} ms one after the other, ${took[1]} ms together`);
});

Deno.test("embedPrompts() fails as a whole with the first failure, and leaves no request", async () => {
  const w = arbiterWorld({ stages: 2 });
  const selves = Array.from({ length: 4 }, () => freshAddress(w.api.node, "generation"));
  const options = { arbiter: w.arbiter, selves, pooling: "mean" as const };
  const prompts = Array.from({ length: 9 }, (_, i) => promptOf(9, i));
  await w.sim.until(embed(w, promptOf(9), "mean"));
  w.engines[1][0].failNext = new OrreryError({
    group: "engine",
    code: "bad_frame",
    message: "out of luck",
  });
  const { signal } = new AbortController();
  await assert.rejects(
    w.sim.until(embedPrompts(w.api, prompts, { ...options, signal })),
    /out of luck/,
  );
  assert.equal((await w.stats()).requests, 0);
  const abort = new AbortController();
  w.engines[0].at(-1)!.hang = true;
  const all = embedPrompts(w.api, prompts, { ...options, signal: abort.signal });
  w.sim.clock.after(50, () => abort.abort(new Error("not wanted any more")));
  await assert.rejects(w.sim.until(all), /not wanted any more/);
  assert.equal((await w.stats()).requests, 0);
});
