/**
 * Writes a tiny checkpoint with random weights in the Hugging Face format, for tests that convert,
 * split and run it.
 *
 * @module
 */
import { seededRandom } from "../../actors/mod.ts";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Element type of the weights in the safetensors files. */
export type CheckpointDType = "f32" | "f16" | "bf16";

/** Shape of a tiny checkpoint; every count is in elements. */
export interface TinyCheckpointOptions {
  /** @default 4 */
  layers?: number;
  /** @default 64 */
  hidden?: number;
  /** @default 96 */
  intermediate?: number;
  /** @default 4 */
  heads?: number;
  /** @default 2 */
  kvHeads?: number;
  /** @default hidden / heads */
  headDim?: number;
  /**
   * Rows of the embedding; at least {@linkcode TINY_TOKENS}, which the tokenizer knows. @default
   * 288
   */
  vocab?: number;
  /** Longest context in rows. @default 256 */
  context?: number;
  /** @default "f32" */
  dtype?: CheckpointDType;
  /** Number of safetensors files; more than 1 adds model.safetensors.index.json. @default 1 */
  shards?: number;
  /** Whether the LM head shares the embedding. @default true */
  tied?: boolean;
  /** @default 1 */
  seed?: number;
  /** Fields that replace or extend those of config.json. */
  config?: Record<string, unknown>;
}

/**
 * What was written: the fields of config.json, and every tensor's values as a reader of the files
 * must see them.
 */
export interface TinyCheckpoint {
  dir: string;
  config: Record<string, unknown>;
  /** Hugging Face name -> shape and values, row-major, after rounding to the file's dtype. */
  tensors: Map<string, { shape: number[]; values: Float32Array }>;
}

/** Special tokens of the tiny tokenizer in the order of their ids. */
export const TINY_SPECIALS = [
  "<|pad|>",
  "<|end|>",
  "<|user|>",
  "<|assistant|>",
  "<|system|>",
] as const;

/**
 * Ids that the tiny tokenizer knows: the special tokens, then one for each byte (id = byte + 5).
 */
export const TINY_TOKENS = TINY_SPECIALS.length + 256;

/** Writes a valid Llama-family folder into `dir` (created when absent) and says what is in it. */
export async function writeTinyCheckpoint(
  dir: string,
  options: TinyCheckpointOptions = {},
): Promise<TinyCheckpoint> {
  const {
    layers = 4,
    hidden = 64,
    intermediate = 96,
    heads = 4,
    kvHeads = 2,
    vocab = 288,
    context = 256,
  } = options;
  const { dtype = "f32", shards = 1, tied = true, seed = 1, headDim = hidden / heads } = options;
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    vocab_size: vocab,
    max_position_embeddings: context,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: "silu",
    tie_word_embeddings: tied,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: null,
    eos_token_id: 1,
    torch_dtype: { f32: "float32", f16: "float16", bf16: "bfloat16" }[dtype],
    ...options.config,
  };
  const normal = gaussian(seed);
  const tensors: TinyCheckpoint["tensors"] = new Map();
  const add = (name: string, shape: number[], mean: number, deviation: number) => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++) values[i] = mean + deviation * normal();
    tensors.set(name, { shape, values });
  };
  const projection = (name: string, out: number, inputs: number) =>
    add(name, [out, inputs], 0, inputs ** -0.5);
  add("model.embed_tokens.weight", [vocab, hidden], 0, 0.25);
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    add(prefix + "input_layernorm.weight", [hidden], 1, 0.1);
    projection(prefix + "self_attn.q_proj.weight", heads * headDim, hidden);
    projection(prefix + "self_attn.k_proj.weight", kvHeads * headDim, hidden);
    projection(prefix + "self_attn.v_proj.weight", kvHeads * headDim, hidden);
    projection(prefix + "self_attn.o_proj.weight", hidden, heads * headDim);
    add(prefix + "post_attention_layernorm.weight", [hidden], 1, 0.1);
    projection(prefix + "mlp.gate_proj.weight", intermediate, hidden);
    projection(prefix + "mlp.up_proj.weight", intermediate, hidden);
    projection(prefix + "mlp.down_proj.weight", hidden, intermediate);
  }
  add("model.norm.weight", [hidden], 1, 0.1);
  if (!tied) add("lm_head.weight", [vocab, hidden], 0, 0.25);

  await mkdir(dir, { recursive: true });
  await writeShards(dir, tensors, dtype, shards);
  const writeJson = (name: string, value: unknown) =>
    writeFile(join(dir, name), JSON.stringify(value, null, 2));
  await writeJson("config.json", config);
  await writeJson("generation_config.json", {
    eos_token_id: 1,
    pad_token_id: 0,
    do_sample: false,
    max_new_tokens: 64,
  });
  await writeJson("tokenizer.json", tinyTokenizer());
  await writeJson("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    eos_token: "<|end|>",
    pad_token: "<|pad|>",
    additional_special_tokens: TINY_SPECIALS.slice(2),
    model_max_length: context,
    clean_up_tokenization_spaces: false,
    chat_template:
      "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
  });
  return { dir, config, tensors };
}

