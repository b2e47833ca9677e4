/**
 * The nodes that a member knows: where it joined, and all that the registry listed last. One of them
 * knows who coordinates when the coordinator is gone.
 *
 * @module
 */
import type { Registry, RegistryEntry } from "../../actors/mod.ts";
import type { KnownPlace } from "../trust/mod.ts";
import { membersOf } from "./cluster_contents.ts";
import { RegistryCopy } from "./registry_copy.ts";

/** See the module's text. */
export class KnownNodes {
  readonly #joined: KnownPlace | undefined;
  #copy?: RegistryCopy;

  /** `joined`: where this node joined; undefined: it joined nobody. */
  constructor({ joined }: { joined: KnownPlace | undefined }) {
    this.#joined = joined;
  }

  /** Keeps a copy of the registry in this file, from now on. */
  follow(options: { registry: Registry; node: string; path: string }): void {
    this.#copy = new RegistryCopy(options);
  }

  /** What the registry held last, as far as members may read it. */
  get entries(): RegistryEntry[] {
    return this.#copy?.entries("") ?? [];
  }

  /** These nodes and all others that are known, each once. */
  with(places: readonly KnownPlace[]): KnownPlace[] {
    const all = [
      ...places,
      ...(this.#joined ? [this.#joined] : []),
      ...membersOf(this.#copy?.entries("members/") ?? []),
    ].map(({ node, host, port }): KnownPlace => ({ node, host, port }));
    const byPlace = new Map<string, KnownPlace>();
    for (const place of all) {
      const key = `${place.host} ${place.port}`;
      if (!byPlace.get(key)?.node) byPlace.set(key, place);
    }
    return [...byPlace.values()];
  }

  /** Writes the copy, and follows the registry no more. */
  async close(): Promise<void> {
    await this.#copy?.close();
  }
}
