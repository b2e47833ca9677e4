import assert from "node:assert/strict";
import { buildHeadGraph, buildStageGraph } from "../../models/graph/mod.ts";
import { hasCode } from "../../actors/system/errors.ts";
import { StageChain } from "../../tests/oracle/stages.ts";
import { Fixture, TOKENS } from "../../tests/support/engine_fixture.ts";
import { readStoredTensor } from "../../tests/support/stored_weights.ts";
import { TextHead, TextLayer, type TextRows } from "./text_session.ts";

const options = { sanitizeOps: false, sanitizeResources: false };
const ROWS = 40;

/** Runs a text through all layers one by one and through the head's parts: logits (rows, vocab). */
async function logitsOf(fixture: Fixture, roundedCache = false): Promise<Float32Array> {
  const { manifest, blobsDir: blobDir } = fixture.model;
  const { geometry } = manifest;
  const with_ = { geometry, threads: 1 };
  let rows: TextRows = { tokens: Int32Array.from(TOKENS.slice(0, ROWS)) };
  for (let layer = 0; layer < geometry.layers; layer++) {
    const range = { firstLayer: layer, lastLayer: layer };
    const graph = await buildStageGraph(manifest, { ...range, blobDir, head: false, roundedCache });
    using session = await TextLayer.open(graph, with_);
    rows = { hidden: await session.run(rows) };
  }
  const all = new Float32Array(ROWS * geometry.vocab);
  for (let part = 0; part < 8; part += 2) {
    const range = { firstPart: part, lastPart: part + 1 };
    const graph = await buildHeadGraph(manifest, { ...range, blobDir });
    using head = await TextHead.open(graph, with_);
    const found = await head.run((rows as { hidden: Float32Array<ArrayBuffer> }).hidden);
    for (const [i, { first, rows: tokens }] of graph.logits.entries()) {
      for (let row = 0; row < ROWS; row++) {
        const some = found[i].subarray(row * tokens, (row + 1) * tokens);
        all.set(some, row * geometry.vocab + first);
      }
    }
  }
  return all;
}

/** The same by a chain of one stage. */
async function reference({ model }: Fixture): Promise<Float32Array> {
  const { manifest, blobsDir: blobDir } = model;
  const whole: [number, number][] = [[0, manifest.geometry.layers - 1]];
  await using chain = await StageChain.open(manifest, whole, { blobDir, capacity: ROWS });
  const rows = TOKENS.slice(0, ROWS).map((token, i) => ({ token, position: i, parent: i - 1 }));
  return (await chain.run(rows, [...rows.keys()])).logits;
}

const furthest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

for (
  const [name, config] of [
    ["", {}],
    [" with a sliding window", {
      architectures: ["MistralForCausalLM"],
      model_type: "mistral",
      sliding_window: 7,
    }],
  ] as const
) {
  Deno.test(`TextLayer and TextHead give the logits of a whole model${name}`, options, async () => {
    await using fixture = await Fixture.make({ config: { ...config } });
    assert.deepEqual(await logitsOf(fixture), await reference(fixture));
  });
}

Deno.test("TextLayer rounds keys and values to int8 where it is asked to", options, async () => {
  await using fixture = await Fixture.make();
  const off = furthest(await logitsOf(fixture, true), await reference(fixture));
  const most = (await reference(fixture)).reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  assert.ok(off > 1e-5 * most && off < 0.05 * most, `${off} of ${most}`);
});

Deno.test(
  "TextLayer sums the Gram matrices of all texts, in windows on the diagonal",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const { manifest, blobsDir: blobDir } = fixture.model;
    const { geometry } = manifest;
    const { hidden } = geometry;
    const texts = [TOKENS.slice(0, 20), TOKENS.slice(20, 33)].map((ids) => Int32Array.from(ids));
    const gramsIn = async (gramWindow: number) => {
      const graph = await buildStageGraph(manifest, {
        ...{ firstLayer: 0, lastLayer: 0, blobDir, gramWindow },
      });
      using layer = await TextLayer.open(graph, { geometry, threads: 1 });
      const sums = new Map<string, Float32Array>();
      for (const tokens of texts) await layer.run({ tokens }, sums);
      return { grams: graph.grams!, sums };
    };
    const { grams, sums } = await gramsIn(1024);
    assert.deepEqual(grams.map(({ keys, inputs }) => [keys.join(), inputs]), [
      ["attn.q,attn.k,attn.v", 64],
      ["attn.o", 64],
      ["mlp.up,mlp.gate", 64],
      ["mlp.down", 96],
    ]);
    // What the first projections read: the normed rows of the embedding.
    const table = await readStoredTensor(fixture.model, manifest.embedding, "embed");
    const gain = await readStoredTensor(fixture.model, manifest.layers[0], "attn_norm");
    const rows = texts.flatMap((tokens) =>
      [...tokens].map((token) => {
        const row = table.subarray(token * hidden, (token + 1) * hidden);
        const mean = row.reduce((sum, x) => sum + x * x, 0) / hidden;
        return row.map((x, i) => x * gain[i] / Math.sqrt(mean + geometry.norm_eps));
      })
    );
    const whole = sums.get(grams[0].windows[0].name)!;
    for (let i = 0; i < hidden; i++) {
      for (let j = 0; j < hidden; j++) {
        const expected = rows.reduce((sum, row) => sum + row[i] * row[j], 0);
        assert.ok(Math.abs(whole[i * hidden + j] - expected) < 1e-3, `${i}, ${j}`);
      }
    }
    const narrow = await gramsIn(40);
    const [first, second] = narrow.grams[0].windows;
    assert.deepEqual([first.first, first.size, second.first, second.size], [0, 40, 40, 24]);
    const corner = narrow.sums.get(second.name)!;
    for (let i = 0; i < 24; i++) {
      for (let j = 0; j < 24; j++) {
        assert.ok(Math.abs(corner[i * 24 + j] - whole[(40 + i) * hidden + 40 + j]) < 1e-4);
      }
    }
  },
);

Deno.test("TextLayer.open() says which graph does not load", options, async () => {
  await using fixture = await Fixture.make({ layers: 1 });
  const { manifest, blobsDir: blobDir } = fixture.model;
  const graph = await buildStageGraph(manifest, { firstLayer: 0, lastLayer: 0, blobDir });
  await Deno.writeTextFile(graph.path, "no graph");
  await assert.rejects(
    TextLayer.open(graph, { geometry: manifest.geometry, threads: 1 }),
    (error) => hasCode(error, "engine_failed") && `${error}`.includes(graph.path),
  );
});
