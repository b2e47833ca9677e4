/**
 * Distributed equals local, with separate processes: the test that matters most.
 */
import assert from "node:assert/strict";
import { askAll, assertSame, type NodeAnswer } from "./support/compare_answers.ts";
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

Deno.test("deno task start gives the same greedy tokens on 1 to 4 nodes, at any split and in any pieces", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    let expected: NodeAnswer[] = [];
    let sampled: NodeAnswer[] = [];
    let expectedFew: NodeAnswer[] = [];
    await t.step("one node, whole prompt", async () => {
      await using one = await startCluster(1, data);
      expected = await answers(one.url, { piece_rows: 4096 });
      expectedFew = await fewer(one.url, { piece_rows: 4096 });
      sampled = await drawn(one.url);
      assert.ok(
        new Set(expected.map((a) => a.text)).size > 15,
        "the answers must differ from each other",
      );
    });
    await t.step("4 nodes", async () => {
      await using cluster = await startCluster(4, data);
      assertSame(await answers(cluster.url), expected, "4 nodes");
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
        await using cluster = await startCluster(layers.split(",").length, data, [
          "--layers",
          layers,
        ]);
        assertSame(await fewer(cluster.url), expectedFew, `split ${layers}`);
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
