import assert from "node:assert/strict";
import fc from "fast-check";
import { draftVariant, draftVariants } from "./draft_heads.ts";
import { plan } from "./plan.ts";
import { LAYER, toyShape } from "../tests/support/toy_shape.ts";
import type { Device, DraftModel, PlanInput } from "./types.ts";

function deviceOf(name: string, seconds: number, memoryBytes: number): Device {
  const table = (most: number) => ({ rows: [1], past: [0], seconds: [[most]] });
  return {
    name,
    memoryBytes,
    overheadBytes: 0,
    layer: {
      rows: [1, 64],
      past: [0, 1024],
      seconds: [1, 16].map((n) => [n * seconds, n * seconds]),
    },
    embed: table(seconds / 20),
    head: table(seconds / 4),
    frameSeconds: 0.0002,
    trusted: true,
  };
}

/** A device with 8 layers of 20 ms, and so many bytes besides them for a draft model. */
function inputOf(draft: DraftModel, more: Partial<PlanInput> & { left?: number } = {}): PlanInput {
  const { left = 1e9, ...rest } = more;
  const weights = 8 * LAYER + 40e6 + 160 * 8 * 1000;
  return {
    model: toyShape(8, { vocab: draft.head?.vocab ?? 1000 }),
    devices: [deviceOf("a", 0.02, weights + left)],
    links: { seconds: [[0]], bytesPerS: [[Infinity]] },
    workload: { promptTokens: 128, outputTokens: 32, branches: 1, concurrent: 1, acceptance: 0.9 },
    objective: "latency",
    constraints: { pin: [], exclude: [], memory: [], trustedEnds: false, minPieceRows: 16 },
    draft,
    ...rest,
  };
}

/** A draft model of 300 MB, of which 200 are its head, and 10 ms a token, some of them its head's. */
const modelOf = (vocab: number, headSeconds: number): DraftModel => ({
  name: "small",
  bytes: 300e6,
  secondsPerToken: [0.01],
  head: { vocab, bytes: 200e6, seconds: [headSeconds] },
});

Deno.test("draftVariant() takes bytes and seconds off in proportion to the tokens that are gone", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 2e5 }),
    fc.integer({ min: 1, max: 2e5 }),
    (vocab, vocabulary) => {
      const model = { ...modelOf(vocab, 0.004), secondsPerToken: [0.01] };
      const whole = draftVariant(model);
      assert.deepEqual(whole, { bytes: 300e6, secondsPerToken: [0.01] });
      const some = draftVariant(model, vocabulary);
      if (vocabulary >= vocab) return assert.deepEqual(some, whole);
      const kept = vocabulary / vocab;
      assert.equal(some.vocabulary, vocabulary);
      assert.ok(Math.abs(some.bytes - (100e6 + kept * 200e6)) < 1);
      assert.ok(Math.abs(some.secondsPerToken[0] - (0.006 + kept * 0.004)) < 1e-12);
    },
  ));
  const unmeasured = { ...modelOf(1000, Infinity), secondsPerToken: [Infinity] };
  assert.deepEqual(draftVariant(unmeasured, 500).secondsPerToken, [Infinity]);
});

Deno.test("draftVariants() trims large vocabularies only, unless the user says how many tokens", () => {
  const tokens = (vocab: number, asked?: number | "whole") =>
    draftVariants(modelOf(vocab, 0.004), { draftVocabulary: asked }).map((v) => v.vocabulary);
  assert.deepEqual(tokens(32_000), [undefined]);
  assert.deepEqual(tokens(151_936), [undefined, 75_968, 37_984]);
  assert.deepEqual(tokens(151_936, "whole"), [undefined]);
  assert.deepEqual(tokens(32_000, 8_000), [8_000]);
  const { head: _, ...bare } = modelOf(151_936, 0.004);
  assert.deepEqual(draftVariants(bare, undefined).map((v) => v.vocabulary), [undefined]);
});

Deno.test("plan() keeps the draft model's head whole where a smaller one costs more accepted tokens than it saves time", () => {
  const { draft } = plan(inputOf(modelOf(151_936, 0.002)));
  assert.equal(draft.source, "model");
  assert.equal(draft.vocabulary, undefined);
});

Deno.test("plan() trims the draft model's head where that is quicker, and where only that fits", () => {
  const slow = { ...modelOf(151_936, 0.095), secondsPerToken: [0.1] };
  const quicker = plan(inputOf(slow));
  assert.ok(quicker.draft.vocabulary! < 151_936, quicker.draft.why);
  const whole = plan(inputOf(slow, { decode: { draftVocabulary: "whole" } }));
  assert.equal(whole.draft.vocabulary, undefined);
  assert.ok(quicker.predicted.tokens_per_s > whole.predicted.tokens_per_s);

  const model = modelOf(151_936, 0.002);
  const left = (bytes: number, decode?: PlanInput["decode"]) =>
    plan(inputOf(model, { left: bytes, decode })).draft;
  assert.equal(left(301e6).vocabulary, undefined);
  assert.equal(left(201e6).vocabulary, 75_968);
  assert.equal(left(151e6).vocabulary, 37_984);
  assert.match(left(151e6).why, /small with 37984 of 151936 tokens on a, the nearest in time/);
  assert.equal(left(149e6).source, "ngram");
  assert.match(left(149e6).why, /no host has 150 MB left for small \(a lacks [\d.]+ MB\)/);
  assert.equal(left(201e6, { draftVocabulary: "whole" }).source, "ngram");
  assert.equal(left(301e6, { draftVocabulary: 1000 }).vocabulary, 1000);
  assert.throws(
    () => left(149e6, { draftHost: "a" }),
    /drafter small does not fit on a: it lacks [\d.]+ bytes/,
  );
});
