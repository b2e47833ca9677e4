/**
 * Log-probabilities of a prompt's tokens, under the simulator, on toy stages: the same however
 * prompts and stages are cut, with and without an answer.
 */
import assert from "node:assert/strict";
import { OrreryError, samplingSchema } from "../actors/mod.ts";
import { LAYERS, prompt, toyTokens, world } from "./support/generation_world.ts";
import { toyAnswer } from "./support/toy_engine.ts";

const greedy = samplingSchema.parse({});

/** What the toy model says of each token of the prompt but the first. */
const expected = Array.from(prompt.subarray(1), (token, i) => {
  const [drawn] = toyTokens([...prompt.subarray(0, i + 1)], 1, greedy, (state) => state);
  return -(drawn + token) / 1000;
});

Deno.test("generationActor tells the prompt's log-probabilities before the answer, for any pieces and stages", async () => {
  const answer = await toyAnswer(prompt, 12, LAYERS);
  for (const stages of [1, 2, 4]) {
    for (const pieces of [[1], [7], [64]]) {
      for (const max_tokens of [0, 12]) {
        const w = world({ stages });
        const start = { pieces, max_tokens, prompt_logprobs: 0 };
        const { order, scores, tokens, done } = await w.answer("g", start);
        const where = `${stages} stages, pieces of ${pieces}, ${max_tokens} tokens`;
        assert.deepEqual(order.slice(0, 2), ["prompt", max_tokens > 0 ? "delta" : "done"], where);
        assert.equal(order.filter((type) => type === "prompt").length, 1);
        assert.deepEqual(scores!.map(({ token }) => token), [...prompt], where);
        assert.deepEqual(scores!.map(({ logprob }) => logprob), [undefined, ...expected], where);
        assert.deepEqual(tokens, answer.slice(0, max_tokens), where);
        assert.deepEqual([done.finish, done.completion_tokens], ["length", max_tokens]);
      }
    }
  }
});

Deno.test("generationActor tells the log-probabilities of every row, whatever earlier requests left", async () => {
  const w = world({ stages: 2 });
  await w.answer("a", { max_tokens: 1 });
  const { scores } = await w.answer("b", { max_tokens: 0, prompt_logprobs: 0 });
  assert.deepEqual(scores!.slice(1).map(({ logprob }) => logprob), expected);
  assert.equal((await w.arbiter()).reused_rows, 0);
  const { tokens } = await w.answer("c", { max_tokens: 3 });
  assert.equal(
    (await w.arbiter()).reused_rows,
    prompt.length - 1,
    "later requests may use its rows",
  );
  assert.deepEqual(tokens, await toyAnswer(prompt, 3, LAYERS));
});

Deno.test("generationActor tells a prompt of one token without asking the stages", async () => {
  const w = world({ stages: 2 });
  const start = { prompt: Int32Array.of(9), prompt_logprobs: 0 };
  const alone = await w.answer("a", { ...start, max_tokens: 0 });
  assert.deepEqual([alone.scores, alone.tokens], [[{ token: 9, text: "9" }], []]);
  const { scores, tokens } = await w.answer("b", { ...start, max_tokens: 4 });
  assert.deepEqual(scores!.length, 1);
  assert.deepEqual(tokens, await toyAnswer(start.prompt, 4, LAYERS));
});

Deno.test("generationActor refuses a request for nothing, and says that a stage is outdated", async () => {
  const w = world({ stages: 2, outdated: true });
  await assert.rejects(w.answer("a", { max_tokens: 0 }), /no log-probabilities of the prompt/);
  const { error } = await w.answer("b", { max_tokens: 0, prompt_logprobs: 0 });
  assert.equal(error.code, "stages_outdated");
});

Deno.test("generationActor tells the prompt's log-probabilities once where the whole model fails", async () => {
  const fails = new OrreryError({ group: "engine", code: "engine_failed", message: "no memory" });
  const w = world({ solo: { frameMs: () => 5, fails } });
  const { order, scores } = await w.answer("g", {
    ...{ route: "one", max_tokens: 4, prompt_logprobs: 0 },
  });
  assert.equal(order.filter((type) => type === "prompt").length, 1);
  assert.deepEqual(scores!.slice(1).map(({ logprob }) => logprob), expected);
});
