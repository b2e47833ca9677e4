/**
 * Distributed equals local, with separate processes: the test that matters most.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { askAll, assertSame, type NodeAnswer } from "./support/compare_answers.ts";
import { writeOtherVocabulary } from "./support/other_vocabulary.ts";
import { PROMPTS } from "./support/prompts.ts";
import { headGraph, startCluster } from "./support/processes.ts";

/** Width of the embedded model's hidden states. */
const HIDDEN = 256;

/** Clients that ask side by side where rows of several answers may share frames. */
const CLIENTS = 8;

/** Every prompt, one after the other: each frame has rows of one answer. */
const answers = (url: string, orrery: Record<string, unknown> = {}) =>
  askAll(url, PROMPTS, { orrery });

/** Every second prompt, for q4 and the many ways to split: the others are asked on 1 and 4 nodes. */
const FEWER = PROMPTS.filter((_, i) => i % 2 === 0);
/** Their longest answers: what a split does wrong shows in the first tokens. */
const FEWER_TOKENS = 24;
const fewer = (url: string, orrery: Record<string, unknown> = {}) =>
  askAll(url, FEWER, { orrery, max_tokens: FEWER_TOKENS }, CLIENTS);

/** Ways of drawing that need different things of the whole vocabulary. */
const DRAWING = [
  { temperature: 1.2, seed: 3 },
  { temperature: 1.5, top_p: 0.97, seed: 4 },
  { temperature: 0.8, seed: 5, frequency_penalty: 1, presence_penalty: 0.5 },
  { temperature: 1, top_p: 0.5, seed: 6, logit_bias: { 300: 3, 301: -100 } },
];

/** Answers that are drawn. */
async function drawn(url: string): Promise<NodeAnswer[]> {
  const all: NodeAnswer[] = [];
  for (const settings of DRAWING) {
    const body = { ...settings, max_tokens: FEWER_TOKENS };
    all.push(...await askAll(url, PROMPTS.slice(0, 5), body, CLIENTS));
  }
  return all;
}

/** Prompts that are asked again with drafts. */
const DRAFTED = 5;
/**
 * Ways to draft: by the draft model, whose ids stand for other tokens than the target's, and by what
 * earlier answers say, where a prediction (which is of no use here) turns the draft model off.
 */
const DRAFTING = {
  "bridged drafts": { orrery: { mode: "speculative", draft_length: 4, reuse: false } },
  lookups: {
    prediction: { type: "content", content: "-" },
    orrery: { mode: "speculative", draft_length: 8 },
  },
};

/** Asks for answers that the node has given once more, with drafts. */
async function assertDrafted(url: string, expected: NodeAnswer[], stages: number): Promise<void> {
  const plain = expected.slice(0, DRAFTED);
  for (const [way, body] of Object.entries(DRAFTING)) {
    const drafted = await askAll(url, PROMPTS.slice(0, DRAFTED), body);
    const what = `${way} on ${stages} stages`;
    assertSame(drafted, plain, what);
    const sum = (of: "drafted" | "accepted") =>
      drafted.reduce((total, { orrery }) => total + orrery[of], 0);
    const tokens = plain.reduce((total, answer) => total + answer.tokens.length, 0);
    const figures = `${what}: ${sum("accepted")} of ${sum("drafted")} came true, ${tokens} tokens`;
    assert.ok(sum("accepted") > 0.3 * sum("drafted"), figures);
    assert.ok(sum("accepted") > (way === "lookups" ? 0.5 : 0.3) * tokens, figures);
  }
}

Deno.test("deno task start gives the same greedy tokens on 1 to 4 nodes, at any split and in any pieces", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    let expected: NodeAnswer[] = [];
    let sampled: NodeAnswer[] = [];
    let expectedFew: NodeAnswer[] = [];
    const drafter = join(data, "reversed");
    await writeOtherVocabulary(drafter, { reversed: true });
    const bridged = ["--draft", drafter];
    await t.step("one node, whole prompt", async () => {
      await using one = await startCluster(1, data, bridged);
      expected = await answers(one.url, { piece_rows: 4096 });
      expectedFew = await fewer(one.url, { piece_rows: 4096 });
      sampled = await drawn(one.url);
      assert.ok(
        new Set(expected.map((a) => a.text)).size > 15,
        "the answers must differ from each other",
      );
      await assertDrafted(one.url, expected, 1);
    });
    await t.step("4 nodes", async () => {
      await using cluster = await startCluster(4, data, bridged);
      assertSame(await answers(cluster.url), expected, "4 nodes");
      await assertDrafted(cluster.url, expected, 4);
      for (const piece_rows of [1, 7, 64]) {
        assertSame(
          await fewer(cluster.url, { piece_rows }),
          expectedFew,
          `4 nodes, pieces of ${piece_rows}`,
        );
      }
    });
    // Two equal halves are asked in modes_test.ts.
    for (const layers of ["0,1-5", "0-3,4,5"]) {
      await t.step(`split ${layers}`, async () => {
        const stages = layers.split(",").length;
        // A node more than stages drafts.
        const [nodes, more] = stages === 2 ? [3, bridged] : [stages, []];
        await using cluster = await startCluster(nodes, data, ["--layers", layers, ...more]);
        assertSame(await fewer(cluster.url), expectedFew, `split ${layers}`);
        if (stages !== 2) return;
        const plain = await askAll(cluster.url, PROMPTS.slice(0, DRAFTED));
        assertSame(plain, expected.slice(0, DRAFTED), "2 stages");
        await assertDrafted(cluster.url, expected, stages);
      });
    }
    for (const [nodes, shards] of [[3, 2], [4, 4]]) {
      await t.step(`${nodes} nodes, ${shards} of them with the LM head`, async () => {
        const graph = await headGraph(data, shards);
        await using cluster = await startCluster(nodes, data, ["--graph", graph]);
        assertSame(await fewer(cluster.url), expectedFew, `${nodes} nodes, ${shards} shards`);
        assertSame(await drawn(cluster.url), sampled, `drawn by ${nodes} nodes, ${shards} shards`);
      });
    }
    await t.step("q4: one node against four, in pieces", async () => {
      let whole: NodeAnswer[];
      {
        await using one = await startCluster(1, data, ["--precision", "q4"]);
        whole = await askAll(one.url, FEWER, { orrery: { piece_rows: 4096 } });
      }
      await using four = await startCluster(4, data, ["--precision", "q4"]);
      const split = await askAll(four.url, FEWER, { orrery: { piece_rows: 7 } });
      // Hidden states travel as f16, two bytes a value and little more.
      const { bytes_per_token_per_hop } = split[0].orrery;
      assert.ok(bytes_per_token_per_hop! < 3 * HIDDEN, `${bytes_per_token_per_hop} bytes`);
      // int8 activation rounding amplifies last-bit differences between row counts, and rounding to
      // f16 changes what is rounded: near ties may flip.
      const ties = assertSame(split, whole, "q4", 0.05);
      assert.ok(ties <= 1, `${ties} of ${FEWER.length} answers flipped at a near tie`);
    });
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
