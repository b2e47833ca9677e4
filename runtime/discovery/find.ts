/**
 * Finds the cluster that a node means to join.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/mod.ts";
import type { FoundCluster } from "./advert.ts";
import { type Lan, MulticastLan } from "./lan.ts";

/** How long a node looks for its cluster, milliseconds. */
export const LOOK_MS = 5_000;
/** So many clusters are remembered, and so many are named where none fits. */
const REMEMBERED = 64, NAMED = 8;

/** Options of {@linkcode findCluster}. */
export interface FindOptions {
  /**
   * SHA-256 of the authority to look for, as the token or the node's own file has it; undefined:
   * the node has neither.
   */
  authority?: string;
  /** @default multicast on all interfaces */
  lan?: Lan;
  /** How long to look, milliseconds. @default {@linkcode LOOK_MS} */
  lookMs?: number;
}

/**
 * Where the mailbox of the first node of that cluster listens. Throws group `cluster`, code
 * `join_failed`, which names the clusters that were found (metadata: `found`).
 */
export async function findCluster(
  { authority, lan = new MulticastLan(), lookMs = LOOK_MS }: FindOptions,
): Promise<{ host: string; port: number }> {
  const found = new Map<string, FoundCluster>();
  const fits = Promise.withResolvers<FoundCluster>();
  const late = Promise.withResolvers<undefined>();
  await using _browse = await lan.browse((cluster) => {
    if (cluster.authority === authority) fits.resolve(cluster);
    const { host, port } = cluster;
    if (found.size < REMEMBERED) found.set(`${cluster.authority} ${host}:${port}`, cluster);
  });
  const timer = setTimeout(() => late.resolve(undefined), lookMs);
  const first = await Promise.race([fits.promise, late.promise]);
  clearTimeout(timer);
  if (first) return { host: first.host, port: first.port };
  const all = [...found.values()];
  throw new OrreryError({
    group: "cluster",
    code: "join_failed",
    message: `${whatWasFound(all, lookMs)}; ${whatToDo(authority, all.length > 0)}`,
    metadata: { found: all },
  });
}

function whatWasFound(all: FoundCluster[], lookMs: number): string {
  const within = `in ${lookMs / 1e3} s`;
  if (all.length === 0) return `no cluster was found on the local network ${within}`;
  const names = all.slice(0, NAMED).map(({ name, host, port, authority }) =>
    `${name} at ${host}:${port} (authority ${authority.slice(0, 8)}...)`
  );
  if (all.length > NAMED) names.push(`${all.length - NAMED} more`);
  return `on the local network ${within} there was found ${names.join(", ")}`;
}

function whatToDo(authority: string | undefined, some: boolean): string {
  const start =
    "start the first node with --host 0.0.0.0 and without --no-discovery, or name its " +
    "address with --join HOST:PORT";
  if (authority !== undefined) {
    const short = `${authority.slice(0, 8)}...`;
    return some
      ? `none has the authority ${short} of this node's cluster or token; ${start}`
      : start;
  }
  return some
    ? "a node joins the first time with --token or --token-file: use a token of the cluster that " +
      "you mean (`deno task token create` on its first node)"
    : start;
}
