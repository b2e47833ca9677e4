/**
 * Every mode on real nodes, separate processes: drafts change nothing, outlines do not depend on
 * the split, a drafter may die.
 */
import assert from "node:assert/strict";
import type { AnswerReport } from "../actors/mod.ts";
import { ask, askAll, assertSame, type NodeAnswer } from "./support/compare_answers.ts";
import { headGraph, startCluster } from "./support/processes.ts";
import { FIFTY } from "./support/prompts.ts";
import { inFolder } from "./support/store_folder.ts";

/** Lengths of drafts; undefined: as measured, frame behind frame. */
const LENGTHS = [1, 2, 4, 8, 16, undefined, undefined];
const MAX_TOKENS = 24;
const CLIENTS = 8;
const plainly = { max_tokens: MAX_TOKENS, orrery: { mode: "plain" } };

/**
 * Drafts of another length, shape and source for each prompt; none of them says that it will be
 * used. They are not looked up in earlier answers, which would make all of them right.
 */
function drafting(i: number, plain: NodeAnswer): Record<string, unknown> {
  // A prediction is looked up by n-grams: what is expected, with every seventh word wrong.
  const guess = plain.text.split(" ").map((word, k) => k % 7 === 6 ? "something" : word).join(" ");
  return {
    max_tokens: MAX_TOKENS,
    ...(i % 3 === 2 && { prediction: { type: "content", content: guess } }),
    orrery: {
      ...{ mode: "speculative", draft_length: LENGTHS[i % 7], draft_tree: i % 2 === 0 },
      reuse: false,
    },
  };
}

/** Asks the prompts in every way of drafting. Returns how many rows were drafted and came true. */
async function assertLossless(
  url: string,
  plain: NodeAnswer[],
  what: string,
): Promise<{ drafted: number; accepted: number }> {
  const total = { drafted: 0, accepted: 0 };
  const left = plain.entries();
  const client = async () => {
    for (const [i, expected] of left) {
      const body = drafting(i, expected);
      const answer = await ask(url, expected.prompt, body);
      assertSame([answer], [expected], `${what}, ${JSON.stringify(body.orrery)}`);
      total.drafted += answer.orrery.drafted;
      total.accepted += answer.orrery.accepted;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client)); // their rows share frames
  return total;
}

/** A greedy answer without log-probabilities, which outlines do not have. */
const outlineOf = (url: string, prompt: string) =>
  ask(url, prompt, {
    logprobs: false,
    top_logprobs: undefined,
    max_tokens: undefined, // no limit of the client's: no branch may be cut
    orrery: { mode: "outline" },
  });

/** A streamed answer; `onDelta` hears how many deltas have come. */
async function stream(
  url: string,
  body: Record<string, unknown>,
  onDelta: (deltas: number) => void,
): Promise<{ text: string; orrery: AnswerReport }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true }),
  });
  assert.equal(response.status, 200);
  let [text, deltas, rest] = ["", 0, ""];
  let orrery: AnswerReport | undefined;
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop()!;
    for (const event of lines) {
      if (!event.startsWith("data: {")) continue;
      const chunk = JSON.parse(event.slice("data: ".length));
      assert.equal(chunk.error, undefined, event);
      orrery = chunk.orrery ?? orrery;
      const content = chunk.choices[0]?.delta.content;
      if (!content) continue;
      text += content;
      onDelta(++deltas);
    }
  }
  assert.ok(orrery, "the last chunk says how the answer was made");
  return { text, orrery };
}

/** Of {@linkcode drafting}, every length with every source; and each of these with both shapes. */
const [SOME, ALL] = [21, 42];

const OUTLINED = ["Why does it rain?", "Why is the sea salty?", "How do birds fly?"];

Deno.test("POST /v1/chat/completions gives the same tokens with any drafts, on 1, 2 and 4 nodes", async (t) => {
  await inFolder(async (data) => {
    let plain: NodeAnswer[] = [];
    let outlines: NodeAnswer[] = [];
    for (const nodes of [1, 2, 4]) {
      // On two nodes both also compute a half of the LM head.
      const shared = nodes === 2 ? ["--graph", await headGraph(data, 2)] : [];
      await using cluster = await startCluster(nodes, data, shared);
      const { url } = cluster;
      if (nodes === 1) {
        plain = await askAll(url, FIFTY.slice(0, ALL), plainly, CLIENTS);
        assert.equal(plain.length, ALL);
        assert.ok(
          new Set(plain.map((a) => a.text)).size > 25,
          `${new Set(plain.map((a) => a.text)).size} different answers`,
        );
        for (const prompt of OUTLINED) outlines = [...outlines, await outlineOf(url, prompt)];
      }
      await t.step(`speculative on ${nodes} node(s)`, async () => {
        const asked = nodes === 1 ? plain.slice(0, SOME) : plain;
        const { drafted, accepted } = await assertLossless(url, asked, `${nodes} node(s)`);
        assert.ok(drafted > 4 * asked.length, `${drafted} rows drafted`);
        assert.ok(accepted > 0.3 * drafted, `${accepted} of ${drafted} came true`);
      });
      if (nodes !== 2) continue;
      await t.step("an outline says on two nodes what it says on one", async () => {
        for (const expected of outlines) {
          assert.equal(expected.orrery.mode, "outline", expected.orrery.why);
          assert.ok(expected.orrery.branches > 1);
          assert.match(expected.text, /[.!?]\s*$/);
          const { text, orrery } = await outlineOf(url, expected.prompt);
          assert.equal(text, expected.text);
          assert.equal(orrery.branches, expected.orrery.branches);
        }
      });
      await t.step("requests that run together get the answers that each gets alone", async () => {
        const together = await Promise.all([
          outlineOf(url, OUTLINED[0]),
          ask(url, FIFTY[1], drafting(1, plain[1])),
          ask(url, FIFTY[3], plainly),
          outlineOf(url, OUTLINED[1]),
        ]);
        assert.deepEqual(together.map((a) => a.text), [
          outlines[0].text,
          plain[1].text,
          plain[3].text,
          outlines[1].text,
        ]);
      });
    }
  });
});

Deno.test("POST /v1/chat/completions goes on with the same tokens when the drafter is killed", async () => {
  await inFolder(async (data) => {
    const body = (mode: string) => ({
      messages: [{ role: "user", content: "Why does it rain?" }],
      temperature: 0,
      max_tokens: 300,
      // Drafts from earlier answers would leave the drafter nothing to do.
      orrery: { mode, ignore_eos: true, draft_length: 4, reuse: false },
    });
    await using cluster = await startCluster(3, data, ["--layers", "0-2,3-5"]);
    const expected = await stream(cluster.url, body("plain"), () => {});
    const drafter = cluster.nodes[2];
    // The first drafts may come late, from a node that has just loaded its model.
    assert.equal((await stream(cluster.url, body("speculative"), () => {})).text, expected.text);
    let before = 0;
    const killed = await stream(cluster.url, body("speculative"), (deltas) => {
      if (deltas === 8) drafter.kill("SIGKILL");
      before = deltas;
    });
    assert.ok(before > 16, `it was killed half way of ${before}`);
    assert.equal(killed.text, expected.text);
    assert.ok(killed.orrery.drafted > 0, killed.orrery.why);
    await cluster.nodes[0].line(/^ready +\S+: layers 0-2 on this node, layers 3-5 on \S+$/);
    const after = await stream(cluster.url, body("speculative"), () => {});
    assert.equal(after.text, expected.text);
  });
});
