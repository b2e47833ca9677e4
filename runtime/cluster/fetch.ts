/**
 * Fetches a model's files and weights from another node's store, and serves this node's store to
 * others.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type ActorSystem, CHUNK_BYTES, weightsActor, type WeightStore } from "../../actors/mod.ts";
import {
  blobsOf,
  type Manifest,
  manifestSchema,
  type ModelStore,
  type StoredModel,
} from "../../models/mod.ts";

const log = getLogger(["orrery", "cluster"]);

/** Milliseconds for one chunk of 4 MiB: enough for a link of 0.3 Mbit/s. */
const CHUNK_DEADLINE_MS = 120_000;

/** Resource `store` of the weights actor: the store as other nodes read it. */
export function weightStore(store: ModelStore): WeightStore {
  return {
    manifest: async (model) => JSON.stringify((await store.get(model)).manifest),
    blob: async (sha256, offset, length) => {
      const size = await store.blobs.sizeOfExisting(sha256);
      using file = await Deno.open(store.blobs.path(sha256));
      await file.seek(offset, Deno.SeekMode.Start);
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      for (let filled = 0; filled < bytes.length;) {
        const n = await file.read(bytes.subarray(filled));
        if (n === null) return bytes.subarray(0, filled);
        filled += n;
      }
      return bytes;
    },
  };
}

/**
 * SHA-256 sums of the blobs that these layers and parts of the LM head need. The final norm belongs
 * to the last layer.
 */
function blobsFor(
  { layers: all, embedding, head, head_parts = [], geometry }: Manifest,
  { layers, parts }: Pick<EnsureModelOptions, "layers" | "parts">,
): string[] {
  const groups = layers.flatMap(({ first, last }) => [
    ...all.slice(first, last + 1),
    ...(first === 0 ? [embedding] : []),
    ...(last === geometry.layers - 1 ? [head] : []),
  ]);
  for (const { first, last } of parts) groups.push(...head_parts.slice(first, last + 1));
  return groups.map((g) => g.sha256);
}

/** Options of {@linkcode ensureModel}. */
export interface EnsureModelOptions {
  /** Reaches the other node. */
  system: ActorSystem;
  /** This node's store. */
  store: ModelStore;
  /** Node that has the model. */
  source: string;
  /** The model's name. */
  model: string;
  /** Ranges of layers that are needed, both ends inclusive; none: the text files alone. */
  layers: { first: number; last: number }[];
  /** Ranges of parts of the LM head that are needed, both ends inclusive. */
  parts: { first: number; last: number }[];
  /** Aborting it ends the fetch; what has arrived is kept. */
  signal: AbortSignal;
}

/**
 * Fetches from node `source` what this node's store lacks of the manifest, the text files and the
 * blobs of `layers` and `parts`. A blob whose fetch broke off earlier is resumed, and each one is checked
 * against its hash. Throws what the other node and the store throw.
 */
export async function ensureModel(options: EnsureModelOptions): Promise<StoredModel> {
  const { system, store, source, model, signal } = options;
  const weights = system.get(weightsActor, source);
  const within = { deadlineMs: CHUNK_DEADLINE_MS, signal };

  async function* chunks(sha256: string) {
    for (let offset = await store.blobs.partialSize(sha256);; offset += CHUNK_BYTES) {
      const bytes = await weights.blob({ sha256, offset, length: CHUNK_BYTES }, within);
      if (bytes.length) yield bytes;
      if (bytes.length < CHUNK_BYTES) return;
    }
  }

  if (source === system.node) return await store.get(model);
  const manifest = manifestSchema.parse(JSON.parse(await weights.manifest({ model }, within)));
  const roles = new Map(blobsOf(manifest).map(({ sha256, role }) => [sha256, role]));
  const fetch = async (sha256: string) => {
    if (await store.has(sha256)) return;
    log.info("fetching {role} of {model} from {source}", {
      role: roles.get(sha256),
      model,
      source,
    });
    await store.importBlob(sha256, chunks(sha256), { signal });
  };
  for (const sha256 of Object.values(manifest.files)) await fetch(sha256);
  const stored = await store.writeManifest(manifest);
  for (const sha256 of blobsFor(manifest, options)) await fetch(sha256);
  return stored;
}
