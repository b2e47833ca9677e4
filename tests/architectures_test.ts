/**
 * Every architecture against transformers: tiny checkpoints with the logits and greedy tokens that
 * it computed in float32 (`fixtures/make_checkpoints.py`).
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { WRAPPERS } from "../models/arch/mod.ts";
import { type Frame, samplingSchema } from "../actors/pipeline/frame.ts";
import {
  ARCHITECTURES,
  buildSplitStage,
  type Geometry,
  hasAttention,
  type Manifest,
} from "../models/mod.ts";
import { loadEngine } from "../runtime/engine/mod.ts";
import { assertClose, pickRows, relativeError } from "./oracle/compare.ts";
import {
  cut,
  decode,
  FIXTURE_DIR,
  prefill,
  splits,
  withFixture,
} from "./support/architecture_fixtures.ts";
import "./support/open_library.ts";

const options = { sanitizeOps: true, sanitizeResources: true };

/** Of logits, as a share of the largest: f32 sums in another order. */
const TOLERANCE = 1e-4;
/** Of logits from q8 weights, activations in f32. */
const Q8_TOLERANCE = 0.15;

const names = (await readdir(FIXTURE_DIR)).sort();

for (const name of names) {
  Deno.test(
    `buildStageGraph() of ${name} at f32 equals transformers at every split, in pieces and steps`,
    options,
    async () => {
      await withFixture(name, "f32", async (fixture) => {
        const { expected, manifest: { geometry } } = fixture;
        for (const ranges of splits(geometry.layers)) {
          const what = `stages ${ranges.map(([a, b]) => `${a}-${b}`).join(" ")}`;
          for (const piece of ranges.length === 1 ? [20, 1, 7] : [20, 7]) {
            const logits = await prefill(fixture, ranges, piece);
            const picked = pickRows(logits, expected.prefill.rows, geometry.vocab);
            assertClose(picked, expected.prefill.logits, TOLERANCE, `${what}, pieces of ${piece}`);
          }
        }
        for (
          const ranges of [cut(geometry.layers, 0), cut(geometry.layers, 0, geometry.layers - 1)]
        ) {
          const { greedy, logits } = await decode(fixture, ranges);
          assert.deepEqual(greedy, expected.greedy);
          const picked = expected.steps.rows.flatMap((row) => [...logits[row]]);
          assertClose(picked, expected.steps.logits, TOLERANCE, "step by step");
        }
      });
    },
  );
}

