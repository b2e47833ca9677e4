/**
 * The log of any node of the cluster, as any other node can tell it.
 *
 * @module
 */
import {
  type ActorSystem,
  type LogPage,
  logPageSchema,
  type LogQuery,
  memberActor,
} from "../actors/mod.ts";
import type { LogsOf } from "./api/mod.ts";
import type { Membership } from "./cluster/mod.ts";
import { nodeCalled } from "./nodes_admin.ts";

/** Milliseconds in which another node must tell. */
const TELL_MS = 5_000;

/** What is asked for a log. */
export interface ClusterLogsOptions {
  system: Pick<ActorSystem, "get" | "node">;
  membership: Pick<Membership, "status">;
  /** This node's own records. */
  own: (query: LogQuery) => LogPage;
}

/** What a process tells that keeps no records. */
export const noLogs = (): LogPage => ({ records: [], next: 0, lost: 0 });

/** Tells the log of a node by its id, its name or name:port; without one that of this node. */
export function clusterLogs({ system, membership, own }: ClusterLogsOptions): LogsOf {
  return async (name, query) => {
    const node = name === undefined ? system.node : await idOf(name);
    if (node === system.node) return { node, ...own(query) };
    const told = await system.get(memberActor, node).logs(query, { deadlineMs: TELL_MS });
    return { node, ...logPageSchema.parse(told) };
  };

  async function idOf(name: string): Promise<string> {
    if (name === system.node) return name;
    const { members } = await membership.status();
    const rows = members.map(({ node }) => ({ node, name: node.split(":")[0], identity: "" }));
    return nodeCalled(rows, name).node;
  }
}
