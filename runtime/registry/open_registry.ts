/**
 * From the text of `--registry` to a registry.
 *
 * @module
 */
import { join } from "node:path";
import { type Clock, type Registry, registryError } from "../../actors/mod.ts";
import { ChunkedRegistry } from "./chunked_registry.ts";
import { EtcdStore } from "./etcd_store.ts";
import { parseEtcdUrl } from "./etcd_url.ts";
import { openEmbeddedRegistry, openKvConnectRegistry } from "./open_kv.ts";

/** Options of {@linkcode openRegistry}. */
export interface OpenRegistryOptions {
  /** Folder of the node's data; the embedded registry is in `registry/` there. */
  data: string;
  /** Times leases. @default the real clock */
  clock?: Clock;
}

/**
 * Opens the registry that this text names: `embedded`, the URL of a denokv server
 * (`https://HOST[:PORT]`; `http:` too), or `etcd://HOST[:PORT],...`. That a server answers is not
 * checked yet: `testRegistry` does. Throws `registry/bad_url`, `registry/in_use` and
 * `registry/unavailable`.
 */
export async function openRegistry(
  where: string,
  { data, clock }: OpenRegistryOptions,
): Promise<Registry> {
  if (where === "embedded") {
    return await openEmbeddedRegistry(join(data, "registry", "registry.sqlite"), { clock });
  }
  if (/^https?:\/\/[^/]/.test(where)) return await openKvConnectRegistry(where, { clock });
  if (where.startsWith("etcd://")) {
    return new ChunkedRegistry(await EtcdStore.open(parseEtcdUrl(where)));
  }
  throw registryError(
    "bad_url",
    `registry ${where} must be embedded, https://HOST[:PORT] (a denokv server) or ` +
      `etcd://HOST[:PORT],...`,
    { url: where },
  );
}
