/** Shards of the LM head on real engines: the tokens are those of a stage that has all of it. */
import assert from "node:assert/strict";
import {
  asFloat32,
  CANDIDATE_LIMITS,
  type Frame,
  type HeadEngine,
  isAllowed,
  maskPart,
  mergePartials,
  type NormedRow,
  packMask,
  type Sampling,
  samplingSchema,
  type TokenResult,
  unpackPartials,
} from "../../actors/pipeline/mod.ts";
import { hasCode } from "../../actors/system/errors.ts";
import { buildHeadGraph, buildStageGraph } from "../../models/graph/mod.ts";
import { headBounds, type Precision } from "../../models/mod.ts";
import {
  chain,
  Fixture,
  open,
  range,
  sampler,
  TOKENS,
} from "../../tests/support/engine_fixture.ts";
import { loadEngine, loadHead } from "./mod.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

/** Settings that between them use every way of choosing. */
const SETTINGS: Partial<Sampling>[] = [
  {},
  { temperature: 1, seed: 5 },
  { temperature: 1.3, top_k: 7, seed: 6 },
  { temperature: 0.9, top_p: 0.8, seed: 7 },
  { temperature: 3, top_p: 0.999, min_p: 0.001, seed: 8 },
  { temperature: 1, min_p: 0.2, logprobs: true, seed: 9 },
  { repetition_penalty: 1.5, presence_penalty: 0.5, frequency_penalty: 0.25, top_logprobs: 9 },
  { temperature: 1, logit_bias: [[3, 9], [200, -9]], banned: [1, 100, 249], seed: 10 },
];

/** A stage without the head, and shards that cover it, each with so many parts. */
async function split(fixture: Fixture, parts: number[]) {
  const { manifest, blobsDir: blobDir } = fixture.model;
  const { geometry } = manifest;
  const bounds = headBounds(geometry.vocab);
  let first = 0;
  const shards: { engine: HeadEngine; firstPart: number; parts: number }[] = [];
  for (const count of parts) {
    const graph = await buildHeadGraph(manifest, {
      firstPart: first,
      lastPart: first + count - 1,
      blobDir,
    });
    shards.push({
      engine: await loadHead({ graph, geometry, threads: 1 }),
      firstPart: first,
      parts: count,
    });
    first += count;
  }
  const graph = await buildStageGraph(manifest, {
    firstLayer: 0,
    lastLayer: geometry.layers - 1,
    blobDir,
    head: false,
  });
  const stage = await loadEngine({
    graph,
    geometry,
    head: shards.map(({ firstPart, parts }) => ({
      first: bounds[firstPart],
      tokens: bounds[firstPart + parts] - bounds[firstPart],
    })),
    threads: 1,
    arenaBudgetBytes: 1 << 24,
  });
  return { stage, shards };
}

/** The tokens that the shards choose for the rows of a frame. */
async function choose(
  shards: Awaited<ReturnType<typeof split>>["shards"],
  { normed, rows, vocab, samplings, masks }: {
    normed: Float32Array;
    rows: NormedRow[];
    vocab: number;
    samplings: Sampling[];
    masks: (Int32Array | undefined)[];
  },
): Promise<Omit<TokenResult, "slot">[]> {
  const shape = [rows.length, normed.length / rows.length];
  return await Promise.all(rows.map(async ({ position, occurrences, failed }, row) => {
    if (failed) return { token: 0, failed };
    for (const limit of CANDIDATE_LIMITS) {
      const partials = [];
      let first = 0;
      for (const { engine, parts } of shards) {
        const { tokens } = engine.info;
        const mask = masks[row];
        const allowed = mask && maskPart(mask, { first, tokens });
        first += tokens;
        const data = new Uint8Array(normed.slice().buffer);
        const output = await engine.run({
          normed: { dtype: "f32", shape, data },
          rows: [{ row, sampling: samplings[row], position, occurrences, allowed }],
          limit,
        });
        const unpacked = unpackPartials(output.partials, { count: parts, vocab });
        assert.ok(typeof unpacked !== "string", String(unpacked));
        partials.push(...unpacked);
      }
      const merged = mergePartials(partials, { sampling: samplings[row], vocab, position });
      if (merged.kind === "sampled") return merged.sampled;
    }
    return assert.fail("no token was chosen");
  }));
}

