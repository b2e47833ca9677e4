/**
 * Writes a q4 model with random weights of a real model's shape directly in the layout of the model
 * store. It serves to measure speed and memory; its text means nothing.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { SYMMETRIC_PAIR } from "../../../models/quantise.ts";
import {
  type Block,
  blockFor,
  formatFor,
  type Geometry,
  type Group,
  headBounds,
  type Manifest,
  type TensorEntry,
} from "../../../models/mod.ts";
import { layerTensors, type TensorSpec } from "../../../models/arch/mod.ts";

/** The shape of Qwen2.5-0.5B, without its biases. */
export const HALF_BILLION_GEOMETRY: Geometry = {
  architecture: "LlamaForCausalLM",
  layers: 24,
  hidden: 896,
  intermediate: 4864,
  heads: 14,
  kv_heads: 2,
  head_dim: 64,
  vocab: 151936,
  context: 4096,
  norm_eps: 1e-6,
  rope: { theta: 1e6, scaling: null },
  tied_embeddings: true,
};

/** Alignment of each part of a blob, in bytes. */
const PAGE = 4096;

type Format = "f32" | "q4" | "q8";

/** How a made-up model is stored, where it is not as the converter stores it by default. */
export interface SyntheticFormat {
  /** Inputs that share a scale, in every matrix. @default as `blockFor` says */
  block?: Block;
  /** Format of the LM head. @default "q8" */
  head?: "q4" | "q8";
  /** Precision of the projections. @default "q4" */
  precision?: "q4" | "q4m";
}

/**
 * Writes the blobs into `blobDir` and returns the manifest. The formats are those of the converter:
 * vocabulary q8, projections q4 with zero points.
 */
export async function syntheticModel(
  geometry: Geometry,
  blobDir: string,
  { block, head = "q8", precision = "q4" }: SyntheticFormat = {},
): Promise<Manifest> {
  const { hidden, vocab } = geometry;
  const inPrecision = ([key, shape, format]: [string, number[], Format]): [
    string,
    number[],
    Format,
  ] => [key, shape, format === "q4" && formatFor(key, shape, precision) === "q8" ? "q8" : format];
  const group = (name: string, tensors: [string, number[], Format][]) =>
    writeGroup(blobDir, name, tensors.map(inPrecision), block);
  const formatOf = ({ role }: TensorSpec): Format => /^projection/.test(role) ? "q4" : "f32";
  const layers: Group[] = [];
  for (let layer = 0; layer < geometry.layers; layer++) {
    const specs = [...layerTensors(geometry, layer).values()];
    layers.push(
      await group(
        `layer ${layer}`,
        specs.map((spec) => [spec.key, spec.shape, formatOf(spec)]),
      ),
    );
  }
  return {
    version: 1,
    name: "synthetic",
    geometry,
    precision,
    source: "synthetic",
    embedding: await group("embedding", [["embed", [vocab, hidden], "q8"]]),
    layers,
    head: await group("head", [["norm", [hidden], "f32"]]),
    head_parts: await Promise.all(
      headBounds(vocab).slice(1).map((end, part, ends) =>
        group(`head part ${part}`, [["lm_head", [end - (ends[part - 1] ?? 0), hidden], head]])
      ),
    ),
    files: {},
    eos_tokens: [],
    bos_token: null,
  };
}

async function writeGroup(
  blobDir: string,
  name: string,
  tensors: [string, number[], Format][],
  asked?: Block,
): Promise<Group> {
  const sha256 = createHash("sha256")
    .update(`synthetic ${name} ${JSON.stringify(tensors)} ${asked}`)
    .digest("hex");
  await using file = await open(join(blobDir, sha256), "w");
  let bytes = 0;
  const part = async (data: Uint8Array) => {
    const offset = Math.ceil(bytes / PAGE) * PAGE;
    await file.write(data, 0, data.length, offset);
    bytes = offset + data.length;
    return { offset, bytes: data.length };
  };
  const entries: Record<string, TensorEntry> = {};
  for (const [key, shape, format] of tensors) {
    const elements = shape.reduce((a, b) => a * b, 1);
    if (format === "f32") {
      entries[key] = {
        shape,
        format,
        data: await part(new Uint8Array(new Float32Array(elements).fill(1).buffer)),
      };
      continue;
    }
    // Random codes with n equally likely values have a deviation of n / sqrt(12). With this scale a
    // product has about the size of its input.
    const scale = Math.sqrt(12 / shape[1]) / (format === "q4" ? 16 : 256);
    const block = asked ?? blockFor(key, shape[1], format);
    const scales = new Float32Array(elements / block).fill(scale);
    const zeros = new Uint8Array(shape[0] * Math.ceil(shape[1] / block / 2)).fill(SYMMETRIC_PAIR);
    entries[key] = {
      shape,
      format,
      block,
      data: await part(format === "q4" ? noise(elements / 2, 4) : noise(elements, 8)),
      scales: await part(new Uint8Array(scales.buffer)),
      ...(format === "q4" ? { zeros: await part(zeros) } : {}),
    };
  }
  return { sha256, bytes, tensors: entries };
}

/**
 * Random codes of `bits` bits, packed into so many bytes, which repeat after the first MiB. The
 * lowest code becomes the middle one, which stands for 0, so that weights are 0 on average: were
 * they not, hidden states would grow alike in all places, and attention would see one row alone,
 * with weights of the others so small that a processor computes with them ten times as slowly.
 */
function noise(bytes: number, bits: 4 | 8): Uint8Array {
  const out = new Uint8Array(bytes);
  const some = randomBytes(Math.min(bytes, 1 << 20)).map((byte) => {
    if (bits === 8) return byte || 0x80;
    return (byte & 0x0f || 0x08) | (byte & 0xf0 || 0x80);
  });
  for (let at = 0; at < bytes; at += some.length) out.set(some.subarray(0, bytes - at), at);
  return out;
}
