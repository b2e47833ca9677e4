/**
 * From the text of `--registry` to a registry.
 *
 * @module
 */
import { join } from "node:path";
import { type Clock, type Registry, registryError, testRegistry } from "../../actors/mod.ts";
import { ChunkedRegistry } from "./chunked_registry.ts";
import { refuseMoved } from "./copy_registry.ts";
import { EtcdStore } from "./etcd_store.ts";
import { type EtcdAddress, parseEtcdUrl } from "./etcd_url.ts";
import { openEmbeddedRegistry, openKvConnectRegistry } from "./open_kv.ts";

/** The registry in a file of the first node, as `--registry` calls it. */
export const EMBEDDED_REGISTRY = "embedded";
/** The registry in an etcd that the cluster runs itself (`runtime/etcd`), as `--registry` calls it. */
export const MANAGED_REGISTRY = "managed";

/** Options of {@linkcode openRegistry}. */
export interface OpenRegistryOptions {
  /** Folder of the node's data; the embedded registry is in `registry/` there. */
  data: string;
  /** Times leases. @default the real clock */
  clock?: Clock;
}

/** Throws `registry/bad_url` for a text that {@linkcode openRegistry} would not take. */
export function checkRegistryAddress(where: string): void {
  if (where.startsWith("etcd://")) return void parseEtcdUrl(where);
  if (where === EMBEDDED_REGISTRY || where === MANAGED_REGISTRY || /^https?:\/\/[^/]/.test(where)) {
    return;
  }
  throw registryError(
    "bad_url",
    `registry ${where} must be embedded, managed, https://HOST[:PORT] (a denokv server) or ` +
      `etcd://HOST[:PORT],...`,
    { url: where },
  );
}

/** Where the embedded registry of a data folder lies. */
export const embeddedFile = (data: string): string => join(data, "registry", "registry.sqlite");

/**
 * Opens the registry that this text names: `embedded`, the URL of a denokv server
 * (`https://HOST[:PORT]`; `http:` too), or `etcd://HOST[:PORT],...`. That a server answers is not
 * checked yet: `testRegistry` does. Throws `registry/bad_url`, `registry/in_use`,
 * `registry/unavailable`, and `registry/moved` where `copyRegistry` took over what was embedded.
 */
export async function openRegistry(
  where: string,
  { data, clock }: OpenRegistryOptions,
): Promise<Registry> {
  checkRegistryAddress(where);
  if (where === MANAGED_REGISTRY) throw new TypeError("ManagedRegistry opens a managed registry");
  if (where === EMBEDDED_REGISTRY) {
    const file = embeddedFile(data);
    const registry = await openEmbeddedRegistry(file, { clock });
    try {
      await refuseMoved(registry, file);
      return registry;
    } catch (error) {
      await registry.close();
      throw error;
    }
  }
  if (!where.startsWith("etcd://")) return await openKvConnectRegistry(where, { clock });
  return new ChunkedRegistry(await EtcdStore.open(parseEtcdUrl(where)));
}

/**
 * As {@linkcode openRegistry}, once four conditional writes have shown that it can be relied on.
 * Throws what `testRegistry` throws besides, and then closes it.
 */
export async function openTestedRegistry(
  where: string,
  options: OpenRegistryOptions,
): Promise<Registry> {
  const registry = await openRegistry(where, options);
  try {
    await testRegistry(registry);
  } catch (error) {
    await registry.close();
    throw error;
  }
  return registry;
}

/** A registry in an etcd whose members change. */
export class EtcdRegistry extends ChunkedRegistry {
  readonly #store: EtcdStore;

  private constructor(store: EtcdStore) {
    super(store);
    this.#store = store;
  }

  /** Nothing is sent yet. Throws `registry/bad_url` where a file is not there. */
  static async open(address: EtcdAddress): Promise<EtcdRegistry> {
    return new EtcdRegistry(await EtcdStore.open(address));
  }

  /** The members are at these base URLs from now on. */
  follow(endpoints: string[]): void {
    this.#store.follow(endpoints);
  }
}
