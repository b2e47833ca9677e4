/**
 * `deno task status`: how the cluster is, on one screen.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { clientKey } from "../access/mod.ts";
import { type ApiCall, readApi } from "./api_call.ts";
import { readFlags, urlOption } from "./args.ts";
import { STATUS } from "./commands/mod.ts";
import { readDeployments } from "./deployments_client.ts";
import { exitCodes, runCommand } from "./fail.ts";
import { readLogs } from "./logs_client.ts";
import { printHelp } from "./print_help.ts";
import { waitingFor } from "./progress.ts";
import {
  clusterSchema,
  currentProblems,
  type RecordAtNode,
  statusText,
  type StatusView,
} from "./status_text.ts";

/** Milliseconds in which the node must answer; it asks each member for a second at most. */
const ANSWER_MS = 15_000;
/** Nodes whose logs are asked for. */
const MOST_NODES = 16;
/** Records that are shown. */
const RECORDS = 6;

async function status(args: string[]): Promise<number> {
  const { values } = readFlags(STATUS, args);
  if (!values) return printHelp(STATUS);
  const target = { url: urlOption("url", values.url), key: clientKey(values["api-key-file"]) };
  const view = await waitingFor("asking every node", readStatus(target));
  console.log(values.json ? JSON.stringify(view, null, 2) : statusText(view));
  return view.problems.length === 0 ? exitCodes.ok : exitCodes.failed;
}

/** What there is to show, as the nodes tell it. */
async function readStatus(target: Pick<ApiCall, "url" | "key">): Promise<StatusView> {
  const cluster = await readApi({ ...target, path: "/api/cluster" }, {
    schema: clusterSchema,
    what: "a cluster",
    withinMs: ANSWER_MS,
    late: "the node stands still or is very busy; look at its log",
  });
  // Where nobody coordinates, the deployments are not known: that is among the problems.
  const deployments = cluster.coordinator === null ? [] : await readDeployments(target);
  const records = await lastRecords(target, cluster.members.map(({ node }) => node));
  return { cluster, deployments, problems: currentProblems(cluster, deployments), records };
}

/** The last warnings and errors of these nodes; a node that does not tell has none. */
async function lastRecords(
  target: Pick<ApiCall, "url" | "key">,
  nodes: readonly string[],
): Promise<RecordAtNode[]> {
  const told = await Promise.allSettled(
    nodes.slice(0, MOST_NODES).map((node) =>
      readLogs(target, { node, level: "warning", limit: RECORDS })
    ),
  );
  return told.flatMap((page) =>
    page.status === "rejected"
      ? []
      : page.value.records.map((record) => ({ node: page.value.node, ...record }))
  ).sort((a, b) => a.time_ms - b.time_ms).slice(-RECORDS);
}

if (import.meta.main) await runCommand(status);
