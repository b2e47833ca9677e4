/**
 * Writes GGUF files as llama.cpp's converter does, for tests of the reader.
 *
 * @module
 */
import { join } from "node:path";
import type { TinyCheckpoint } from "./tiny_checkpoint.ts";

/** A metadata value with its type in the file; an array's type is that of its elements. */
export type GgufField =
  | { type: "u32" | "f32" | "i32"; value: number | number[] }
  | { type: "bool"; value: boolean | boolean[] }
  | { type: "string"; value: string | string[] };

/** A number of each kind as a field. */
export const ggufU32 = (value: unknown): GgufField => ({ type: "u32", value: Number(value) });
export const ggufF32 = (value: unknown): GgufField => ({ type: "f32", value: Number(value) });

/** A tensor to write; `shape` as Hugging Face has it. */
export interface GgufEntry {
  name: string;
  type: GgufWriteType;
  shape: number[];
  data: Uint8Array;
}

/** Element types that {@linkcode ggufValues} writes. */
export type GgufWriteType = "F32" | "F16" | "Q8_0" | "Q4_0";

const TYPE_NUMBERS: Record<GgufWriteType, number> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 8 };
const VALUE_NUMBERS = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8 };
const ALIGNMENT = 32;

/** A tensor of a header: its place in the file follows from the bytes of those before it. */
export type GgufHeaderEntry = Omit<GgufEntry, "data"> & { bytes: number };

/** Offset of what follows `n` bytes: the next multiple of the alignment. */
export const ggufAligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

/** Bytes of so many values of a type, which is a whole number of its blocks. */
export function ggufBytes(type: GgufWriteType, values: number): number {
  const [block, bytes] = { F32: [1, 4], F16: [1, 2], Q8_0: [32, 34], Q4_0: [32, 18] }[type];
  return values / block * bytes;
}

/**
 * A file's bytes (version 3) in front of the tensors' data, which are aligned by
 * {@linkcode ggufAligned} and follow in the order of `tensors`; `alter` may change a tensor's
 * entry: dimensions, type number, offset.
 */
export function encodeGgufHeader(
  metadata: Record<string, GgufField>,
  tensors: GgufHeaderEntry[],
  alter: (entry: { name: string; dims: number[]; type: number; offset: number }) => void = () => {},
): Uint8Array<ArrayBuffer> {
  const parts: number[] = [];
  const encoder = new TextEncoder();
  const bytes = (count: number, fill: (view: DataView) => void) => {
    const view = new DataView(new ArrayBuffer(count));
    fill(view);
    for (let i = 0; i < count; i++) parts.push(view.getUint8(i));
  };
  const u32 = (value: number) => bytes(4, (view) => view.setUint32(0, value, true));
  const u64 = (value: number) => bytes(8, (view) => view.setBigUint64(0, BigInt(value), true));
  const text = (value: string) => {
    const encoded = encoder.encode(value);
    u64(encoded.length);
    for (const byte of encoded) parts.push(byte);
  };
  const scalar = (type: GgufField["type"], value: unknown) => {
    if (type === "string") text(value as string);
    else if (type === "bool") parts.push(value ? 1 : 0);
    else if (type === "f32") bytes(4, (view) => view.setFloat32(0, value as number, true));
    else u32((value as number) >>> 0);
  };
  u32(0x46554747);
  u32(3);
  u64(tensors.length);
  u64(Object.keys(metadata).length);
  for (const [key, { type, value }] of Object.entries(metadata)) {
    text(key);
    if (Array.isArray(value)) {
      u32(9);
      u32(VALUE_NUMBERS[type]);
      u64(value.length);
      for (const each of value) scalar(type, each);
    } else {
      u32(VALUE_NUMBERS[type]);
      scalar(type, value);
    }
  }
  let offset = 0;
  for (const { name, type, shape, bytes } of tensors) {
    const entry = { name, dims: shape.toReversed(), type: TYPE_NUMBERS[type], offset };
    alter(entry);
    text(entry.name);
    u32(entry.dims.length);
    entry.dims.forEach(u64);
    u32(entry.type);
    u64(entry.offset);
    offset = ggufAligned(offset + bytes);
  }
  const header = new Uint8Array(ggufAligned(parts.length));
  header.set(parts);
  return header;
}

/** A whole file's bytes; see {@linkcode encodeGgufHeader}. */
export function encodeGguf(
  metadata: Record<string, GgufField>,
  tensors: GgufEntry[],
  alter?: Parameters<typeof encodeGgufHeader>[2],
): Uint8Array<ArrayBuffer> {
  const entries = tensors.map(({ data, ...entry }) => ({ ...entry, bytes: data.length }));
  const header = encodeGgufHeader(metadata, entries, alter);
  const dataBytes = tensors.reduce((sum, { data }) => ggufAligned(sum + data.length), 0);
  const file = new Uint8Array(header.length + dataBytes);
  file.set(header);
  let at = header.length;
  for (const { data } of tensors) {
    file.set(data, at);
    at = ggufAligned(at + data.length);
  }
  return file;
}