for (const precision of ["f32", "q4", "f16"] as Precision[]) {
  Deno.test(
    `HeadEngine.run() gives the tokens of a whole head, for every setting and split, at ${precision}`,
    options,
    async () => {
      await using fixture = await Fixture.make({}, precision);
      const whole = await fixture.engine();
      const rows = SETTINGS.length;
      const samplings = SETTINGS.map((s) => samplingSchema.parse(s));
      const { vocab } = fixture.geometry;
      // Every second row may be followed by a fifth of the tokens only.
      const some = new Int32Array(Math.ceil(vocab / 32)).map((_, i) => 0x08421084 << (i % 5));
      const masks = samplings.map((_, i) => i % 2 === 1 ? some : undefined);
      const frame = (): Frame => ({
        ...chain("r", 0, TOKENS.slice(0, rows), {
          want: range(rows),
          samplers: SETTINGS.map((s, id) =>
            sampler({ top_logprobs: 0, ...s }, { id, prompt_rows: 2 })
          ),
        }),
        want_samplers: Int32Array.from(range(rows)),
        masks: [{ id: 7, bits: packMask(some, vocab) }],
        want_masks: Int32Array.from(masks, (mask) => mask ? 7 : -1),
      });
      await open(whole, "r");
      const expected = await whole.run(frame());
      assert.ok(expected.kind === "tokens");
      for (const [i, mask] of masks.entries()) {
        if (mask) {
          assert.ok(isAllowed(mask, expected.tokens[i].token), `row ${i} keeps to its mask`);
        }
      }
      for (const parts of [[8], [4, 4], [2, 2, 2, 2], [1, 6, 1]]) {
        const { stage, shards } = await split(fixture, parts);
        await open(stage, "r");
        const output = await stage.run(frame());
        assert.ok(output.kind === "normed");
        const normed = asFloat32(output.normed);
        const got = await choose(shards, { normed, rows: output.rows, vocab, samplings, masks });
        assert.deepEqual(got, expected.tokens.map(({ slot: _, ...token }) => token), `${parts}`);
        await stage.dispose();
        for (const { engine } of shards) await engine.dispose();
      }
    },
  );
}

Deno.test(
  "StageEngine.run() gives hidden states beside tokens, the same bits for every split of layers and head",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const rows = 6;
    const frame = (): Frame => ({
      ...chain("r", 0, TOKENS.slice(0, rows), {
        want: range(rows),
        samplers: [sampler({ top_logprobs: 3 })],
      }),
      strict_samplers: [{ ...sampler({}, { id: 1 }), hidden: true }],
      want_samplers: Int32Array.of(1, 0, 1, 1, 0, 0),
    });
    const { layers, hidden } = fixture.geometry;
    const whole = await fixture.engine();
    await open(whole, "r");
    const expected = await whole.run(frame());
    assert.ok(expected.kind === "tokens");
    const states = expected.tokens.map((token) => token.hidden);
    assert.deepEqual(states.map((state) => state?.length ?? 0), [hidden, 0, hidden, hidden, 0, 0]);
    // The same rows with tokens alone: hidden states beside them change nothing.
    const plain = { ...frame(), strict_samplers: undefined, want_samplers: new Int32Array(rows) };
    await open(whole, "p");
    const tokens = await whole.run({ ...plain, arena: "p" });
    assert.ok(tokens.kind === "tokens");
    for (const i of [1, 4, 5]) assert.deepEqual(expected.tokens[i], tokens.tokens[i]);

    const first = await fixture.engine(0, 0);
    const last = await fixture.engine(1, layers - 1);
    for (const engine of [first, last]) await open(engine, "r");
    const half = await first.run(frame());
    assert.ok(half.kind === "hidden");
    const split2 = await last.run({ ...frame(), hidden: half.hidden });
    assert.ok(split2.kind === "tokens");
    assert.deepEqual(split2.tokens, expected.tokens);

    const { stage, shards } = await split(fixture, [4, 4]);
    await open(stage, "r");
    const output = await stage.run(frame());
    assert.ok(output.kind === "normed");
    assert.deepEqual(output.states?.wanted, [0, 2, 3]);
    assert.deepEqual(output.states.results.map((r) => r.hidden), [states[0], states[2], states[3]]);
    assert.deepEqual(output.normed.shape, [3, hidden]);
    assert.equal(output.rows.length, 3);
    await stage.dispose();
    for (const { engine } of shards) await engine.dispose();
  },
);

Deno.test(
  "HeadEngine.run() fails a row with NaN alone, and refuses rows of another width",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const { shards: [{ engine }], stage } = await split(fixture, [8]);
    const { hidden } = fixture.geometry;
    const sampling = samplingSchema.parse({});
    const values = new Float32Array(2 * hidden).fill(0.1).fill(NaN, hidden);
    const rows = [0, 1].map((row) => ({ row, sampling, position: 1 }));
    const data = new Uint8Array(values.buffer);
    const normed = { dtype: "f32" as const, shape: [2, hidden], data };
    const { failed, partials } = await engine.run({ normed, rows, limit: 64 });
    assert.deepEqual(failed.map(({ row, code }) => [row, code]), [[1, "bad_logits"]]);
    assert.ok(Array.isArray(unpackPartials(partials, { count: 8, vocab: fixture.geometry.vocab })));
    const wide = { dtype: "f32" as const, shape: [1, 1], data: new Uint8Array(4) };
    await assert.rejects(
      engine.run({ normed: wide, rows: [], limit: 64 }),
      (e) => hasCode(e, "bad_frame"),
    );
    await engine.dispose();
    await assert.rejects(
      engine.run({ normed: wide, rows: [], limit: 64 }),
      (e) => hasCode(e, "engine_failed") || hasCode(e, "bad_frame"),
    );
    await stage.dispose();
  },
);
