import assert from "node:assert/strict";
import { ScriptedApi } from "../../../tests/support/scripted_api.ts";

const PATH = "/v1/completions";

Deno.test("POST /v1/completions echoes a prompt with its tokens' log-probabilities", async () => {
  const api = new ScriptedApi();
  const body = { prompt: "one two", echo: true, logprobs: 0, max_tokens: 1 };
  const { choices: [choice] } = await api.json(PATH, body);
  assert.equal(choice.text, "one twoThe");
  assert.deepEqual(choice.logprobs.tokens, ["one", " two", "The"]);
  assert.deepEqual(choice.logprobs.token_logprobs, [null, -1.5, -0.25]);
  assert.deepEqual(choice.logprobs.text_offset, [0, 3, 7]);
  assert.equal(api.generator.requests[0].promptLogprobs, 0);

  const events = await api.events(PATH, { ...body, stream: true });
  const chunks = events.flatMap(({ data }) => data.choices ?? []);
  assert.equal(chunks.map(({ text }) => text).join(""), choice.text);
  assert.deepEqual(
    chunks.flatMap(({ logprobs }) => logprobs?.text_offset ?? []),
    choice.logprobs.text_offset,
  );
});

Deno.test("POST /v1/completions echoes token prompts by the text of their tokens, and nothing more at 0", async () => {
  const api = new ScriptedApi();
  const { choices } = await api.json(PATH, { prompt: [[0, 1], [2]], echo: true, max_tokens: 0 });
  assert.deepEqual(choices.map(({ text }: { text: string }) => text), ["The café", " on"]);
  assert.equal(api.generator.requests[0].maxTokens, 0);
});

Deno.test("POST /v1/completions returns the n most likely of best_of answers", async () => {
  const api = new ScriptedApi();
  const { choices, usage } = await api.json(PATH, {
    prompt: "a",
    best_of: 3,
    n: 2,
    max_tokens: 2,
  });
  assert.deepEqual(choices.map(({ index }: { index: number }) => index), [0, 1]);
  assert.equal(choices[0].logprobs, null);
  assert.equal(usage.completion_tokens, 6);
  assert.equal(api.generator.requests.length, 3);
});