/** Takes the tokens out of a folder's tokenizer that a model of `rows` tokens has no rows for. */
export async function trimTokenizer(folder: string, rows: number): Promise<void> {
  const path = join(folder, "tokenizer.json");
  const json = JSON.parse(await Deno.readTextFile(path));
  const known = Object.entries<number>(json.model.vocab).filter(([, id]) => id < rows);
  json.model.vocab = Object.fromEntries(known);
  await writeFile(path, JSON.stringify(json, null, 2));
}

/** A safetensors file's bytes; `header` entries may be altered by tests that need a broken file. */
export function encodeSafetensors(
  entries: { name: string; dtype: string; shape: number[]; data: Uint8Array }[],
  alter: (
    header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>,
  ) => void = () => {},
): Uint8Array {
  const header: Parameters<typeof alter>[0] = {};
  let end = 0;
  for (const { name, dtype, shape, data } of entries) {
    header[name] = { dtype, shape, data_offsets: [end, end += data.length] };
  }
  alter(header);
  let json = JSON.stringify(header);
  json += " ".repeat((8 - (json.length % 8)) % 8);
  const head = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + head.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  let at = 8 + head.length;
  for (const { data } of entries) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/** Rounds `values` in place to the dtype and returns the little-endian bytes. */
export function encodeValues(values: Float32Array, dtype: CheckpointDType): Uint8Array {
  if (dtype === "f32") return new Uint8Array(values.slice().buffer);
  if (dtype === "f16") {
    const half = Float16Array.from(values);
    values.set(half);
    return new Uint8Array(half.buffer);
  }
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const half = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    half[i] = (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
    bits[i] = half[i] << 16;
  }
  return new Uint8Array(half.buffer);
}

async function writeShards(
  dir: string,
  tensors: TinyCheckpoint["tensors"],
  dtype: CheckpointDType,
  shards: number,
) {
  const entries = [...tensors].map(([name, { shape, values }]) => (
    { name, dtype: dtype.toUpperCase(), shape, data: encodeValues(values, dtype) }
  ));
  if (shards === 1) {
    return await writeFile(join(dir, "model.safetensors"), encodeSafetensors(entries));
  }
  const weightMap: Record<string, string> = {};
  const size = Math.ceil(entries.length / shards);
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, "0")}-of-${
      String(shards).padStart(5, "0")
    }.safetensors`;
    const mine = entries.slice(shard * size, (shard + 1) * size);
    for (const { name } of mine) weightMap[name] = file;
    await writeFile(join(dir, file), encodeSafetensors(mine));
  }
  const index = {
    metadata: { total_size: entries.reduce((sum, e) => sum + e.data.length, 0) },
    weight_map: weightMap,
  };
  await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify(index));
}

/** Standard normal numbers (Box-Muller). */
function gaussian(seed: number): () => number {
  const uniform = seededRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Byte-level BPE without merges: one token a byte. */
function tinyTokenizer(): Record<string, unknown> {
  const vocab: Record<string, number> = {};
  TINY_SPECIALS.forEach((token, id) => vocab[token] = id);
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    vocab[String.fromCharCode(printable ? byte : next++)] = TINY_SPECIALS.length + byte;
  }
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: TINY_SPECIALS.map((content, id) => (
      {
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      }
    )),
    normalizer: null,
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: [],
    },
  };
}
