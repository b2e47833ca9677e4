import assert from "node:assert/strict";
import { packingOf, precisionOf } from "./packing.ts";

const compressed = (format: string, weights: object, more: object = {}) => ({
  quant_method: "compressed-tensors",
  format,
  config_groups: { group_0: { targets: ["Linear"], weights } },
  ...more,
});
const int4 = { num_bits: 4, type: "int", symmetric: true, strategy: "group", group_size: 128 };

Deno.test("packingOf() reads what Qwen, Mistral, RedHat, ModelOpt, GPTQ and AWQ checkpoints state", () => {
  const block = [128, 128];
  assert.deepEqual(
    packingOf({ quant_method: "fp8", activation_scheme: "dynamic", weight_block_size: block }),
    { kind: "float8", block },
  );
  assert.deepEqual(packingOf({ quant_method: "fp8", weight_block_size: null }), { kind: "float8" });
  assert.deepEqual(packingOf({ quant_method: "modelopt", quant_algo: "FP8" }), { kind: "float8" });
  const gptq = { quant_method: "gptq", bits: 4, group_size: 128, desc_act: true, sym: true };
  const integers = { kind: "integers", bits: 4, symmetric: true, zeroOffset: 0, indexed: false };
  assert.deepEqual(
    packingOf(gptq),
    { ...integers, layout: "gptq", zeroOffset: 1, indexed: true },
  );
  assert.deepEqual(
    packingOf({ ...gptq, desc_act: false, checkpoint_format: "gptq_v2" }),
    { ...integers, layout: "gptq" },
  );
  assert.deepEqual(
    packingOf({ quant_method: "awq", bits: 4, group_size: 128, zero_point: true, version: "gemm" }),
    { ...integers, layout: "awq", symmetric: false },
  );
  assert.deepEqual(packingOf(compressed("pack-quantized", int4)), { ...integers, layout: "rows" });
  assert.deepEqual(
    packingOf(compressed("int-quantized", { num_bits: 8, type: "int", strategy: "channel" })),
    { kind: "bytes" },
  );
  const float = { num_bits: 8, type: "float", strategy: "block", block_structure: block };
  assert.deepEqual(packingOf(compressed("float-quantized", float)), { kind: "float8", block });
});

Deno.test("packingOf() reads MLX's, which names no method, with matrices that have other groups", () => {
  const mlx = { group_size: 64, bits: 4 };
  assert.deepEqual(packingOf(mlx), { kind: "affine", group: 64, groups: {} });
  const own = { "model.embed_tokens": { group_size: 32, bits: 6 }, "lm_head": false };
  assert.deepEqual(
    packingOf({ ...mlx, ...own, mode: "affine" }),
    { kind: "affine", group: 64, groups: { "model.embed_tokens": 32 } },
  );
  assert.match(String(packingOf({ ...mlx, mode: "mxfp4" })), /affine with mode "mxfp4"/);
  assert.match(String(packingOf({ ...mlx, bits: 9 })), /affine with bits 9/);
});

Deno.test("packingOf() says which setting is not supported", () => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ quant_method: "bitsandbytes", load_in_4bit: true }, /^quantization_config bitsandbytes \(/],
    [{}, /^quantization_config unknown \(supported: gptq and awq of 4 bits/],
    [{ quant_method: "gptq", bits: 3 }, /gptq with bits 3/],
    [{ quant_method: "gptq", bits: 4, checkpoint_format: "marlin" }, /checkpoint_format "marlin"/],
    [{ quant_method: "awq", bits: 4, version: "gemv" }, /awq with version "gemv"/],
    [{ quant_method: "modelopt", quant_algo: "NVFP4" }, /quant_algo "NVFP4"/],
    [compressed("nvfp4-pack-quantized", int4), /format "nvfp4-pack-quantized"/],
    [compressed("pack-quantized", { ...int4, num_bits: 2 }), /weights.num_bits 2/],
    [compressed("float-quantized", int4), /format "float-quantized": .* int of 4 bits/],
    [
      compressed("pack-quantized", int4, { sparsity_config: { format: "sparse-24-bitmask" } }),
      /sparsity_config.format "sparse-24-bitmask"/,
    ],
    [
      {
        quant_method: "compressed-tensors",
        format: "pack-quantized",
        config_groups: { a: { weights: int4 }, b: { weights: { ...int4, num_bits: 8 } } },
      },
      /config_groups: no groups, or unlike ones/,
    ],
  ];
  for (const [config, message] of refused) assert.match(String(packingOf(config)), message);
  assert.equal(
    packingOf({ quant_method: "awq", bits: 4 }, ["mxfp4"]),
    "quantization_config awq (supported: mxfp4)",
  );
  assert.deepEqual(packingOf({ quant_method: "mxfp4" }, ["mxfp4"]), { kind: "mxfp4" });
  assert.match(String(packingOf({ quant_method: "mxfp4" })), /mxfp4 \(supported: gptq/);
});

Deno.test("precisionOf() keeps codes of 4 bits in q4, unless their groups are not neighbours", () => {
  const integers = { kind: "integers", layout: "gptq", symmetric: true, zeroOffset: 1 } as const;
  assert.equal(precisionOf({ ...integers, bits: 4, indexed: false }), "q4");
  assert.equal(precisionOf({ ...integers, bits: 4, indexed: true }), "q8");
  assert.equal(precisionOf({ ...integers, bits: 8, indexed: false }), "q8");
  assert.equal(precisionOf({ kind: "affine", group: 64, groups: {} }), "q8");
  assert.equal(precisionOf({ kind: "float8" }), "q8");
  assert.equal(precisionOf({ kind: "bytes" }), "q8");
  assert.equal(precisionOf(undefined), "q4");
});
