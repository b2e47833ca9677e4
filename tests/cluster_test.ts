/**
 * Distributed equals local, with separate processes: the test that matters most.
 */
import assert from "node:assert/strict";
import { PROMPTS } from "./prompts.ts";
import { startCluster } from "./processes.ts";

interface Answer {
  text: string;
  finish: string;
  /** The tokens' texts, and by how much the best logit led the second (natural log). */
  tokens: { token: string; margin: number }[];
}

async function ask(url: string, prompt: string, orrery: Record<string, unknown> = {}): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: prompt }],
      temperature: 0,
      max_tokens: 48,
      logprobs: true,
      top_logprobs: 2,
      orrery,
    }),
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  const [choice] = body.choices;
  return {
    text: choice.message.content,
    finish: choice.finish_reason,
    // deno-lint-ignore no-explicit-any
    tokens: choice.logprobs.content.map((t: any) => ({
      token: t.token,
      margin: t.top_logprobs[0].logprob - t.top_logprobs[1].logprob,
    })),
  };
}

const askAll = async (url: string, orrery?: Record<string, unknown>) => {
  const answers = [];
  for (const prompt of PROMPTS) answers.push(await ask(url, prompt, orrery));
  return answers;
};

/** Compares answers token by token. With a tolerance, a first divergence is allowed where the margin is below it. */
function assertSame(got: Answer[], expected: Answer[], what: string, tolerance = 0): number {
  let ties = 0;
  for (const [i, answer] of got.entries()) {
    const at = expected[i].tokens.findIndex((t, k) => t.token !== answer.tokens[k]?.token);
    if (at < 0) {
      assert.equal(answer.text, expected[i].text, `${what}: ${PROMPTS[i]}`);
      assert.equal(answer.finish, expected[i].finish);
      continue;
    }
    const { margin } = expected[i].tokens[at];
    assert.ok(
      margin < tolerance,
      `${what}: ${
        JSON.stringify(PROMPTS[i])
      } diverges at token ${at} (margin ${margin} between the two best logits): ` +
        `${JSON.stringify(answer.text)} instead of ${JSON.stringify(expected[i].text)}`,
    );
    ties++;
  }
  return ties;
}

Deno.test("Twenty prompts get identical greedy tokens on 1, 2, 3 and 4 nodes, uneven splits and any prompt pieces", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    let expected: Answer[] = [];
    await t.step("one node, whole prompt", async () => {
      await using one = await startCluster(1, data);
      expected = await askAll(one.url, { piece_rows: 4096 });
      assert.ok(new Set(expected.map((a) => a.text)).size > 15, "the answers must differ from each other");
    });
    for (const nodes of [2, 3, 4]) {
      await t.step(`${nodes} nodes`, async () => {
        await using cluster = await startCluster(nodes, data);
        assertSame(await askAll(cluster.url), expected, `${nodes} nodes`);
        if (nodes !== 4) return;
        for (const piece_rows of [1, 7, 64]) {
          assertSame(await askAll(cluster.url, { piece_rows }), expected, `4 nodes, pieces of ${piece_rows}`);
        }
      });
    }
    for (const layers of ["0,1-5", "0-3,4,5"]) {
      await t.step(`split ${layers}`, async () => {
        await using cluster = await startCluster(layers.split(",").length, data, ["--layers", layers]);
        assertSame(await askAll(cluster.url), expected, `split ${layers}`);
      });
    }
    await t.step("q4: one node against four, in pieces", async () => {
      let whole: Answer[];
      {
        await using one = await startCluster(1, data, ["--precision", "q4"]);
        whole = await askAll(one.url, { piece_rows: 4096 });
      }
      await using four = await startCluster(4, data, ["--precision", "q4"]);
      // int8 activation rounding amplifies last-bit differences between row counts: near ties may flip.
      const ties = assertSame(await askAll(four.url, { piece_rows: 7 }), whole, "q4", 0.05);
      assert.ok(ties <= 2, `${ties} of 20 answers flipped at a near tie`);
    });
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
