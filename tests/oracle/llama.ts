/**
 * The reference: a Llama forward pass in plain TypeScript and float64, without ONNX, caches or
 * fused operators. It runs a whole token tree at once, and each row attends to the rows of its
 * explicit ancestor list. Its weights are the f32 tensors of a checkpoint, or the blobs of a
 * converted model, dequantised as stored.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BLOCK,
  type Geometry,
  type Group,
  type Manifest,
  type TensorEntry,
} from "../../models/manifest.ts";

/** Values in Hugging Face orientation, row-major: [out, in], [vocab, hidden] or [hidden]. */
export type OracleTensors = (huggingFaceName: string) => ArrayLike<number>;

/** A row of the token tree; `parent` is an earlier row or -1. */
export interface OracleRow {
  token: number;
  position: number;
  parent: number;
}

/** Result of a pass over n rows. */
export interface OracleOutput {
  /** Residual stream before layer 0, after layer 0, ...: layers + 1 times (n, hidden). */
  hidden: Float64Array[];
  /** (n, vocab) */
  logits: Float64Array;
}

/** For each row the rows that it attends to: its ancestors, root first, and itself. */
export function ancestors(rows: readonly OracleRow[]): number[][] {
  const lists: number[][] = [];
  rows.forEach(({ parent }, row) => lists.push([...(parent < 0 ? [] : lists[parent]), row]));
  return lists;
}

/** Runs every row of a tree through the whole model. */
export function oracleForward(
  geometry: Geometry,
  tensors: OracleTensors,
  rows: readonly OracleRow[],
): OracleOutput {
  const { layers, hidden: width, intermediate, heads, kv_heads, head_dim, vocab, norm_eps } =
    geometry;
  const visible = ancestors(rows);
  const turns = frequencies(geometry);
  const embed = tensors("model.embed_tokens.weight");
  let x: Float64Array = new Float64Array(rows.length * width);
  rows.forEach(({ token }, row) => {
    for (let i = 0; i < width; i++) x[row * width + i] = embed[token * width + i];
  });
  const hidden = [x];
  for (let layer = 0; layer < layers; layer++) {
    const weight = (name: string) => tensors(`model.layers.${layer}.${name}.weight`);
    const normed = rmsNorm(x, weight("input_layernorm"), norm_eps);
    const q = multiply(normed, weight("self_attn.q_proj"), width, heads * head_dim);
    const k = multiply(normed, weight("self_attn.k_proj"), width, kv_heads * head_dim);
    const v = multiply(normed, weight("self_attn.v_proj"), width, kv_heads * head_dim);
    rows.forEach(({ position }, row) => {
      for (let h = 0; h < heads; h++) rotate(q, (row * heads + h) * head_dim, position, turns);
      for (let h = 0; h < kv_heads; h++) {
        rotate(k, (row * kv_heads + h) * head_dim, position, turns);
      }
    });
    const attended = attend(geometry, q, k, v, visible);
    const middle = add(x, multiply(attended, weight("self_attn.o_proj"), heads * head_dim, width));
    const normed2 = rmsNorm(middle, weight("post_attention_layernorm"), norm_eps);
    const gate = multiply(normed2, weight("mlp.gate_proj"), width, intermediate);
    const up = multiply(normed2, weight("mlp.up_proj"), width, intermediate);
    const gated = gate.map((g, i) => g / (1 + Math.exp(-g)) * up[i]);
    x = add(middle, multiply(gated, weight("mlp.down_proj"), intermediate, width));
    hidden.push(x);
  }
  const logits = multiply(
    rmsNorm(x, tensors("model.norm.weight"), norm_eps),
    tensors("lm_head.weight"),
    width,
    vocab,
  );
  return { hidden, logits };
}

/**
 * Softmax attention of each query head over the rows that it may see; query head h reads KV head h
 * / (heads / kv_heads).
 */
function attend(
  geometry: Geometry,
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  visible: number[][],
): Float64Array {
  const { heads, kv_heads, head_dim } = geometry;
  const out = new Float64Array(q.length);
  visible.forEach((seen, row) => {
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor(h / (heads / kv_heads));
      const at = (r: number) => (r * kv_heads + kvHead) * head_dim;
      const base = (row * heads + h) * head_dim;
      const scores = seen.map((r) => {
        let dot = 0;
        for (let i = 0; i < head_dim; i++) dot += q[base + i] * k[at(r) + i];
        return dot / Math.sqrt(head_dim);
      });
      const best = Math.max(...scores);
      const shares = scores.map((s) => Math.exp(s - best));
      const total = shares.reduce((a, b) => a + b);
      seen.forEach((r, n) => {
        for (let i = 0; i < head_dim; i++) out[base + i] += shares[n] / total * v[at(r) + i];
      });
    }
  });
  return out;
}

/**
 * Turns dimensions (i, i + D/2) of one head by the position's angle (the Hugging Face half-split
 * layout).
 */
function rotate(x: Float64Array, at: number, position: number, turns: number[]): void {
  turns.forEach((turn, i) => {
    const [a, b] = [x[at + i], x[at + turns.length + i]];
    const [cos, sin] = [Math.cos(position * turn), Math.sin(position * turn)];
    x[at + i] = a * cos - b * sin;
    x[at + turns.length + i] = b * cos + a * sin;
  });
}

