/**
 * Fetches a model's files and weights from another node's store, and serves this node's store to
 * others.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  CHUNK_BYTES,
  hasCode,
  OrreryError,
  weightsActor,
  type WeightStore,
} from "../../actors/mod.ts";
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

/** Milliseconds for which the manifests are not read again because of a blob that none lists. */
const REREAD_MS = 1_000;

/** The blobs of the models that the cluster serves, as the manifests in this store list them. */
class ServedBlobs {
  readonly #store: ModelStore;
  readonly #served: () => Iterable<string>;
  #blobs = new Set<string>();
  /** The models that `#blobs` was read for, and when. */
  #names = "";
  #readAt = -Infinity;

  constructor(store: ModelStore, served: () => Iterable<string>) {
    this.#store = store;
    this.#served = served;
  }

  /** Throws `not_served` for a model of the store that the cluster does not serve. */
  checkModel(model: string): void {
    const names = [...this.#served()];
    if (!names.includes(model)) {
      throw notServed(`model ${model} is not one that this cluster serves`, {
        model,
        served: names,
      });
    }
  }

  /** Throws `not_served` for a blob that none of the served models has. */
  async checkBlob(sha256: string): Promise<void> {
    const names = [...new Set(this.#served())].sort();
    // A model that was added again under its name has other blobs.
    const old = performance.now() - this.#readAt > REREAD_MS && !this.#blobs.has(sha256);
    if (old || this.#names !== names.join(" ")) await this.#read(names);
    if (!this.#blobs.has(sha256)) {
      throw notServed(`blob ${sha256} belongs to no model that this cluster serves`, { sha256 });
    }
  }

  async #read(names: string[]): Promise<void> {
    this.#readAt = performance.now();
    const blobs = new Set<string>();
    for (const name of names) {
      try {
        for (const { sha256 } of blobsOf((await this.#store.get(name)).manifest)) blobs.add(sha256);
      } catch (error) {
        if (!hasCode(error, "model_not_found")) throw error; // served from another node's store
      }
    }
    this.#blobs = blobs;
    this.#names = names.join(" ");
  }
}

/**
 * Resource `store` of the weights actor: the store as other nodes read it. `served` names the
 * models that the cluster serves; nothing else of the store leaves this node.
 */
export function weightStore(store: ModelStore, served: () => Iterable<string>): WeightStore {
  const blobs = new ServedBlobs(store, served);
  return {
    manifest: async (model) => {
      blobs.checkModel(model);
      return JSON.stringify((await store.get(model)).manifest);
    },
    blob: async (sha256, offset, length) => {
      await blobs.checkBlob(sha256);
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

const notServed = (message: string, metadata: Record<string, unknown>) =>
  new OrreryError({ group: "cluster", code: "not_served", message, metadata });

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
  if (manifest.name !== model) {
    // It would be stored in the place of another model.
    throw new OrreryError({
      group: "cluster",
      code: "other_model",
      message: `node ${source} answered the manifest of ${manifest.name} when asked for ${model}`,
      metadata: { source, model, answered: manifest.name },
    });
  }
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
