/**
 * `deno task nodes`: lists, drains and removes the nodes of a cluster, by the API of its first node
 * or, where that one is stopped, by its files.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { z } from "zod";
import { clientKey } from "../access/mod.ts";
import { type ApiCall, callApi, failed } from "./api_call.ts";
import { durationOption, readArgs, urlOption } from "./args.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { listFiles, removeInFiles } from "./node_files.ts";
import { table } from "./table.ts";

const help = `List the nodes of a cluster, drain or remove one. It asks the API of the first node.

Usage: deno task nodes [list] [options]
       deno task nodes drain NAME [options]
       deno task nodes remove NAME [options]

NAME is a node's name, name:port, its id, or the first 8 or more digits of its identity (see --json).

drain    the node takes no new requests, finishes those that run, hands its layers to the others and ends
remove   the node is shut out at once and for ever; requests that run through it fail

  --data DIR         work on the files of the first node in this folder, whether it runs or not; for list and remove
  --url URL          the first node's API [http://127.0.0.1:8420]
  --api-key-file F   a file with the key to send [the variable ORRERY_API_KEY, if it is set]
  --wait TIME        drain: how long to wait until the node has left, such as 30s or 5m [1m]
  --all              list: removed nodes too
  --json             print JSON
  --help             print this

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

/** Milliseconds in which the node must answer. */
const ANSWER_MS = 15_000;
/** Milliseconds between two looks at whether a node has left. */
const LOOK_MS = 500;
const WAIT = { min: 1_000, max: 24 * 3600_000 };

const rowSchema = z.object({
  name: z.string(),
  node: z.string(),
  identity: z.string(),
  state: z.string(),
  health: z.string().nullable(),
  why: z.string().nullable(),
  first: z.boolean(),
  address: z.string().nullable(),
  layers: z.array(z.tuple([z.number(), z.number()])),
  since: z.string(),
  certificate_s: z.number().nullable(),
});
type ListedNode = z.infer<typeof rowSchema>;

type Target = Pick<ApiCall, "url" | "key">;

async function nodes(args: string[]): Promise<number> {
  const { values, positionals } = readArgs({
    args,
    allowPositionals: true,
    options: {
      url: { type: "string" },
      data: { type: "string" },
      "api-key-file": { type: "string" },
      wait: { type: "string" },
      all: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return exitCodes.ok;
  }
  const [given = "list", name, ...rest] = positionals;
  const verb = given === "list" ? undefined : given;
  if (rest.length > 0 || (verb === undefined && name !== undefined)) {
    throw new UsageError(`unexpected ${JSON.stringify(rest[0] ?? name)}`);
  }
  if (verb !== undefined && verb !== "drain" && verb !== "remove") {
    throw new UsageError(`nodes takes list, drain or remove, got ${JSON.stringify(verb)}`);
  }
  if (verb !== undefined && !name) throw new UsageError(`${verb} takes the NAME of a node`);
  if (verb !== "drain" && values.wait !== undefined) throw new UsageError("--wait is for drain");
  if (verb !== undefined && values.all) throw new UsageError("--all is for the list");
  const { json, all, data, url = "http://127.0.0.1:8420" } = values;
  if (data !== undefined) {
    if (verb === "drain") {
      throw new UsageError("a running first node drains nodes: --data is not for it");
    }
    if ((values.url ?? values["api-key-file"]) !== undefined) {
      throw new UsageError("--data asks no API: --url and --api-key-file are not for it");
    }
    if (verb === "remove") await removeInFiles(data, name, json);
    else await listFiles(data, { json, all });
    return exitCodes.ok;
  }
  const target = { url: urlOption("url", url), key: clientKey(values["api-key-file"]) };
  if (verb === undefined) return await list(target, { json, all });
  if (verb === "remove") return await remove(target, name, json);
  const waitMs = durationOption("wait", values.wait, WAIT) ?? 60_000;
  return await drain(target, name, { waitMs, json });
}

async function list(target: Target, { json, all }: { json: boolean; all: boolean }) {
  const rows = (await readNodes(target)).filter(({ state }) => all || state !== "removed");
  if (json) console.log(JSON.stringify(rows, null, 2));
  else {
    const head = ["NAME", "STATE", "LAYERS", "ADDRESS", "SINCE", "CERTIFICATE", "ID"];
    console.log(table([head.map((cell) => pc.bold(cell)), ...rows.map(cells)]));
    for (const { node, health, why } of rows) {
      if (why !== null) console.log(`${node} is ${healthWord(health)}: ${why}`);
    }
  }
  return exitCodes.ok;
}

function cells(row: ListedNode): string[] {
  const { name, state, health, first, layers, address, since, certificate_s: seconds, node } = row;
  const shown = health === null || health === "alive" ? state : `${state}, ${healthWord(health)}`;
  return [
    name,
    first ? `${state} (first)` : shown,
    layers.map(([a, b]) => a === b ? `${a}` : `${a}-${b}`).join(", ") || "-",
    address ?? "-",
    since.slice(0, 16).replace("T", " "),
    seconds === null ? "-" : timeLeft(seconds),
    node,
  ];
}

/** `bad_link` in words. */
const healthWord = (health: string | null): string => (health ?? "").replace("_", " ");

const timeLeft = (s: number): string =>
  s >= 3600 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 60)} min`;

async function drain(
  target: Target,
  name: string,
  { waitMs, json }: { waitMs: number; json: boolean },
): Promise<number> {
  const path = `/api/nodes/${encodeURIComponent(name)}/drain`;
  const row = await read(rowSchema, { ...target, method: "POST", path });
  if (!json) console.log(`${row.node} drains: it finishes its requests and hands its layers back`);
  const deadline = performance.now() + waitMs;
  while (performance.now() < deadline) {
    const now = (await readNodes(target)).find(({ identity }) => identity === row.identity);
    // A supervisor may have started it again: then it is another life of the same node.
    if (now && (now.state === "away" || now.node !== row.node)) {
      console.log(json ? JSON.stringify(now) : `${row.node} has left`);
      return exitCodes.ok;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  console.error(
    `error: ${row.node} has not left after ${waitMs / 1e3} s and still drains; ` +
      "`deno task nodes` shows when it is away",
  );
  return exitCodes.failed;
}

async function remove(target: Target, name: string, json: boolean): Promise<number> {
  const path = `/api/nodes/${encodeURIComponent(name)}`;
  const row = await read(rowSchema, { ...target, method: "DELETE", path });
  console.log(
    json ? JSON.stringify(row) : `removed ${row.node}: it never counts again under its identity`,
  );
  return exitCodes.ok;
}

const readNodes = async (target: Target): Promise<ListedNode[]> =>
  (await read(z.object({ nodes: z.array(rowSchema) }), { ...target, path: "/api/nodes" })).nodes;

async function read<T>(schema: z.ZodType<T>, call: Omit<ApiCall, "signal">): Promise<T> {
  const response = await callApi({ ...call, signal: AbortSignal.timeout(ANSWER_MS) });
  const { data, success } = schema.safeParse(await response.json().catch(() => undefined));
  if (success) return data;
  throw failed("broken_answer", `${call.url} answered ${call.path} with something else than nodes`);
}

if (import.meta.main) await runCommand(nodes);