/** Geometries that lack one of the traits of this one, over the same tensors. */
function withoutOneTrait(geometry: Geometry): [string, Geometry][] {
  const { rope, attention, convolution, local, mlp, norms, experts, recurrence } = geometry;
  const others: Record<string, Partial<Geometry>> = {
    "rope.scaling":
      rope.scaling && rope.scaling.rope_type !== "dynamic" && rope.scaling.type !== "dynamic"
        ? { rope: { ...rope, scaling: null } }
        : {},
    "rope.dims": rope.dims && !attention?.latent ? { rope: { ...rope, dims: undefined } } : {},
    "rope.interleaved": rope.interleaved ? { rope: { ...rope, interleaved: undefined } } : {},
    "rope.skipped_layers": rope.skipped_layers?.some((layer) => hasAttention(geometry, layer))
      ? { rope: { ...rope, skipped_layers: [] } }
      : {},
    "attention.scale": attention?.scale ? { attention: { ...attention, scale: undefined } } : {},
    "attention.softcap": attention?.softcap
      ? { attention: { ...attention, softcap: undefined } }
      : {},
    "attention.qk_norm": attention?.qk_norm ? { attention: { ...attention, qk_norm: false } } : {},
    "attention.qk_norm rotated": attention?.qk_norm === "rotated"
      ? { attention: { ...attention, qk_norm: true } }
      : {},
    "attention.gate": attention?.gate ? { attention: { ...attention, gate: undefined } } : {},
    "attention.bias": attention?.bias ? { attention: { ...attention, bias: undefined } } : {},
    "local.window": local && local.window < 20
      ? { local: { ...local, window: geometry.context } }
      : {},
    "local.rope": local?.rope ? { local: { ...local, rope: undefined } } : {},
    "mlp.activation": mlp?.activation ? { mlp: { ...mlp, activation: undefined } } : {},
    "mlp.bias": mlp?.bias ? { mlp: { ...mlp, bias: undefined } } : {},
    "norms.offset": norms?.offset ? { norms: { ...norms, offset: undefined } } : {},
    "norms.kind": norms?.kind ? { norms: { ...norms, kind: undefined, bias: undefined } } : {},
    "norms.bias": norms?.bias ? { norms: { ...norms, bias: undefined } } : {},
    head_bias: geometry.head_bias ? { head_bias: undefined } : {},
    residual_scale: geometry.residual_scale ? { residual_scale: undefined } : {},
    logit_scale: geometry.logit_scale ? { logit_scale: undefined } : {},
    embedding_scale: geometry.embedding_scale ? { embedding_scale: undefined } : {},
    logit_softcap: geometry.logit_softcap ? { logit_softcap: undefined } : {},
    "convolution.bias": convolution?.bias
      ? { convolution: { ...convolution, bias: undefined } }
      : {},
    "recurrence.kernel_bias": recurrence?.kernel_bias
      ? { recurrence: { ...recurrence, kernel_bias: undefined } }
      : {},
    "recurrence.bias": recurrence?.bias ? { recurrence: { ...recurrence, bias: undefined } } : {},
    "recurrence.norm": recurrence?.norm === "first"
      ? { recurrence: { ...recurrence, norm: undefined } }
      : {},
    "recurrence.factors": recurrence?.factors
      ? { recurrence: { ...recurrence, factors: undefined } }
      : {},
    "recurrence.beside": recurrence?.beside?.state !== undefined && recurrence.beside.state !== 1
      ? { recurrence: { ...recurrence, beside: { state: 1, attention: 1 } } }
      : {},
    "mlp.gate_scale": mlp?.gate_scale ? { mlp: { ...mlp, gate_scale: undefined } } : {},
    "mlp.scale": mlp?.scale ? { mlp: { ...mlp, scale: undefined } } : {},
    "attention.sinks": attention?.sinks ? { attention: { ...attention, sinks: undefined } } : {},
    "experts.active": experts ? { experts: { ...experts, active: 1 } } : {},
    "experts.scores": experts?.scores ? { experts: { ...experts, scores: undefined } } : {},
    "experts.correction": experts?.correction
      ? { experts: { ...experts, correction: undefined } }
      : {},
    "experts.groups": experts?.groups ? { experts: { ...experts, groups: undefined } } : {},
    "experts.scale": experts?.scale ? { experts: { ...experts, scale: undefined } } : {},
    "experts.shared": experts?.shared ? { experts: { ...experts, shared: undefined } } : {},
    "experts.shared.weighed": experts?.shared?.weighed
      ? { experts: { ...experts, shared: { ...experts.shared, weighed: undefined } } }
      : {},
    "experts.normalised": experts && experts.active > 1
      ? { experts: { ...experts, normalised: !experts.normalised } }
      : {},
  };
  return Object.entries(others).filter(([, change]) => Object.keys(change).length > 0).map((
    [trait, change],
  ) => [trait, { ...geometry, ...change }]);
}

Deno.test(
  "buildStageGraph() without any one trait of a fixture is far from transformers",
  options,
  async () => {
    const tried = new Set<string>();
    for (const name of names) {
      await withFixture(name, "f32", async (fixture) => {
        const { expected, manifest } = fixture;
        for (const [trait, geometry] of withoutOneTrait(manifest.geometry)) {
          const changed = { ...fixture, manifest: { ...manifest, geometry } };
          const logits = await prefill(changed, cut(geometry.layers, 0), 20);
          const error = relativeError(
            pickRows(logits, expected.prefill.rows, geometry.vocab),
            expected.prefill.logits,
          );
          assert.ok(
            error > 10 * TOLERANCE,
            `${name} without ${trait} is only ${error.toExponential(1)} away`,
          );
          tried.add(trait);
        }
      });
    }
    assert.equal(tried.size, 39, `${[...tried]}`);
  },
);

