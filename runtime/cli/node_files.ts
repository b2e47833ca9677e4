/**
 * The nodes of a cluster, by the files of its first node, which need not be running: it reads them
 * every second.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { Authority } from "../trust/mod.ts";
import { table } from "./table.ts";

/** Prints the nodes that the cluster took in; removed ones where `all` is asked for. */
export async function listFiles(
  data: string,
  { json, all }: { json: boolean; all: boolean },
): Promise<void> {
  const { identities } = await Authority.open({ data });
  const known = (await identities.list()).filter((i) => all || i.removed_ms === undefined);
  if (json) {
    return console.log(JSON.stringify(known.map(({ lives: _, ...shown }) => shown), null, 2));
  }
  const head = ["NODE", "IDENTITY", "SINCE", "TOKEN", "STATE"].map((cell) => pc.bold(cell));
  const rows = known.map(({ node, identity, admitted_ms, token, removed_ms }) => [
    node,
    identity.slice(0, 12),
    new Date(admitted_ms).toISOString(),
    token ?? "first node",
    removed_ms === undefined ? "known" : `removed ${new Date(removed_ms).toISOString()}`,
  ]);
  console.log(table([head, ...rows]));
}

/** Removes a node. Throws what `Identities.remove` throws. */
export async function removeInFiles(data: string, name: string, json: boolean): Promise<void> {
  const removed = await (await Authority.open({ data })).identities.remove(name);
  console.log(
    json
      ? JSON.stringify(removed)
      : `removed ${removed.node}: members refuse it within seconds, and it never counts again under its key`,
  );
}
