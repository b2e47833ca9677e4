/**
 * `deno task nodes`: lists the nodes that a cluster took in, and removes them. It works on the files
 * of the first node, which reads them every second, so it may run or not.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { Authority, type KnownIdentity } from "../trust/mod.ts";
import { readArgs } from "./args.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { table } from "./table.ts";

const help = `List the nodes that a cluster took in, and remove them.

Usage: deno task nodes [list] [options]
       deno task nodes remove NAME [options]

Run it on the machine of the first node, which need not be stopped. NAME is a node's name, name:port, whole id, or the
first 8 or more digits of its identity. A node that was removed is refused by all members within seconds, and never
counts again under its key.

  --data DIR  folder of the first node [.orrery]
  --json      print JSON
  --help      print this

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

async function nodes(args: string[]): Promise<number> {
  const { values, positionals } = readArgs({
    args,
    allowPositionals: true,
    options: {
      data: { type: "string", default: ".orrery" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return exitCodes.ok;
  }
  const [command = "list", name, ...rest] = positionals;
  if (command !== "list" && command !== "remove") {
    throw new UsageError(`nodes takes list or remove, got ${JSON.stringify(command)}`);
  }
  if (rest.length > 0 || (command === "list" && name !== undefined)) {
    throw new UsageError(`unexpected ${JSON.stringify(rest[0] ?? name)}`);
  }
  const { identities } = await Authority.open({ data: values.data });
  if (command === "list") return show(await identities.list(), values.json);
  if (name === undefined) throw new UsageError("remove takes the NAME of a node");
  const removed = await identities.remove(name);
  if (values.json) console.log(JSON.stringify(removed));
  else {
    console.log(
      `removed ${removed.node}: members refuse it within seconds, and it never counts again under its key`,
    );
  }
  return exitCodes.ok;
}

function show(all: KnownIdentity[], json: boolean): number {
  if (json) {
    console.log(JSON.stringify(all.map(({ lives: _, ...shown }) => shown), null, 2));
    return exitCodes.ok;
  }
  const head = ["NODE", "IDENTITY", "SINCE", "TOKEN", "STATE"].map((cell) => pc.bold(cell));
  const rows = all.map(({ node, identity, admitted_ms, token, removed_ms }) => [
    node,
    identity.slice(0, 12),
    new Date(admitted_ms).toISOString(),
    token ?? "first node",
    removed_ms === undefined ? "member" : `removed ${new Date(removed_ms).toISOString()}`,
  ]);
  console.log(table([head, ...rows]));
  return exitCodes.ok;
}

if (import.meta.main) await runCommand(nodes);
