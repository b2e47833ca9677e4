import assert from "node:assert/strict";
import { describe } from "./mod.ts";
import { geometryOfClass, MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";

const FIELDS = {
  quantization_config: { quant_method: "mxfp4" },
  rope_scaling: { rope_type: "yarn", factor: 32, original_max_position_embeddings: 4096 },
  max_position_embeddings: 131072,
  num_hidden_layers: 4,
};

const geometry = (fields: Record<string, unknown> = {}) =>
  geometryOfClass("GptOssForCausalLM", { ...FIELDS, ...fields });

Deno.test("gptOss has sinks, biases and a clamped gate, and every other layer has a window", () => {
  const { attention, experts, mlp, local, rope, head_dim } = geometry();
  assert.deepEqual(attention, { sinks: true, bias: "qkvo" });
  assert.deepEqual(experts, { count: 128, active: 4, normalised: true, bias: true });
  assert.deepEqual([mlp, local?.layers, local?.window], [
    { activation: "clamped", bias: true },
    [0, 2],
    128,
  ]);
  assert.deepEqual([rope.theta, head_dim], [150000, 64]);
});

Deno.test("gptOss is refused without MXFP4, without a rotation and with another clamp", () => {
  assert.throws(() => geometry({ quantization_config: null }), /experts in mxfp4/);
  assert.throws(
    () => geometry({ quantization_config: { quant_method: "awq" } }),
    /quantization_config awq \(supported: mxfp4\)/,
  );
  assert.throws(() => geometry({ rope_scaling: null }), /neither rope_parameters/);
  assert.throws(() => geometry({ swiglu_limit: 5 }), /swiglu_limit 5 \(supported: 7\)/);
});

Deno.test("gptOss has gate and up as alternate rows, of biases too", () => {
  const config = { ...MINIMAL_CONFIG, ...FIELDS, architectures: ["GptOssForCausalLM"] };
  const fields = { num_local_experts: 4, num_key_value_heads: 2 };
  const described = describe({ ...config, ...fields }, "config.json");
  const layers = described.architecture.tensors(described.geometry).layers;
  const layer = new Map(layers[0].map((spec) => [spec.key, spec]));
  const { within } = layer.get("mlp.experts.up")!;
  assert.deepEqual(within, { shape: [4, 192, 64], firstRow: 1, step: 2 });
  const bias = layer.get("mlp.experts.gate_bias")!;
  assert.deepEqual([bias.shape, bias.within], [[384], { shape: [4, 192], firstRow: 0, step: 2 }]);
});
