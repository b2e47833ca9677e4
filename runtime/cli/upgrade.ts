/**
 * `deno task upgrade`: which version each node runs, and how the cluster is brought up to date, step
 * by step. No program is replaced: the nodes are on other machines.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { z } from "zod";
import { clientKey } from "../access/mod.ts";
import { type DoctorReport, doctorReportSchema } from "../doctor/mod.ts";
import { PROTOCOL } from "../mailbox/mod.ts";
import { VERSION } from "../version.ts";
import { readApi } from "./api_call.ts";
import { readFlags, urlOption } from "./args.ts";
import { UPGRADE } from "./commands/mod.ts";
import { exitCodes, runCommand } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { PROGRAM } from "./program_name.ts";
import { waitingFor } from "./progress.ts";
import { table } from "./table.ts";

/** Milliseconds in which the report must come: a checkup takes 42 s at most. */
const REPORT_MS = 60_000;

const coordinatorSchema = z.object({ coordinator: z.string().nullable() });

/** A node and the version that it runs. */
export interface NodeVersion {
  node: string;
  /** Whether it coordinates: it is brought up to date last. */
  first: boolean;
  /** Version of its program; null: it did not answer. */
  program: string | null;
  /** Versions of the protocol between nodes that it speaks; null: it did not answer. */
  protocol: { lowest: number; highest: number } | null;
  /** Whether it runs the version of this program. */
  current: boolean;
}

/** What a cluster runs beside what this program is. */
export interface UpgradeView {
  version: string;
  protocol: { lowest: number; highest: number };
  /** In the order in which they are brought up to date. */
  nodes: NodeVersion[];
}

/** The versions in a report, the first node last. `first`: its id, if it is known. */
export function versionsOf(report: Pick<DoctorReport, "nodes">, first?: string): UpgradeView {
  const nodes = report.nodes.map((told): NodeVersion => {
    const { program, protocol } = told.state === "examined"
      ? told.examination
      : { program: null, protocol: null };
    return {
      ...{ node: told.node, first: told.node === first, program, protocol },
      current: program === VERSION,
    };
  });
  return {
    version: VERSION,
    protocol: { lowest: PROTOCOL.lowest, highest: PROTOCOL.highest },
    nodes: nodes.toSorted((a, b) => Number(a.first) - Number(b.first)),
  };
}

/** The versions, and the steps that are left. */
export function upgradeText({ version, protocol, nodes }: UpgradeView, url: string): string {
  const speaks = (range: NodeVersion["protocol"]) =>
    range === null ? "?" : `${range.lowest} to ${range.highest}`;
  const rows = nodes.map(({ node, first, program, protocol, current }) => [
    first ? `${node} (first)` : node,
    program ?? "does not answer",
    speaks(protocol),
    current ? pc.green("up to date") : program === null ? pc.red("unknown") : "differs",
  ]);
  const shown = table([
    ["NODE", "VERSION", "PROTOCOL", ""].map((cell) => pc.bold(cell)),
    ...rows,
    ["this program", version, speaks(protocol), ""],
  ]);
  const left = nodes.filter(({ current }) => !current);
  if (left.length === 0) return `${shown}\n\nevery node runs ${version}: nothing is to be done`;
  const apart = left.filter(({ protocol: theirs }) =>
    theirs && (theirs.highest < protocol.lowest || theirs.lowest > protocol.highest)
  );
  return [
    shown,
    ...(apart.length > 0
      ? [
        `${
          apart.map(({ node }) => node).join(", ")
        } cannot speak with nodes of version ${version}: go by way of a version between them`,
      ]
      : []),
    [pc.bold("one node at a time; others answer meanwhile:"), ...stepsOf(left, url)].join("\n"),
  ].join("\n\n");
}

function stepsOf(left: readonly NodeVersion[], url: string): string[] {
  const at = url === UPGRADE.flags.url.preset ? "" : ` --url ${url}`;
  return left.flatMap(({ node, first }, i) => [
    `${i + 1}. ${node}${first ? ", the first node, which comes last" : ""}`,
    first
      ? "   stop it (Ctrl-C or SIGTERM): it finishes its requests; members answer and wait for it"
      : `   ${PROGRAM} nodes drain ${node}${at}    # it finishes its requests and ends`,
    "   put the new program in place of the old one; keep its data folder",
    "   start it as before, with the same --data; it needs no token",
    `   ${PROGRAM} upgrade${at}    # it must be up to date before the next one`,
  ]);
}

async function upgrade(args: string[]): Promise<number> {
  const { values } = readFlags(UPGRADE, args);
  if (!values) return printHelp(UPGRADE);
  const url = urlOption("url", values.url);
  const target = { url, key: clientKey(values["api-key-file"]) };
  const late = "the node that was asked stands still or is very busy; ask another one with --url";
  const asking = readApi({ ...target, path: "/api/doctor", method: "POST" }, {
    ...{ schema: doctorReportSchema, what: "a report", withinMs: REPORT_MS, late },
  });
  const report = await waitingFor("asking every node", asking);
  const { coordinator } = await readApi({ ...target, path: "/api/cluster" }, {
    ...{ schema: coordinatorSchema, what: "a cluster", withinMs: REPORT_MS, late },
  });
  const view = versionsOf(report, coordinator ?? undefined);
  console.log(values.json ? JSON.stringify(view, null, 2) : upgradeText(view, url));
  return view.nodes.every(({ current }) => current) ? exitCodes.ok : exitCodes.failed;
}

if (import.meta.main) await runCommand(upgrade);
