/**
 * What is measured: a model of some layers, over the real weights where this node has them all,
 * else over made-up ones of the same shapes and formats. What a product takes does not depend on
 * its numbers.
 *
 * Each layer has numbers of its own: ONNX Runtime keeps equal weights only once, and they would
 * stay in the processor's cache.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Group, Manifest, ModelStore, Precision, TensorEntry } from "../../models/mod.ts";

const BLOCK = 32;
const PAGE = 4096;
const CHUNK = 1 << 20;
/** Both nibbles 8: a pair of zero points of symmetric blocks. */
const SYMMETRIC_PAIR = 0x88;

/** A model to measure and the folder of its blobs. */
export interface Specimen extends AsyncDisposable {
  manifest: Manifest;
  blobDir: string;
  /** Are the weights made up? */
  synthetic: boolean;
}

/**
 * The manifest with `layers` layers, the model's own over and over, without what differs from layer
 * to layer (sliding windows: the engine computes as much with them as without).
 *
 * @param context Longest context that will be measured; tables of positions are made for so many.
 */
export function specimenManifest(
  manifest: Manifest,
  { layers, context }: { layers: number; context: number },
): Manifest {
  const { local: _local, rope: { skipped_layers: _skipped, ...rope }, ...geometry } =
    manifest.geometry;
  return {
    ...manifest,
    geometry: {
      ...geometry,
      layers,
      rope,
      // Some ways of scaling look at the context.
      context: rope.scaling ? geometry.context : Math.min(geometry.context, context),
    },
    layers: Array.from({ length: layers }, (_, i) => manifest.layers[i % manifest.layers.length]),
  };
}

/**
 * A specimen over the store's own blobs if they are all there, else over made-up ones in a folder
 * of its own under `scratch`, which goes when it is disposed of.
 */
export async function takeSpecimen(
  manifest: Manifest,
  { store, scratch }: { store: ModelStore; scratch: string },
): Promise<Specimen> {
  const groups = [manifest.embedding, ...new Set(manifest.layers), manifest.head];
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
 * The manifest as it would be at another precision, as the converter stores it. Its blobs need not
 * exist.
 */
export function atPrecision(manifest: Manifest, precision: Precision): Manifest {
  if (manifest.precision === precision) return manifest;
  const ends: Precision = precision === "q4" ? "q8" : precision;
  return {
    ...manifest,
    precision,
    embedding: relaid(manifest.embedding, ends),
    layers: manifest.layers.map((group) => relaid(group, precision)),
    head: relaid(manifest.head, ends),
  };
}

/** The group with its matrices in another format; vectors (gains, biases) stay f32. */
function relaid(group: Group, format: Precision): Group {
  let bytes = 0;
  const part = (size: number) => {
    const offset = Math.ceil(bytes / PAGE) * PAGE;
    bytes = offset + size;
    return { offset, bytes: size };
  };
  const tensors = Object.fromEntries(
    Object.entries(group.tensors).map(([name, { shape, format: old }]): [string, TensorEntry] => {
      const as = shape.length === 1 ? old : format;
      const elements = shape.reduce((a, b) => a * b, 1);
      if (as === "f32" || as === "f16") {
        return [name, { shape, format: as, data: part(elements * (as === "f32" ? 4 : 2)) }];
      }
      const blocks = shape[0] * Math.ceil(shape[1] / BLOCK);
      const data = part(blocks * (as === "q4" ? BLOCK / 2 : BLOCK));
      return [name, { shape, format: as, data, scales: part(blocks * 4) }];
    }),
  );
  // Names the made-up blob; no store has one of this name.
  const sha256 = group.sha256.slice(0, 62) + format.charCodeAt(1).toString(16);
  return { sha256, bytes, tensors };
}

/** Writes a blob of made-up weights as the group lays them out. */
async function writeGroup(path: string, { tensors }: Group): Promise<void> {
  await using file = await open(path, "w");
  for (const { shape, format, data, scales, zeros } of Object.values(tensors)) {
    const inputs = shape.at(-1)!;
    // Products keep about the size of their inputs: nothing overflows on the way through the
    // layers.
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

async function writeRepeated(
  file: Awaited<ReturnType<typeof open>>,
  { offset, bytes }: { offset: number; bytes: number },
  chunk: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes; at += chunk.length) {
    await file.write(chunk, 0, Math.min(chunk.length, bytes - at), offset + at);
  }
}
