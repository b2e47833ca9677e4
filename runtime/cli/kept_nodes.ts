/**
 * The nodes of a cluster, by what it keeps of them: in files of its first node, or in the registry
 * that several nodes open. No node need be running; those that run read it every second.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { type AuthorityPlace, openAuthority } from "./open_authority.ts";
import { table } from "./table.ts";

/** Prints the nodes that the cluster took in; removed ones where `all` is asked for. */
export async function listKept(
  place: AuthorityPlace,
  { json, all }: { json: boolean; all: boolean },
): Promise<void> {
  await using opened = await openAuthority(place);
  const identities = await opened.authority.identities.list();
  const known = identities.filter((i) => all || i.removed_ms === undefined);
  if (json) {
    return console.log(JSON.stringify(known.map(({ lives: _, ...shown }) => shown), null, 2));
  }
  const head = ["NODE", "IDENTITY", "SINCE", "TOKEN", "STATE"].map((cell) => pc.bold(cell));
  const rows = known.map(({ node, identity, admitted_ms, token, removed_ms }) => [
    node,
    identity.slice(0, 12),
    new Date(admitted_ms).toISOString(),
    token ?? (node === opened.first?.node ? "first node" : "none needed"),
    removed_ms === undefined ? "known" : `removed ${new Date(removed_ms).toISOString()}`,
  ]);
  console.log(table([head, ...rows]));
}

/** Removes a node. Throws what `openAuthority` and `Identities.remove` throw. */
export async function removeKept(
  place: AuthorityPlace,
  name: string,
  json: boolean,
): Promise<void> {
  await using opened = await openAuthority(place);
  const removed = await opened.authority.identities.remove(name, opened.first?.node);
  console.log(
    json
      ? JSON.stringify(removed)
      : `removed ${removed.node}: members refuse it within seconds, and it never counts again under its key`,
  );
}
