/**
 * The key of a node, which is the same in all of its lives, and the cluster that it belongs to.
 *
 * Several nodes of one machine may share a folder. A node's key is called after its name and port;
 * where a running node has that key, the next one takes `NAME-PORT-2`, and so on.
 *
 * @module
 */
import { basename, join } from "node:path";
import { z } from "zod";
import type { NodeId } from "../../actors/system/mod.ts";
import { sha256 } from "./certificates.ts";
import { trustFolder } from "./folder.ts";
import { RecordFile, tryLock } from "./record_file.ts";
import { rollSchema } from "./roll.ts";
import { createKey, type PrivateKey, readKey } from "./sign.ts";

const clusterSchema = z.object({
  /** Certificate of the cluster's authority, PEM. */
  authority: z.string(),
  /** Identities that were removed from it, as far as this node was told. */
  revoked: z.array(z.string()),
  /** The newest list of its members that this node was told. */
  roll: rollSchema.optional(),
});
/** The cluster of a node. */
export type OwnCluster = z.infer<typeof clusterSchema>;

const fileSchema = z.object({
  node: z.object({
    /** PKCS #8, PEM. */
    key: z.string(),
    cluster: clusterSchema.optional(),
  }).optional(),
});
type StoredKey = NonNullable<z.infer<typeof fileSchema>["node"]>;
type KeyFile = RecordFile<z.infer<typeof fileSchema>>;

/** A node's key; nobody else has it until {@linkcode NodeKey.close}. */
export class NodeKey {
  readonly key: PrivateKey;
  readonly #file: KeyFile;
  readonly #lock: Disposable;
  #cluster?: OwnCluster;

  private constructor(
    key: PrivateKey,
    file: KeyFile,
    lock: Disposable,
    cluster?: OwnCluster,
  ) {
    this.key = key;
    this.#file = file;
    this.#lock = lock;
    this.#cluster = cluster;
  }

  /** Opens the key for a node of this id, and makes one where there is none. */
  static async open(data: string, node: NodeId): Promise<NodeKey> {
    const [name, port] = node.split(":");
    const folder = join(trustFolder(data), "nodes");
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    for (let n = 1;; n++) {
      const path = join(folder, `${name}-${port}${n === 1 ? "" : `-${n}`}.json`);
      const lock = await tryLock(`${path}.held`);
      if (!lock) continue;
      try {
        const file: KeyFile = new RecordFile(path, fileSchema, () => ({}));
        const stored: StoredKey = (await file.read()).node ?? await file.update(async (value) => {
          return value.node = { key: (await createKey()).pem };
        });
        return new NodeKey(await readKey(stored.key), file, lock, stored.cluster);
      } catch (error) {
        lock[Symbol.dispose]();
        throw error;
      }
    }
  }

  /** SHA-256 of the public key, hexadecimal: the node's identity. */
  async identity(): Promise<string> {
    const der = await crypto.subtle.exportKey("spki", this.key.keys.publicKey);
    return sha256(new Uint8Array(der));
  }

  /** Where the key lies. */
  get path(): string {
    return this.#file.path;
  }

  /** Name of the file, which no other running node with this folder has. */
  get name(): string {
    return basename(this.#file.path, ".json");
  }

  /** The cluster that the node belonged to last; undefined: it never joined one. */
  get cluster(): OwnCluster | undefined {
    return this.#cluster;
  }

  /** Notes the cluster that the node belongs to. */
  async setCluster(cluster: OwnCluster): Promise<void> {
    await this.#file.update((value) => void (value.node = { key: this.key.pem, cluster }));
    this.#cluster = cluster;
  }

  /** Lets other nodes have the key. */
  close(): void {
    this.#lock[Symbol.dispose]();
  }
}