/**
 * Writes values as the bytes of a tensor, quantised as in ggml's reference, and changes them in
 * place to what a reader must see.
 */
export function ggufValues(values: Float32Array, type: GgufWriteType): Uint8Array {
  if (type === "F32") return new Uint8Array(values.slice().buffer);
  if (type === "F16") {
    const half = Float16Array.from(values);
    values.set(half);
    return new Uint8Array(half.buffer);
  }
  const eight = type === "Q8_0";
  const out = new Uint8Array(ggufBytes(type, values.length));
  const view = new DataView(out.buffer);
  const codes = new Int32Array(32);
  for (let start = 0, at = 0; start < values.length; start += 32, at += eight ? 34 : 18) {
    let peak = 0;
    for (let i = start; i < start + 32; i++) {
      if (Math.abs(values[i]) > Math.abs(peak)) peak = values[i];
    }
    const exact = eight ? Math.abs(peak) / 127 : peak / -8;
    view.setFloat16(at, exact, true);
    const d = view.getFloat16(at, true);
    for (let i = 0; i < 32; i++) {
      const q = exact === 0 ? 0 : values[start + i] / exact;
      codes[i] = eight ? Math.round(q) : Math.min(15, Math.trunc(q + 8.5));
      values[start + i] = d * (eight ? codes[i] : codes[i] - 8);
    }
    if (eight) { for (let i = 0; i < 32; i++) view.setInt8(at + 2 + i, codes[i]); }
    else for (let i = 0; i < 16; i++) out[at + 2 + i] = codes[i] | codes[i + 16] << 4;
  }
  return out;
}

/**
 * Rows as llama.cpp reorders those of Q and K in Llama's family: row 2i + half of a head was half *
 * head / 2 + i.
 */
export function permuteHeads(values: Float32Array, rows: number, head: number): Float32Array {
  const width = values.length / rows, half = head / 2;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const within = row % head;
    const to = row - within + 2 * (within % half) + Math.floor(within / half);
    out.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return out;
}

const STEMS: [huggingFace: string, gguf: string][] = [
  ["model.embed_tokens", "token_embd"],
  ["model.norm", "output_norm"],
  ["lm_head", "output"],
  ["input_layernorm", "attn_norm"],
  ["self_attn.q_proj", "attn_q"],
  ["self_attn.k_proj", "attn_k"],
  ["self_attn.v_proj", "attn_v"],
  ["self_attn.o_proj", "attn_output"],
  ["self_attn.q_norm", "attn_q_norm"],
  ["self_attn.k_norm", "attn_k_norm"],
  ["self_attn.qkv_proj", "attn_qkv"],
  ["mlp.gate_up_proj", "ffn_up"],
  ["mlp.gate", "ffn_gate_inp"],
  ["block_sparse_moe.gate", "ffn_gate_inp"],
  ["mlp.gate_proj", "ffn_gate"],
  ["mlp.up_proj", "ffn_up"],
  ["mlp.down_proj", "ffn_down"],
  ["pre_feedforward_layernorm", "ffn_norm"],
  ["post_feedforward_layernorm", "post_ffw_norm"],
];

/** Layer, stem and kind of a Hugging Face name. */
function tensorName(name: string): { layer?: string; stem: string; kind: string } {
  const [, layer, stem, kind] = /^(?:model\.layers\.(\d+)\.)?(.*)\.(weight|bias)$/.exec(name)!;
  return { layer, stem, kind };
}

/** Projections of experts in checkpoints, and the converter's names of those of all experts. */
const EXPERT = /^(model\.layers\.\d+\.)(?:mlp|block_sparse_moe)\.experts\.\d+\.(\w+)\.weight$/;
const EXPERT_STEMS: Record<string, string> = {
  gate_proj: "ffn_gate_exps",
  up_proj: "ffn_up_exps",
  down_proj: "ffn_down_exps",
  w1: "ffn_gate_exps",
  w3: "ffn_up_exps",
  w2: "ffn_down_exps",
};

/** The tensors with each projection of all experts of a layer in one [experts, out, in]. */
function withStackedExperts(tensors: TinyCheckpoint["tensors"]): TinyCheckpoint["tensors"] {
  const all: TinyCheckpoint["tensors"] = new Map();
  const byNumber = (name: string) => Number(/experts\.(\d+)/.exec(name)?.[1] ?? 0);
  const ordered = [...tensors].sort(([a], [b]) => byNumber(a) - byNumber(b));
  for (const [name, { shape, values }] of ordered) {
    const [, layer, part] = EXPERT.exec(name) ?? [];
    const stacked = part ? `${layer}${EXPERT_STEMS[part]}.weight` : name;
    const before = all.get(stacked);
    all.set(stacked, {
      shape: part ? [(before?.shape[0] ?? 0) + 1, ...shape] : shape,
      values: before ? Float32Array.of(...before.values, ...values) : values,
    });
  }
  return all;
}

