/**
 * Requests as lm-eval's `local-completions` and guidellm send them; the programs themselves are too
 * large to be run here.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ClientChecks, Target } from "./matrix.ts";

async function complete({ url, model }: Target, body: object) {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer none" },
    body: JSON.stringify({ model, temperature: 0, seed: 1234, ...body }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

/** Checks the log-probabilities of a prompt and of what follows it. */
// deno-lint-ignore no-explicit-any -- the response as it comes
function checkLogprobs({ text, logprobs }: any, prompt: string | undefined, more: number): void {
  const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs;
  const count = tokens.length;
  for (const list of [token_logprobs, top_logprobs, text_offset]) assert.equal(list.length, count);
  assert.equal(token_logprobs[0], null, "nothing comes before the first token");
  for (const value of token_logprobs.slice(1)) assert.ok(Number.isFinite(value) && value <= 0);
  // lm-eval takes the largest of each position's alternatives for what the model would have said.
  for (const top of top_logprobs.slice(1, count - more)) assert.ok(Object.keys(top).length >= 1);
  assert.deepEqual(text_offset, [...text_offset].sort((a: number, b: number) => a - b));
  if (prompt !== undefined) assert.ok(text.startsWith(prompt), text);
}

/** What lm-eval asks. */
export const lmEvalChecks: ClientChecks = {
  async echo_logprobs(target) {
    const prompt = "The sea is salty since rivers carry salt into it";
    for (const max_tokens of [0, 1]) {
      const whole = await complete(target, { prompt, echo: true, logprobs: 1, max_tokens });
      checkLogprobs(whole.choices[0], prompt, max_tokens);
    }
    // Token ids, several at once.
    const both = await complete(target, {
      ...{ prompt: [[5, 6, 7, 8], [9, 10, 11]], echo: true, logprobs: 1, max_tokens: 1 },
    });
    assert.equal(both.choices.length, 2);
    both.choices.forEach((choice: { logprobs: { tokens: string[] } }, i: number) => {
      checkLogprobs(choice, undefined, 1);
      assert.equal(choice.logprobs.tokens.length, [4, 3][i] + 1);
    });
  },
  async completions(target) {
    const { choices } = await complete(target, {
      ...{ prompt: ["Once upon a time", "The sea"], max_tokens: 8, stop: ["\n\n", "Question:"] },
    });
    assert.equal(choices.length, 2);
  },
};

/** What guidellm asks. */
export const guidellmChecks: ClientChecks = {
  async health({ url }) {
    const response = await fetch(`${url}/health`);
    await response.body?.cancel();
    assert.equal(response.status, 200);
  },
  async models({ url, model }) {
    const { data } = await (await fetch(`${url}/v1/models`)).json();
    assert.ok(data.some(({ id }: { id: string }) => id === model));
  },
  async stream({ url, model }) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: [{ type: "text", text: "Why does it rain?" }] }],
        stream: true,
        stream_options: { include_usage: true, continuous_usage_stats: true },
        max_completion_tokens: 8,
        max_tokens: 8,
        ignore_eos: true,
        stop: null,
      }),
    });
    const events = (await response.text()).split("\n").filter((line) => line.startsWith("data:"));
    assert.equal(events.at(-1), "data: [DONE]");
    const { usage } = JSON.parse(events.at(-2)!.slice(5));
    assert.ok(usage.completion_tokens > 0);
  },
};
