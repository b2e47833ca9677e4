/**
 * `deno task nodes`: lists, drains and removes the nodes of a cluster, by the API of its first node
 * or, where no node is to be asked, by what the cluster keeps in files or in a registry; and makes
 * another node the first one.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { z } from "zod";
import { clientKey } from "../access/mod.ts";
import type { LinkCheck } from "../../actors/mod.ts";
import { type ApiCall, readApi } from "./api_call.ts";
import { durationOption, readFlags, registryOption, urlOption } from "./args.ts";
import { NODES } from "./commands/mod.ts";
import { linkTable } from "./doctor_text.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { PROGRAM } from "./program_name.ts";
import { waitingFor } from "./progress.ts";
import { listKept, removeKept } from "./kept_nodes.ts";
import { table } from "./table.ts";

/** Milliseconds in which the node must answer. */
const ANSWER_MS = 15_000;
/** Milliseconds that a node has to become the first one once it has the votes. */
const PROMOTED_MS = 60_000;
/** Milliseconds between two looks at whether a node has left. */
const LOOK_MS = 500;
const WAIT = { min: 1_000, max: 24 * 3600_000 };
const PROMOTE_WAIT = { min: 1_000, max: 10 * 60_000 };

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
  links: z.array(z.object({ to: z.string(), latency_ms: z.number(), mbit_per_s: z.number() }))
    .default([]), // a node of an earlier program does not tell
});
type ListedNode = z.infer<typeof rowSchema>;

type Target = Pick<ApiCall, "url" | "key">;

async function nodes(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(NODES, args);
  if (!values) return printHelp(NODES);
  const [given = "list", name, ...rest] = positionals;
  const verb = given === "list" ? undefined : given;
  if (rest.length > 0 || (verb === undefined && name !== undefined)) {
    throw new UsageError(`unexpected ${JSON.stringify(rest[0] ?? name)}`);
  }
  if (verb !== undefined && verb !== "drain" && verb !== "remove" && verb !== "promote") {
    throw new UsageError(`nodes takes list, drain, remove or promote, got ${JSON.stringify(verb)}`);
  }
  if (verb === "promote" && name !== undefined) {
    throw new UsageError(
      `promote takes no NAME, got ${JSON.stringify(name)}: name the node to promote by --url`,
    );
  }
  if (verb !== undefined && verb !== "promote" && !name) {
    throw new UsageError(`${verb} takes the NAME of a node`);
  }
  if (verb !== "drain" && verb !== "promote" && values.wait !== undefined) {
    throw new UsageError("--wait is for drain and promote");
  }
  if (verb !== undefined && values.all) throw new UsageError("--all is for the list");
  const { json, all, links, data, url = "http://127.0.0.1:8420" } = values;
  const registry = registryOption(values.registry);
  if (links && (verb !== undefined || data !== undefined || registry !== undefined)) {
    throw new UsageError("--links is for the list that a running node gives");
  }
  if (data !== undefined || registry !== undefined) {
    const option = registry === undefined ? "--data" : "--registry";
    if (verb === "drain" || verb === "promote") {
      throw new UsageError(`a running node does ${verb}: ${option} is not for it`);
    }
    if ((values.url ?? values["api-key-file"]) !== undefined) {
      throw new UsageError(`${option} asks no API: --url and --api-key-file are not for it`);
    }
    const place = { data: data ?? ".orrery", registry };
    if (verb === "remove") await removeKept(place, name, json);
    else await listKept(place, { json, all });
    return exitCodes.ok;
  }
  const target = { url: urlOption("url", url), key: clientKey(values["api-key-file"]) };
  if (verb === undefined) return await list(target, { json, all, links });
  if (verb === "remove") return await remove(target, name, json);
  if (verb === "promote") {
    const promoteMs = durationOption("wait", values.wait, PROMOTE_WAIT) ?? 120_000;
    return await waitingFor("waiting for votes", promote(target, promoteMs, json));
  }
  const waitMs = durationOption("wait", values.wait, WAIT) ?? 60_000;
  return await waitingFor("draining", drain(target, name, { waitMs, json }));
}

async function list(
  target: Target,
  { json, all, links }: { json: boolean; all: boolean; links: boolean },
) {
  const rows = (await readNodes(target)).filter(({ state }) => all || state !== "removed");
  if (json) console.log(JSON.stringify(rows, null, 2));
  else {
    const head = ["NAME", "STATE", "LAYERS", "ADDRESS", "SINCE", "CERTIFICATE", "ID"];
    console.log(table([head.map((cell) => pc.bold(cell)), ...rows.map(cells)]));
    for (const { node, health, why } of rows) {
      if (why !== null) console.log(`${node} is ${healthWord(health)}: ${why}`);
    }
    if (links) console.log(`\n${linksText(rows)}`);
  }
  return exitCodes.ok;
}

/** The links between the nodes, one line for both directions. */
export function linksText(rows: Pick<ListedNode, "node" | "links">[]): string {
  const checks = rows.flatMap(({ node, links }) =>
    links.flatMap(({ to, latency_ms, mbit_per_s }): LinkCheck[] => {
      const back = rows.find((row) => row.node === to)?.links.find((link) => link.to === node);
      if (back && node > to) return [];
      const rate = (mbit: number) => mbit * 1e6 / 8;
      return [{
        ...{ state: "measured", from: node, to, seconds: latency_ms / 1000 },
        bytes_per_s: rate(mbit_per_s),
        bytes_per_s_back: rate(back?.mbit_per_s ?? mbit_per_s),
      }];
    })
  );
  return checks.length > 0
    ? linkTable(checks)
    : "no links are known: they are measured where a plan places layers on several nodes";
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
      `\`${PROGRAM} nodes\` shows when it is away`,
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

async function promote(target: Target, waitMs: number, json: boolean): Promise<number> {
  if (!json) {
    console.log(
      "asking the members for their votes, once they have missed the first node for long",
    );
  }
  const path = `/api/nodes/promote?wait_ms=${waitMs}`;
  const schema = z.object({ node: z.string(), epoch: z.number() });
  const made = await read(schema, { ...target, method: "POST", path }, waitMs + PROMOTED_MS);
  console.log(
    json
      ? JSON.stringify(made)
      : `${made.node} is the first node of its cluster now, in epoch ${made.epoch}; the others follow. ` +
        `Make tokens with \`${PROGRAM} token create\` there. ` +
        "Start the old first node again where it can be: it becomes a member",
  );
  return exitCodes.ok;
}

const readNodes = async (target: Target): Promise<ListedNode[]> =>
  (await read(z.object({ nodes: z.array(rowSchema) }), { ...target, path: "/api/nodes" })).nodes;

/** What to do where the answer is late. A request that changes something may have been made. */
function lateHint(method: string | undefined): string {
  const busy = "the node stands still or is very busy; ";
  if (method === undefined) return `${busy}look at its log, and try again`;
  return `${busy}it may still do it: see with \`${PROGRAM} nodes\`, before you try again`;
}

const read = <T>(
  schema: z.ZodType<T>,
  call: Omit<ApiCall, "signal">,
  withinMs = ANSWER_MS,
): Promise<T> => readApi(call, { schema, what: "nodes", withinMs, late: lateHint(call.method) });

if (import.meta.main) await runCommand(nodes);
