/**
 * What other nodes may read of this node's store.
 *
 * @module
 */
import { hasCode, type Holdings, OrreryError, type WeightStore } from "../../actors/mod.ts";
import { blobsOf, type ModelStore } from "../../models/mod.ts";

/** Milliseconds for which the manifests are not read again because of a blob that none lists. */
const REREAD_MS = 1_000;
/** Milliseconds after its last question for which a node counts as one that fetches. */
const READER_MS = 2_000;
/**
 * Most bytes of an answer while requests run here: no more of it can stand before a frame on the
 * same link. At 100 Mbit/s that takes 10 ms.
 */
const RUNNING_BYTES = 128 * 1024;

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

  /** Whether a served model has this blob. */
  async has(sha256: string): Promise<boolean> {
    const names = [...new Set(this.#served())].sort();
    // A model that was added again under its name has other blobs.
    const old = performance.now() - this.#readAt > REREAD_MS && !this.#blobs.has(sha256);
    if (old || this.#names !== names.join(" ")) await this.#read(names);
    return this.#blobs.has(sha256);
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

/** Options of {@linkcode weightStore}. */
export interface WeightStoreOptions {
  store: ModelStore;
  /** Names of the models that the cluster serves; nothing else of the store leaves this node. */
  served: () => Iterable<string>;
  /** Whether a request runs at this node or through its stages. */
  running: () => boolean;
}

/** Resource `store` of the weights actor: the store as other nodes read it. */
export function weightStore({ store, served, running }: WeightStoreOptions): WeightStore {
  const blobs = new ServedBlobs(store, served);
  /** When each node last asked, milliseconds of `performance.now()`. */
  const asked = new Map<string, number>();
  const busyness = (peer: string) => {
    const now = performance.now();
    asked.set(peer, now);
    for (const [node, at] of asked) if (now - at > READER_MS) asked.delete(node);
    return { running: running(), readers: asked.size };
  };

  return {
    manifest: async (model) => {
      blobs.checkModel(model);
      return JSON.stringify((await store.get(model)).manifest);
    },
    have: async (wanted, peer) => {
      const there: Holdings["blobs"] = [];
      for (const sha256 of wanted) {
        if (!await blobs.has(sha256)) continue;
        const size = await store.blobs.size(sha256);
        const bytes = size ?? await store.blobs.partialBytes(sha256);
        if (size !== undefined || bytes > 0) {
          there.push({ sha256, bytes, whole: size !== undefined });
        }
      }
      return { ...busyness(peer), blobs: there };
    },
    blob: async ({ sha256, offset, length }, peer) => {
      if (!await blobs.has(sha256)) {
        throw notServed(`blob ${sha256} belongs to no model that this cluster serves`, { sha256 });
      }
      const busy = busyness(peer ?? "");
      const most = peer !== undefined && busy.running ? RUNNING_BYTES : Infinity;
      const size = await store.blobs.sizeOfExisting(sha256);
      const bytes = Math.max(0, Math.min(length, most, size - offset));
      return { ...busy, data: await readBytes(store.blobs.path(sha256), offset, bytes) };
    },
  };
}

/** So many bytes of a file from `offset` on, fewer where it ends. */
async function readBytes(path: string, offset: number, length: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < bytes.length;) {
    const n = await file.read(bytes.subarray(filled));
    if (n === null) return bytes.subarray(0, filled);
    filled += n;
  }
  return bytes;
}

const notServed = (message: string, metadata: Record<string, unknown>) =>
  new OrreryError({ group: "cluster", code: "not_served", message, metadata });
