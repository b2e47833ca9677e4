/**
 * Whole answers of a node, token by token, and how two lists of them differ.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AnswerReport } from "../../actors/mod.ts";

/** One answer. */
export interface NodeAnswer {
  prompt: string;
  text: string;
  finish: string;
  /** The tokens' texts, and by how much the best logit led the second (natural log). */
  tokens: { token: string; margin: number }[];
  orrery: AnswerReport;
}

/** A greedy answer of at most 48 tokens; `body` adds to the request. */
export async function ask(
  url: string,
  prompt: string,
  body: Record<string, unknown> = {},
): Promise<NodeAnswer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: prompt }],
      temperature: 0,
      max_tokens: 48,
      logprobs: true,
      top_logprobs: 2,
      ...body,
    }),
  });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  const [choice] = answer.choices;
  return {
    prompt,
    text: choice.message.content,
    finish: choice.finish_reason,
    // deno-lint-ignore no-explicit-any
    tokens: (choice.logprobs?.content ?? []).map((t: any) => ({
      token: t.token,
      margin: t.top_logprobs[0].logprob - t.top_logprobs[1].logprob,
    })),
    orrery: answer.orrery,
  };
}

/**
 * Answers to several prompts, in their order. So many `clients` ask side by side: with more than
 * one, rows of several answers share frames, which costs less processor time.
 */
export async function askAll(
  url: string,
  prompts: readonly string[],
  body?: Record<string, unknown>,
  clients = 1,
): Promise<NodeAnswer[]> {
  const answers: NodeAnswer[] = [];
  const left = prompts.entries();
  const client = async () => {
    for (const [i, prompt] of left) answers[i] = await ask(url, prompt, body);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return answers;
}

/**
 * Compares answers token by token. With a tolerance, a first divergence is allowed where the margin
 * of the expected answer is below it. Returns how many answers diverged.
 */
export function assertSame(
  got: NodeAnswer[],
  expected: NodeAnswer[],
  what: string,
  tolerance = 0,
): number {
  let ties = 0;
  for (const [i, { prompt, text, finish, tokens }] of got.entries()) {
    assert.equal(prompt, expected[i].prompt);
    const at = expected[i].tokens.findIndex((t, k) => t.token !== tokens[k]?.token);
    if (at < 0) {
      assert.equal(text, expected[i].text, `${what}: ${prompt}`);
      assert.equal(finish, expected[i].finish, `${what}: ${prompt}`);
      continue;
    }
    const { margin } = expected[i].tokens[at];
    assert.ok(
      margin < tolerance,
      `${what}: ${
        JSON.stringify(prompt)
      } diverges at token ${at} (margin ${margin} between the two best logits): ` +
        `${JSON.stringify(text)} instead of ${JSON.stringify(expected[i].text)}`,
    );
    ties++;
  }
  return ties;
}
