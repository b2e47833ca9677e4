/**
 * The authority of a cluster (tokens, and the nodes that were taken in) for commands that ask no
 * node: in the files of a first node, or in the registry that several nodes open.
 *
 * @module
 */
import { COORDINATOR_KEY, decodeRecord, type Registry, termSchema } from "../../actors/mod.ts";
import { openManagedBeside } from "../etcd/mod.ts";
import { EMBEDDED_REGISTRY, MANAGED_REGISTRY, openRegistry } from "../registry/mod.ts";
import { notedRegistry } from "../seat/mod.ts";
import { Authority, readFirstNode, registryRecords, trustError } from "../trust/mod.ts";

/** An authority, and which node coordinates its cluster. */
export interface OpenedAuthority extends AsyncDisposable {
  authority: Authority;
  /** Where that node's mailbox listens; undefined: nobody coordinates, or it is not known. */
  first: { host: string; port: number; node?: string } | undefined;
}

/** Which authority is meant. */
export interface AuthorityPlace {
  /** Data folder of a node. */
  data: string;
  /** The registry. @default the one that a server with this folder opened last */
  registry?: string;
}

/**
 * Opens it. Throws `no_authority` and `file_broken` (group `trust`), and what opening the registry
 * and reading there throws (group `registry`).
 */
export async function openAuthority({ data, registry }: AuthorityPlace): Promise<OpenedAuthority> {
  const where = registry ?? await notedRegistry(data) ?? EMBEDDED_REGISTRY;
  if (where === EMBEDDED_REGISTRY) {
    const authority = await Authority.open({ data });
    const nothing = () => Promise.resolve();
    return { authority, first: await readFirstNode(data), [Symbol.asyncDispose]: nothing };
  }
  const opened = where === MANAGED_REGISTRY
    ? await openManagedBeside(data)
    : await openRegistry(where, { data });
  if (!opened) {
    throw trustError(
      "no_authority",
      `no node with --data ${data} is a server of a managed registry: name the folder of the first ` +
        "node, or of another one that runs a member of etcd",
      { data },
    );
  }
  try {
    return {
      ...await inRegistry(opened, where, data),
      [Symbol.asyncDispose]: () => opened.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function inRegistry(registry: Registry, where: string, data: string) {
  const entry = await registry.get(COORDINATOR_KEY);
  const first = entry && decodeRecord(termSchema, entry);
  const records = registryRecords(registry);
  if (!(await records.authority.read()).authority) {
    throw trustError(
      "no_authority",
      `the registry ${where} holds no cluster: start a node with --registry ${where} first`,
      { registry: where },
    );
  }
  return { authority: await Authority.open({ data, records }), first };
}
