/**
 * The specimen that is measured: a model of a few layers, with the model's own weights where this
 * node has them all, else with made-up weights of the same shapes and formats. The time of a matrix
 * product does not depend on its numbers.
 *
 * Each layer gets weights of its own: ONNX Runtime keeps equal weights only once, and they would
 * stay in the processor's cache.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import {
  blockFor,
  endFormatFor,
  formatFor,
  type Group,
  groupsOf,
  type Manifest,
  type ModelStore,
  type Precision,
  type TensorEntry,
} from "../../models/mod.ts";

/** Parts of a blob begin at multiples of this many bytes. */
const PAGE = 4096;
/** Bytes of made-up weights that are made once and written again and again. */
const CHUNK = 1 << 20;
/** Two zero points of symmetric q4 blocks, one a nibble: 8 each. */
const SYMMETRIC_PAIR = 0x88;

/** A model to measure. Disposing of it removes what was made up for it. */
export interface Specimen extends AsyncDisposable {
  manifest: Manifest;
  /** Path of the folder of its blobs. */
  blobDir: string;
  /** true: the weights are made up. */
  synthetic: boolean;
}

/**
 * The manifest with `layers` layers: the model's own, repeated in order, without what differs from
 * layer to layer. Sliding windows are such a thing; the engine computes as much with them as
 * without.
 *
 * @param context Longest context that is measured, rows: the tables of positions have that length.
 */
export function specimenManifest(
  manifest: Manifest,
  { layers, context }: { layers: number; context: number },
): Manifest {
  const { local: _local, rope: { skipped_layers: _skipped, ...rope }, ...geometry } =
    manifest.geometry;
  const { alone, convolution, experts, recurrence } = geometry;
  /** The numbers of the layers that are repetitions of these. */
  const repeated = (numbers: readonly number[]) =>
    Array.from({ length: layers }, (_, i) => i)
      .filter((i) => numbers.includes(i % manifest.layers.length));
  return {
    ...manifest,
    geometry: {
      ...geometry,
      ...(alone && { alone: { mixer: repeated(alone.mixer), mlp: repeated(alone.mlp) } }),
      ...(experts?.dense && {
        experts: {
          ...experts,
          dense: { ...experts.dense, layers: repeated(experts.dense.layers) },
        },
      }),
      ...(convolution && { convolution: { ...convolution, layers: repeated(convolution.layers) } }),
      ...(recurrence && { recurrence: { ...recurrence, layers: repeated(recurrence.layers) } }),
      layers,
      rope,
      // Some ways of scaling RoPE depend on the context.
      context: rope.scaling ? geometry.context : Math.min(geometry.context, context),
    },
    layers: Array.from({ length: layers }, (_, i) => manifest.layers[i % manifest.layers.length]),
  };
}

/**
 * A specimen with the store's blobs if they are all there, else with made-up ones in a new folder
 * under `scratch`, which is removed when the specimen is disposed of.
 */
export async function takeSpecimen(
  manifest: Manifest,
  { store, scratch }: { store: ModelStore; scratch: string },
): Promise<Specimen> {
  const groups = groupsOf(manifest);
  const here = await Promise.all(groups.map(({ sha256 }) => store.has(sha256)));
  if (here.every(Boolean)) {
    return {
      manifest,
      blobDir: store.blobs.dir,
      synthetic: false,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  await Deno.mkdir(scratch, { recursive: true });
  const blobDir = await Deno.makeTempDir({ dir: scratch, prefix: "specimen-" });
  const remove = () => Deno.remove(blobDir, { recursive: true });
  try {
    for (const group of groups) await writeGroup(join(blobDir, group.sha256), group);
  } catch (error) {
    await remove();
    throw error;
  }
  return { manifest, blobDir, synthetic: true, [Symbol.asyncDispose]: remove };
}

/**
 * The manifest that the model would have if the converter stored it at another precision. Its blobs
 * need not exist.
 */
export function atPrecision(manifest: Manifest, precision: Precision): Manifest {
  if (manifest.precision === precision) return manifest;
  const ends = endFormatFor(precision);
  return {
    ...manifest,
    precision,
    embedding: relaid(manifest.embedding, ends),
    layers: manifest.layers.map((group) => relaid(group, precision)),
    head: relaid(manifest.head, ends),
    head_parts: manifest.head_parts?.map((group) => relaid(group, ends)),
  };
}

/** The group with its matrices in another format; vectors (gains, biases) stay f32. */
function relaid(group: Group, precision: Precision): Group {
  let bytes = 0;
  const part = (size: number) => {
    const offset = Math.ceil(bytes / PAGE) * PAGE;
    bytes = offset + size;
    return { offset, bytes: size };
  };
  const tensors = Object.fromEntries(
    Object.entries(group.tensors).map(([name, { shape, format: old }]): [string, TensorEntry] => {
      const as = shape.length === 1 ? old : formatFor(name, shape, precision);
      const elements = shape.reduce((a, b) => a * b, 1);
      if (as === "f32" || as === "f16") {
        return [name, { shape, format: as, data: part(elements * (as === "f32" ? 4 : 2)) }];
      }
      const block = blockFor(name, shape[1], as);
      const blocks = shape[0] * Math.ceil(shape[1] / block);
      const data = part(blocks * (as === "q4" ? block / 2 : block));
      return [name, { shape, format: as, block, data, scales: part(blocks * 4) }];
    }),
  );
  // Name of the made-up blob; no store has a blob of this name.
  const sha256 = group.sha256.slice(0, 62) +
    precision.charCodeAt(precision.length - 1).toString(16);
  return { sha256, bytes, tensors };
}

/** Writes a blob of made-up weights with the layout of the group. */
async function writeGroup(path: string, { tensors }: Group): Promise<void> {
  await using file = await open(path, "w");
  for (const { shape, format, data, scales, zeros } of Object.values(tensors)) {
    const inputs = shape.at(-1)!;
    // Random weights of this size keep products about as large as their inputs, so nothing
    // overflows on the way through the layers.
    if (scales) {
      const scale = Math.sqrt(12 / inputs) / (format === "q4" ? 16 : 256);
      await writeRepeated(file, scales, bytesOf(new Float32Array(CHUNK / 4).fill(scale)));
    }
    if (zeros) await writeRepeated(file, zeros, new Uint8Array(CHUNK).fill(SYMMETRIC_PAIR));
    const amplitude = Math.sqrt(3 / inputs);
    const value = () => shape.length === 1 ? 1 : (Math.random() * 2 - 1) * amplitude;
    if (format === "f32") {
      await writeRepeated(file, data, bytesOf(Float32Array.from({ length: CHUNK / 4 }, value)));
    } else if (format === "f16") {
      await writeRepeated(file, data, bytesOf(Float16Array.from({ length: CHUNK / 2 }, value)));
    } else await writeRepeated(file, data, randomBytes(CHUNK));
  }
}

const bytesOf = ({ buffer }: { buffer: ArrayBufferLike }) => new Uint8Array(buffer);

/** Fills a part of a file with copies of `chunk`. */
async function writeRepeated(
  file: Awaited<ReturnType<typeof open>>,
  { offset, bytes }: { offset: number; bytes: number },
  chunk: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes; at += chunk.length) {
    await file.write(chunk, 0, Math.min(chunk.length, bytes - at), offset + at);
  }
}