/** As transformers' `modeling_rope_utils` computes them. */
function frequencies({ head_dim, rope }: Geometry): number[] {
  const plain = Array.from(
    { length: head_dim / 2 },
    (_, i) => 1 / rope.theta ** (2 * i / head_dim),
  );
  const s = rope.scaling as Record<string, number> | null;
  if (!s) return plain;
  const kind = String(s.rope_type ?? s.type);
  if (kind === "linear") return plain.map((f) => f / s.factor);
  if (kind !== "llama3") throw new Error(`the oracle does not know rope scaling ${kind}`);
  const context = s.original_max_position_embeddings;
  return plain.map((f) => {
    const wave = 2 * Math.PI / f;
    if (wave > context / s.low_freq_factor) return f / s.factor;
    if (wave < context / s.high_freq_factor) return f;
    const smooth = (context / wave - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
    return (1 - smooth) * f / s.factor + smooth * f;
  });
}

function rmsNorm(x: Float64Array, gain: ArrayLike<number>, eps: number): Float64Array {
  const width = gain.length;
  const out = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[row + i] ** 2;
    const scale = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++) out[row + i] = x[row + i] * scale * gain[i];
  }
  return out;
}

/** (n, columns) times the transpose of (rows, columns). */
function multiply(
  x: Float64Array,
  weight: ArrayLike<number>,
  columns: number,
  rows: number,
): Float64Array {
  const n = x.length / columns;
  const out = new Float64Array(n * rows);
  for (let a = 0; a < n; a++) {
    for (let b = 0; b < rows; b++) {
      let dot = 0;
      for (let i = 0; i < columns; i++) dot += x[a * columns + i] * weight[b * columns + i];
      out[a * rows + b] = dot;
    }
  }
  return out;
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]);
}

/** The tensors of a converted model as its precision stores them, read once. */
export async function storedTensors(manifest: Manifest, blobDir: string): Promise<OracleTensors> {
  const values = new Map<string, Float64Array>();
  const read = async (group: Group, prefix: string) => {
    const blob = new Uint8Array(await readFile(join(blobDir, group.sha256)));
    for (const [name, entry] of Object.entries(group.tensors)) {
      values.set(prefix + name, dequantise(blob, name, entry));
    }
  };
  await read(manifest.embedding, "");
  await read(manifest.head, "");
  const parts: number[][] = [];
  for (const group of manifest.head_parts ?? []) {
    await read(group, "");
    parts.push(Array.from(values.get("lm_head")!));
  }
  if (parts.length > 0) values.set("lm_head", Float64Array.from(parts.flat()));
  for (const [layer, group] of manifest.layers.entries()) await read(group, `${layer}.`);
  return (name) => values.get(shortName(name))!;
}

/** `model.layers.3.self_attn.q_proj.weight` -> `3.attn.q`. */
function shortName(name: string): string {
  const parts = name.replace(/\.weight$/, "").split(".");
  if (name === "lm_head.weight") return "lm_head";
  if (parts[1] !== "layers") return parts[1] === "embed_tokens" ? "embed" : "norm";
  const [layer, block, projection] = parts.slice(2);
  if (block === "input_layernorm") return `${layer}.attn_norm`;
  if (block === "post_attention_layernorm") return `${layer}.mlp_norm`;
  return `${layer}.${block === "self_attn" ? "attn" : "mlp"}.${projection.replace("_proj", "")}`;
}

/** A stored tensor in Hugging Face orientation. */
function dequantise(
  blob: Uint8Array,
  name: string,
  { shape, format, block = BLOCK, data, scales, zeros }: TensorEntry,
): Float64Array {
  const bytes = blob.slice(data.offset, data.offset + data.bytes);
  const [rows, columns = 1] = shape;
  const out = new Float64Array(rows * columns);
  if (format === "f32" || format === "f16") {
    const stored = format === "f32"
      ? new Float32Array(bytes.buffer)
      : new Float16Array(bytes.buffer);
    if (shape.length === 1 || name === "embed" || name === "lm_head") {
      return Float64Array.from(stored);
    }
    return out.map((_, at) => stored[(at % columns) * rows + Math.floor(at / columns)]);
  }
  const scale = new Float32Array(blob.slice(scales!.offset, scales!.offset + scales!.bytes).buffer);
  const blocks = Math.ceil(columns / block);
  return out.map((_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const element = row * blocks * block + column;
    const step = scale[row * blocks + Math.floor(column / block)];
    if (format === "q8") return (bytes[element] - 128) * step;
    const zeroAt = row * 2 * Math.ceil(blocks / 2) + Math.floor(column / block);
    const zero = zeros ? nibble(blob.subarray(zeros.offset), zeroAt) : 8;
    return (nibble(bytes, element) - zero) * step;
  });
}

/** The 4 bits at `index` of packed ones, low first. */
function nibble(packed: Uint8Array, index: number): number {
  return index % 2 === 0 ? packed[index >> 1] & 15 : packed[index >> 1] >> 4;
}
