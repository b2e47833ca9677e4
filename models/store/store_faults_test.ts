/**
 * What the store refuses: each broken checkpoint with an error that names file and tensor, and
 * nothing left behind.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  encodeSafetensors,
  type TinyCheckpoint,
  writeTinyCheckpoint,
} from "../../tests/support/tiny_checkpoint.ts";
import { inFolder, leftovers } from "../../tests/support/store_folder.ts";
import { ModelStore } from "../mod.ts";

const weights = "model.safetensors";
type Break = (dir: string, source: TinyCheckpoint) => Promise<unknown>;
const setConfig = (fields: Record<string, unknown>): Break => (dir, { config }) =>
  Deno.writeTextFile(join(dir, "config.json"), JSON.stringify({ ...config, ...fields }));
const rewrite = (
  change: (values: Float32Array, name: string) => void,
  alter?: Parameters<typeof encodeSafetensors>[1],
): Break =>
(dir, { tensors }) => {
  const entries = [...tensors].map(([name, { shape, values }]) => {
    change(values, name);
    return { name, dtype: "F32", shape, data: new Uint8Array(values.buffer) };
  });
  return Deno.writeFile(join(dir, weights), encodeSafetensors(entries, alter));
};
const asIs = () => {};
const NORM = "model.norm.weight";

const FAULTS: [what: string, code: string, message: RegExp, shards: number, make: Break][] = [
  [
    "a truncated file",
    "safetensors_truncated",
    /model\.safetensors, tensor .*its bytes end at/,
    1,
    (dir) => Deno.truncate(join(dir, weights), 100_000),
  ],
  [
    "an empty file",
    "safetensors_truncated",
    /0 bytes/,
    1,
    (dir) => Deno.truncate(join(dir, weights), 0),
  ],
  [
    "an oversized header",
    "safetensors_header",
    /announces a header of/,
    1,
    (dir) => Deno.writeFile(join(dir, weights), new Uint8Array(16).fill(0x7f)),
  ],
  [
    "a header that is not JSON",
    "safetensors_header",
    /is not JSON/,
    1,
    (dir) => Deno.writeFile(join(dir, weights), new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 123, 123])),
  ],
  [
    "bytes after the last tensor",
    "safetensors_header",
    /5 bytes after/,
    1,
    (dir) => Deno.writeFile(join(dir, weights), new Uint8Array(5), { append: true }),
  ],
  [
    "overlapping tensors",
    "safetensors_header",
    /tensor model\.norm\.weight: its bytes .* overlap/,
    1,
    rewrite(asIs, (header) => header[NORM].data_offsets[0] -= 64),
  ],
  [
    "a wrong byte count",
    "safetensors_header",
    /tensor model\.norm\.weight: F32 \[65\] needs 260 bytes/,
    1,
    rewrite(asIs, (header) => header[NORM].shape = [65]),
  ],
  [
    "a wrong shape",
    "tensor_shape",
    /tensor model\.norm\.weight: shape is \[32,2\]/,
    1,
    rewrite(asIs, (header) => header[NORM].shape = [32, 2]),
  ],
  [
    "a missing tensor",
    "tensor_missing",
    /no tensor model\.norm\.weight/,
    1,
    rewrite(asIs, (header) => {
      header["other"] = header[NORM];
      delete header[NORM];
    }),
  ],
  [
    "an integer tensor",
    "tensor_dtype",
    /tensor model\.norm\.weight: dtype I32/,
    1,
    rewrite(asIs, (header) => header[NORM].dtype = "I32"),
  ],
  [
    "NaN weights",
    "tensor_not_finite",
    /tensor model\.norm\.weight: element 7 is NaN/,
    1,
    rewrite((values, name) => {
      if (name === NORM) values[7] = NaN;
    }),
  ],
  [
    "infinite weights",
    "tensor_not_finite",
    /down_proj\.weight: element 9 is -Infinity/,
    1,
    rewrite((values, name) => {
      if (name.endsWith("3.mlp.down_proj.weight")) values[9] = -Infinity;
    }),
  ],
  [
    "a missing shard",
    "shard_missing",
    /model-00002-of-00002\.safetensors is missing/,
    2,
    (dir) => Deno.remove(join(dir, "model-00002-of-00002.safetensors")),
  ],
  [
    "a shard name that leaves the folder",
    "shard_name",
    /"\.\.\/x\.safetensors"/,
    2,
    (dir) =>
      Deno.writeTextFile(
        join(dir, "model.safetensors.index.json"),
        '{"weight_map":{"a":"../x.safetensors"}}',
      ),
  ],
  ["an index that lies", "tensor_missing", /holds model\.ghost/, 2, (dir) =>
    Deno.writeTextFile(
      join(dir, "model.safetensors.index.json"),
      '{"weight_map":{"model.ghost":"model-00001-of-00002.safetensors"}}',
    )],
  ["no weights", "weights_missing", /neither/, 1, (dir) => Deno.remove(join(dir, weights))],
  [
    "no tokenizer",
    "file_missing",
    /tokenizer\.json does not exist/,
    1,
    (dir) => Deno.remove(join(dir, "tokenizer.json")),
  ],
  [
    "no config",
    "file_missing",
    /config\.json does not exist/,
    1,
    (dir) => Deno.remove(join(dir, "config.json")),
  ],
  [
    "an unknown architecture",
    "architecture_unknown",
    /MambaForCausalLM is not supported; supported are LlamaForCausalLM/,
    1,
    setConfig({ architectures: ["MambaForCausalLM"] }),
  ],
  [
    "another activation",
    "feature_unsupported",
    /hidden_act gelu \(supported: silu\)/,
    1,
    setConfig({ hidden_act: "gelu" }),
  ],
  [
    "a mixture of experts",
    "architecture_unknown",
    /DeepseekV32ForCausalLM is not supported; supported are LlamaForCausalLM, .*Phi3ForCausalLM/,
    1,
    setConfig({ architectures: ["DeepseekV32ForCausalLM"] }),
  ],
  [
    "unknown layer types",
    "feature_unsupported",
    /layer_types chunked_attention/,
    1,
    setConfig({ layer_types: Array.from({ length: 4 }, () => "chunked_attention") }),
  ],
  [
    "an unknown RoPE",
    "feature_unsupported",
    /rope_scaling type proportional/,
    1,
    setConfig({ rope_scaling: { rope_type: "proportional" } }),
  ],
  [
    "a quantised checkpoint",
    "feature_unsupported",
    /quantization_config gptq/,
    1,
    setConfig({ quantization_config: { quant_method: "gptq" } }),
  ],
  [
    "heads that do not divide",
    "config_malformed",
    /4 heads cannot share 3/,
    1,
    setConfig({ num_key_value_heads: 3 }),
  ],
  ["a malformed config", "config_malformed", /hidden_size/, 1, setConfig({ hidden_size: "64" })],
  [
    "an end token outside the vocabulary",
    "config_malformed",
    /token id 900/,
    1,
    async (dir, source) => {
      await Deno.remove(join(dir, "generation_config.json"));
      await setConfig({ eos_token_id: [1, 900] })(dir, source);
    },
  ],
];

for (const [what, code, message, shards, make] of FAULTS) {
  Deno.test(`ModelStore.add() refuses ${what} and leaves no model and no partial file`, async () => {
    await inFolder(async (dir) => {
      const store = await ModelStore.open(join(dir, "store"));
      const source = await writeTinyCheckpoint(join(dir, "model"), { shards });
      await make(source.dir, source);
      await assert.rejects(
        store.add(source.dir),
        (error: { group: string; code: string; message: string }) => {
          assert.deepEqual([error.group, error.code], ["model", code]);
          assert.match(error.message, message);
          return true;
        },
      );
      assert.deepEqual(await store.entries(), []);
      assert.deepEqual(await leftovers(store), []);
    });
  });
}
