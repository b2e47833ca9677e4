import assert from "node:assert/strict";
import { buildHeadGraph, buildStageGraph } from "../../models/graph/mod.ts";
import { hasCode } from "../../actors/system/errors.ts";
import { StageChain } from "../../tests/oracle/stages.ts";
import { Fixture, TOKENS } from "../../tests/support/engine_fixture.ts";
import { withFixture } from "../../tests/support/architecture_fixtures.ts";
import { readStoredTensor } from "../../tests/support/stored_weights.ts";
import { TextHead, TextLayer, type TextRows } from "./text_session.ts";

const options = { sanitizeOps: false, sanitizeResources: false };
const ROWS = 40;

type TextModel = Pick<Fixture["model"], "manifest" | "blobsDir">;

/** The tokens of a text for a vocabulary of this size. */
const tokensOf = (vocab: number) => TOKENS.slice(0, ROWS).map((token) => token % vocab);

/** Runs a text through all layers one by one and through the head's parts: logits (rows, vocab). */
async function logitsOf(
  { manifest, blobsDir: blobDir }: TextModel,
  roundedCache = false,
): Promise<Float32Array> {
  const { geometry } = manifest;
  const with_ = { geometry, threads: 1 };
  let rows: TextRows = { tokens: Int32Array.from(tokensOf(geometry.vocab)) };
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
async function reference({ manifest, blobsDir: blobDir }: TextModel): Promise<Float32Array> {
  const whole: [number, number][] = [[0, manifest.geometry.layers - 1]];
  await using chain = await StageChain.open(manifest, whole, { blobDir, capacity: ROWS });
  const rows = tokensOf(manifest.geometry.vocab).map((token, i) => ({
    token,
    position: i,
    parent: i - 1,
  }));
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
    assert.deepEqual(await logitsOf(fixture.model), await reference(fixture.model));
  });
}

for (const name of ["lfm2", "granite4_states", "qwen3_5", "nemotron_h_experts"]) {
  Deno.test(`TextLayer and TextHead give the logits of ${name}`, options, async () => {
    await withFixture(name, "f32", async ({ manifest, blobDir: blobsDir }) => {
      const model = { manifest, blobsDir };
      assert.deepEqual(await logitsOf(model), await reference(model));
    });
  });
}

Deno.test("TextLayer rounds keys and values to int8 where it is asked to", options, async () => {
  await using fixture = await Fixture.make();
  const off = furthest(await logitsOf(fixture.model, true), await reference(fixture.model));
  const most = (await reference(fixture.model)).reduce((a, x) => Math.max(a, Math.abs(x)), 0);
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

Deno.test(
  "TextLayer sums what the last projection of each expert reads, over the rows that chose it",
  options,
  async () => {
    await withFixture("mixtral", "f32", async ({ manifest, blobDir }) => {
      const { geometry } = manifest;
      const { hidden, intermediate, experts } = geometry;
      const range = { firstLayer: 1, lastLayer: 1, head: false, gramWindow: 512 };
      const inner = { ...geometry, layers: 3 }; // so that the layer gives all its rows
      const graph = await buildStageGraph({ ...manifest, geometry: inner }, { ...range, blobDir });
      using layer = await TextLayer.open(graph, { geometry, threads: 1 });
      const read = (key: string) =>
        readStoredTensor({ blobsDir: blobDir }, manifest.layers[1], `mlp.${key}`);
      const router = await read("router");
      const [gate, up] = [await read("experts.gate"), await read("experts.up")];
      const times = (rows: Float32Array, x: number[]) =>
        Array.from(
          { length: rows.length / x.length },
          (_, row) => x.reduce((sum, value, i) => sum + rows[row * x.length + i] * value, 0),
        );
      const seen = new Set<number>();
      for (let text = 0; text < 4; text++) {
        const rows = Float32Array.from({ length: hidden }, (_, i) => Math.sin(i * i + 7 * text));
        const sums = new Map<string, Float32Array>();
        await layer.run({ hidden: rows }, sums);
        const gramOf = (key: string, expert?: number) => {
          const found = graph.grams!.find((gram) =>
            gram.keys.includes(`mlp.experts.${key}`) && gram.expert?.number === expert
          )!;
          if (expert !== undefined) rowsSeen += sums.get(found.expert!.rows)![0];
          return sums.get(found.windows[0].name)!;
        };
        let rowsSeen = 0;
        // One row x was read: the matrix is x x^T, which gives x but for its sign.
        const whole = gramOf("up");
        const largest = Array.from({ length: hidden }, (_, i) => whole[i * hidden + i])
          .reduce((best, value, i, all) => value > all[best] ? i : best, 0);
        const length = Math.sqrt(whole[largest * hidden + largest]);
        const matches = [1, -1].filter((sign) => {
          const x = Array.from(
            { length: hidden },
            (_, i) => sign * whole[largest * hidden + i] / length,
          );
          const scores = times(router, x);
          const chosen = scores.map((_, i) => i).toSorted((a, b) => scores[b] - scores[a])
            .slice(0, experts!.active);
          return scores.every((_, expert) => {
            const own = (all: Float32Array) =>
              all.subarray(expert * intermediate * hidden, (expert + 1) * intermediate * hidden);
            const [g, u] = [times(own(gate), x), times(own(up), x)];
            const product = chosen.includes(expert)
              ? g.map((value, i) => value / (1 + Math.exp(-value)) * u[i])
              : g.map(() => 0);
            const most = Math.max(...product.map(Math.abs)) ** 2 + 1e-12;
            if (chosen.includes(expert)) seen.add(expert);
            return gramOf("down", expert).every((value, at) =>
              Math.abs(
                value - product[Math.floor(at / intermediate)] * product[at % intermediate],
              ) <
                1e-4 * most
            );
          });
        });
        assert.equal(matches.length, 1);
        assert.ok(rowsSeen >= experts!.active, `${rowsSeen}`);
      }
      assert.ok(seen.size > experts!.active);
    });
  },
);