/** The converter's name of a tensor. `gainOffset` as in {@linkcode ggufTensors}. */
export function ggufName(name: string, gainOffset = 0): string {
  const { layer, stem, kind } = tensorName(name);
  const afterAttention = gainOffset ? "post_attention_norm" : "ffn_norm";
  const found = stem === "post_attention_layernorm"
    ? afterAttention
    : STEMS.find(([hf]) => hf === stem)?.[1] ?? stem;
  return `${layer === undefined ? "" : `blk.${layer}.`}${found}.${kind}`;
}

/**
 * Tensors of a checkpoint as the converter writes them; matrices as `type` (their values are
 * rounded in place), vectors F32.
 */
export function ggufTensors(
  tensors: TinyCheckpoint["tensors"],
  { type, permutedBy, gainOffset = 0 }: {
    type: GgufWriteType;
    permutedBy?: number;
    gainOffset?: number;
  },
): GgufEntry[] {
  return [...withStackedExperts(tensors)].map(([name, { shape, values }]) => {
    const { stem } = tensorName(name);
    const used = shape.length === 1 ? "F32" : type;
    if (shape.length > 1) ggufValues(values, used);
    const isGain = /norm\.weight$/.test(name);
    let written: Float32Array = isGain ? values.map((x) => x + gainOffset) : values.slice();
    if (permutedBy && /[qk]_proj/.test(stem)) written = permuteHeads(written, shape[0], permutedBy);
    return { name: ggufName(name, gainOffset), type: used, shape, data: ggufValues(written, used) };
  });
}

/** The fields of tokenizer.json (byte-level BPE) as the converter writes them. */
export function ggufTokenizer(
  json: {
    model: { vocab: Record<string, number>; merges: (string | [string, string])[] };
    added_tokens: { id: number; content: string; special: boolean }[];
  },
  pre: string,
): Record<string, GgufField> {
  const tokens: string[] = [], types: number[] = [];
  for (const [token, id] of Object.entries(json.model.vocab)) [tokens[id], types[id]] = [token, 1];
  for (const { id, content, special } of json.added_tokens) {
    [tokens[id], types[id]] = [content, special ? 3 : 4];
  }
  for (let id = 0; id < tokens.length; id++) {
    if (tokens[id] === undefined) [tokens[id], types[id]] = [`[PAD${id}]`, 5];
  }
  const merges = json.model.merges.map((merge) =>
    typeof merge === "string" ? merge : merge.join(" ")
  );
  return {
    "tokenizer.ggml.model": { type: "string", value: "gpt2" },
    "tokenizer.ggml.pre": { type: "string", value: pre },
    "tokenizer.ggml.tokens": { type: "string", value: tokens },
    "tokenizer.ggml.token_type": { type: "i32", value: types },
    "tokenizer.ggml.merges": { type: "string", value: merges },
  };
}

/** The metadata that all families have, from config.json. */
export function ggufMetadata(
  arch: string,
  config: Record<string, unknown>,
): Record<string, GgufField> {
  const heads = Number(config.num_attention_heads);
  const head = Number(config.head_dim ?? Number(config.hidden_size) / heads);
  const u32 = ggufU32;
  return {
    "general.architecture": { type: "string", value: arch },
    [`${arch}.block_count`]: u32(config.num_hidden_layers),
    [`${arch}.context_length`]: u32(config.max_position_embeddings),
    [`${arch}.embedding_length`]: u32(config.hidden_size),
    [`${arch}.feed_forward_length`]: u32(config.intermediate_size),
    [`${arch}.attention.head_count`]: u32(heads),
    [`${arch}.attention.head_count_kv`]: u32(config.num_key_value_heads),
    [`${arch}.attention.key_length`]: u32(head),
    [`${arch}.attention.value_length`]: u32(head),
    [`${arch}.attention.layer_norm_rms_epsilon`]: {
      type: "f32",
      value: Number(config.rms_norm_eps),
    },
    [`${arch}.rope.freq_base`]: { type: "f32", value: Number(config.rope_theta) },
    [`${arch}.rope.dimension_count`]: u32(head * Number(config.partial_rotary_factor ?? 1)),
  };
}

/** The tokenizer and chat template of a tiny checkpoint's folder as metadata. */
export async function ggufTokenizerFields(dir: string): Promise<Record<string, GgufField>> {
  const readJson = async (file: string) => JSON.parse(await Deno.readTextFile(join(dir, file)));
  const { chat_template } = await readJson("tokenizer_config.json");
  return {
    ...ggufTokenizer(await readJson("tokenizer.json"), "gpt-2"),
    "tokenizer.ggml.eos_token_id": { type: "u32", value: 1 },
    "tokenizer.ggml.padding_token_id": { type: "u32", value: 0 },
    "tokenizer.chat_template": { type: "string", value: chat_template },
  };
}
