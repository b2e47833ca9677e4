/**
 * Opens registries in Deno KV.
 *
 * @module
 */
import { dirname } from "node:path";
import { type Clock, DEADLINE_MS, type Registry, registryError } from "../../actors/mod.ts";
import { ChunkedRegistry } from "./chunked_registry.ts";
import { KvStore } from "./kv_store.ts";
import { orAborted, Patience } from "./patience.ts";

/** Options of {@linkcode openEmbeddedRegistry}. */
export interface EmbeddedRegistryOptions {
  /** Times leases. @default the real clock */
  clock?: Clock;
}

/**
 * The registry in an SQLite file of this node, which is created if absent; the folder too. One
 * process at a time has it open, since it judges leases by its own clock. Throws `registry/in_use`
 * when another one has, and `registry/unavailable` when the file cannot be opened.
 */
export async function openEmbeddedRegistry(
  file: string,
  { clock }: EmbeddedRegistryOptions = {},
): Promise<Registry> {
  await Deno.mkdir(dirname(file), { recursive: true });
  const lock = await Deno.open(`${file}.lock`, { create: true, write: true });
  try {
    if (!await lock.tryLock(true)) {
      throw registryError(
        "in_use",
        `another node has the registry ${file} open; stop it, or give this one another --data`,
        { file },
      );
    }
    const store = new KvStore(await openKv(file), { alone: true, clock });
    return new ClosingRegistry(store, () => lock.close());
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * The registry on a denokv server, by KV Connect. The server's access token is taken from the
 * variable `DENO_KV_ACCESS_TOKEN`. Throws `registry/unavailable` when no server answers.
 */
export async function openKvConnectRegistry(
  url: string,
  { clock }: EmbeddedRegistryOptions = {},
): Promise<Registry> {
  return new ChunkedRegistry(new KvStore(await openKv(url), { alone: false, clock }));
}

/** A registry that gives something back when it is closed. */
class ClosingRegistry extends ChunkedRegistry {
  readonly #closed: () => void;
  #closing: Promise<void> | undefined;

  constructor(store: KvStore, closed: () => void) {
    super(store);
    this.#closed = closed;
  }

  override close(): Promise<void> {
    return this.#closing ??= super.close().then(this.#closed);
  }
}

async function openKv(where: string): Promise<Deno.Kv> {
  const opening = Deno.openKv(where);
  const silent = () => new Error(`no answer for ${DEADLINE_MS} ms`);
  using patience = new Patience(DEADLINE_MS, silent);
  try {
    return await orAborted(opening, patience.signal);
  } catch (error) {
    opening.then((kv) => kv.close(), () => {}); // it may come late
    const why = error instanceof Error ? error.message : String(error);
    throw registryError("unavailable", `the registry ${where} cannot be opened: ${why}`, {}, error);
  }
}