for (
  const name of [
    ...["gemma2", "mistral", "smollm3_window", "mixtral", "lfm2", "lfm2_biases"],
    ...["granite4_states", "granite4_states_experts", "falcon_h1", "qwen3_5", "qwen3_next"],
    ...["deepseek_v3", "nemotron_h_experts", "mamba2"],
  ]
) {
  Deno.test(
    `loadEngine() gives ${name}'s greedy text in two sessions, as a branch of a tree whose rows are moved twice`,
    options,
    async () => {
      await withFixture(name, "f32", async ({ manifest, blobDir, expected }) => {
        const { geometry } = manifest;
        const graph = await buildSplitStage(manifest, {
          firstLayer: 0,
          lastLayer: geometry.layers - 1,
          blobDir,
        }, 2);
        const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 1 << 24 });
        try {
          await engine.layout("r", { capacity: 128, keep: new Int32Array(0) });
          const samplers = [{ id: 0, sampling: samplingSchema.parse({}), prompt_rows: 20 }];
          const run = async (
            base: number,
            tokens: number[],
            parent: number,
            position: number,
            want = [tokens.length - 1],
          ) => {
            const frame: Frame = {
              arena: "r",
              seq: 0,
              samplers,
              base,
              tokens: Int32Array.from(tokens),
              positions: Int32Array.from(tokens, (_, i) => position + i),
              parents: Int32Array.from(tokens, (_, i) => i === 0 ? parent : base + i - 1),
              want: Int32Array.from(want),
              want_samplers: Int32Array.from(want, () => 0),
            };
            const output = await engine.run(frame);
            assert.equal(output.kind, "tokens");
            return output.kind === "tokens" && want.length > 0 ? output.tokens[0].token : -1;
          };
          const { prompt, greedy } = expected;
          await run(0, prompt.slice(0, 7), -1, 0, []); // a piece after which nothing is wanted
          let token = await run(7, prompt.slice(7), 6, 7);
          // A rejected draft of 6 rows stays in the slots between prompt and text.
          await run(20, [1, 2, 3, 4, 5, 6], 19, 20);
          const got = [token];
          let [parent, next] = [19, 26];
          const slots = Array.from({ length: 20 }, (_, i) => i);
          while (got.length < greedy.length) {
            if (got.length === 20) { // into another arena, without the draft
              await engine.layout("r", { capacity: 100, keep: Int32Array.from(slots) });
              slots.forEach((_, i) => slots[i] = i);
              [parent, next] = [slots.length - 1, slots.length];
            }
            if (got.length === 40) { // to the shelf, and back behind two rows of another request
              const shelf = Int32Array.from(slots);
              await engine.layout("r", { capacity: 100, keep: new Int32Array(0), shelf });
              await run(0, [9, 8], -1, 0);
              const back = slots.map((_, i) => i - slots.length);
              await engine.layout("r", { capacity: 128, keep: Int32Array.of(0, 1, ...back) });
              slots.forEach((_, i) => slots[i] = 2 + i);
              [parent, next] = [slots.length + 1, slots.length + 2];
            }
            token = await run(next, [token], parent, 19 + got.length);
            slots.push(next);
            parent = next++;
            got.push(token);
          }
          assert.deepEqual(got, greedy);
        } finally {
          await engine.dispose();
        }
      });
    },
  );
}

Deno.test("a checkpoint in MXFP4 at q8 has the values of its file", options, async () => {
  const expertsOf = (manifest: Manifest) => manifest.layers[0].tensors["mlp.experts.gate"];
  await withFixture("gpt_oss", "q8", async ({ manifest, blobDir }) => {
    const { data, scales, shape, format, block = 32 } = expertsOf(manifest);
    assert.deepEqual([format, block], ["q8", 32]);
    const blob = await Deno.readFile(join(blobDir, manifest.layers[0].sha256));
    const part = ({ offset, bytes }: { offset: number; bytes: number }) =>
      blob.subarray(offset, offset + bytes);
    const factors = new Float32Array(part(scales!).slice().buffer);
    const values = Float32Array.from(part(data), (code, i) => (code - 128) * factors[i >> 5]);
    await withFixture("gpt_oss", "f32", async (exact) => {
      const entry = expertsOf(exact.manifest);
      assert.deepEqual(entry.shape, shape);
      const file = await Deno.readFile(join(exact.blobDir, exact.manifest.layers[0].sha256));
      const { offset, bytes } = entry.data;
      const stored = new Float32Array(file.slice(offset, offset + bytes).buffer);
      assert.deepEqual(values.map((v) => v + 0), stored.map((v) => v + 0));
    });
  });
});

for (
  const name of [
    "qwen2",
    "gemma3",
    "phi3",
    "llama_f32_biases",
    "qwen3_moe",
    "lfm2",
    "falcon_h1",
    "qwen3_5",
    "deepseek_v2",
  ]
) {
  Deno.test(
    `buildStageGraph() of ${name} at q8 stays near transformers, the same at another split`,
    options,
    async () => {
      await withFixture(name, "q8", async (fixture) => {
        const { expected, manifest: { geometry } } = fixture;
        const logits = await prefill(fixture, cut(geometry.layers, 0), 20);
        const picked = pickRows(logits, expected.prefill.rows, geometry.vocab);
        assertClose(picked, expected.prefill.logits, Q8_TOLERANCE, "logits");
        assert.deepEqual(await prefill(fixture, cut(geometry.layers, 0, 1), 20), logits);
      });
    },
  );
}

Deno.test("ARCHITECTURES have a fixture each", async () => {
  const covered = new Set<string>();
  for (const name of names) {
    const config = JSON.parse(await readFile(join(FIXTURE_DIR, name, "config.json"), "utf8"));
    covered.add(config.architectures[0]);
  }
  assert.deepEqual([...covered].sort(), [...ARCHITECTURES, ...WRAPPERS].sort());
});
