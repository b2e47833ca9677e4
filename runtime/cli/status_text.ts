/**
 * The text of `status`: one screen that says how a cluster is. No question is asked here.
 *
 * @module
 */
import pc from "picocolors";
import { z } from "zod";
import { type KeptRecord, nodeVitalsSchema } from "../../actors/mod.ts";
import { asCalled } from "./as_called.ts";
import { type DeploymentRow, deploymentsTable } from "./deployments_client.ts";
import { recordLine } from "./logs_client.ts";
import { humanBytes } from "./progress.ts";
import { table } from "./table.ts";

/** What `GET /api/cluster` answers, as far as it is shown. */
export const clusterSchema = z.object({
  node: z.string(),
  coordinator: z.string().nullable(),
  reason: z.string(),
  members: z.array(z.object({
    node: z.string(),
    host: z.string(),
    port: z.number(),
    first: z.boolean(),
    health: z.string(),
    why: z.string().nullable(),
    vitals: nodeVitalsSchema.nullable(),
    vitals_why: z.string().nullable(),
  })),
  deployment: z.looseObject({
    model: z.string(),
    stages: z.array(z.object({ node: z.string(), first: z.number(), last: z.number() })),
  }).nullable(),
});

/** See {@linkcode clusterSchema}. */
export type ClusterView = z.infer<typeof clusterSchema>;

/** A record of a node's log. */
export interface RecordAtNode extends KeptRecord {
  node: string;
}

/** All that `status` shows. */
export interface StatusView {
  cluster: ClusterView;
  deployments: DeploymentRow[];
  /** What is wrong now. */
  problems: string[];
  /** The last warnings and errors of all nodes, the oldest first. */
  records: RecordAtNode[];
}

/** What is wrong with a cluster now, one sentence each. */
export function currentProblems(
  { reason, deployment, coordinator, members }: ClusterView,
  deployments: readonly DeploymentRow[],
): string[] {
  const open = deployments.flatMap(({ name, copies }) =>
    copies.filter(({ state }) => state === "failed" || state === "waiting")
      .map(({ copy, state, reason }) => `${name}, copy ${copy}, ${state}: ${reason}`)
  );
  return [
    ...(coordinator === null ? ["no node coordinates: the cluster cannot change"] : []),
    ...(deployment === null && open.length === 0 && deployments.length === 0
      ? [`nothing is served: ${reason}`]
      : []),
    ...open,
    ...members.filter(({ health }) => health !== "alive" && health !== "back")
      .map(({ node, health, why }) => `${node} is ${health.replace("_", " ")}: ${why}`),
    ...members.filter(({ vitals }) => vitals === null)
      .map(({ node, vitals_why }) => `${node} does not tell what it is at: ${vitals_why}`),
  ];
}

/** The whole screen. */
export function statusText({ cluster, deployments, problems, records }: StatusView): string {
  const { members, deployment, reason } = cluster;
  const running = members.reduce((sum, { vitals }) => sum + (vitals?.requests.running ?? 0), 0);
  const waiting = members.reduce((sum, { vitals }) => sum + (vitals?.requests.waiting ?? 0), 0);
  const nodes = [
    ["NODE", "HEALTH", "LAYERS", "RESIDENT", "GIVEN TO STAGES", "REQUESTS", "SLOWEST LINK"].map((
      cell,
    ) => pc.bold(cell)),
    ...members.map((member) => memberCells(member, deployment?.stages ?? [])),
  ];
  const heading = `${members.length} node${members.length === 1 ? "" : "s"}, ` +
    `${running} request${running === 1 ? "" : "s"} running, ${waiting} waiting` +
    (deployment === null && reason !== "" ? `; ${reason}` : "");
  return [
    problems.length === 0 ? `${pc.green("ok")} ${heading}` : `${pc.red("problems")} ${heading}`,
    ...(problems.length > 0 ? [problems.map((text) => `  ${asCalled(text)}`).join("\n")] : []),
    table(nodes),
    ...(deployments.length > 0 ? [deploymentsTable(deployments)] : []),
    ...(records.length > 0
      ? [[pc.bold("last warnings"), ...records.map(nodeRecordLine)].join("\n")]
      : []),
  ].join("\n\n");
}

const nodeRecordLine = (record: RecordAtNode): string => `  ${record.node} ${recordLine(record)}`;

function memberCells(
  { node, first, health, vitals }: ClusterView["members"][number],
  stages: readonly { node: string; first: number; last: number }[],
): string[] {
  const layers = stages.filter((stage) => stage.node === node)
    .map((s) => s.first === s.last ? `${s.first}` : `${s.first}-${s.last}`).join(", ");
  const slowest = Math.max(...(vitals?.links ?? []).map((link) => link.round_trip_ms ?? -1), -1);
  return [
    first ? `${node} (first)` : node,
    health.replace("_", " "),
    layers || "-",
    vitals ? humanBytes(vitals.memory.resident_bytes) : "?",
    vitals ? humanBytes(vitals.memory.stages_bytes) : "?",
    vitals ? `${vitals.requests.running} + ${vitals.requests.waiting} waiting` : "?",
    slowest < 0 ? "-" : `${slowest.toFixed(1)} ms`,
  ];
}
