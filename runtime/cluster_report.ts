/**
 * The cluster as any of its nodes can tell of it, for `GET /api/cluster`: who is a member and how,
 * what each member is at, and what serves.
 *
 * @module
 */
import {
  type ActorSystem,
  type ClusterStatus,
  type Member,
  memberActor,
  type NodeVitals,
  nodeVitalsSchema,
  toOrreryError,
} from "../actors/mod.ts";
import type { Membership } from "./cluster/mod.ts";

/** Milliseconds in which a member must say what it is at. */
const VITALS_MS = 1_000;
/** A report is given to everybody who asks within so many milliseconds. */
const FRESH_MS = 400;
/** Members that are asked what they are at; of more, the others stand without. */
const MOST_ASKED = 64;

/** What is asked for a report. */
export interface ClusterReporterOptions {
  system: Pick<ActorSystem, "get" | "node">;
  membership: Pick<Membership, "status" | "coordinator">;
}

/** A member in a report. */
export interface ReportedMember extends Member {
  /** Whether it coordinates. */
  first: boolean;
  /** How well the first node reaches it, and why if it is not `alive`. */
  health: "alive" | "suspect" | "bad_link" | "back";
  why: string | null;
  /** What it is at; null: it did not tell in time, and `vitals_why` says why. */
  vitals: NodeVitals | null;
  vitals_why: string | null;
}

/** What `GET /api/cluster` answers. */
export interface ClusterReport {
  /** Id of the node that was asked, and of the one that coordinates; null: nobody does. */
  node: string;
  coordinator: string | null;
  /** What the cluster is doing, or why nothing serves; "": nothing special. */
  reason: string;
  members: ReportedMember[];
  /** What serves as the default, without its plan; null: nothing. */
  deployment: Omit<NonNullable<ClusterStatus["deployment"]>, "plan" | "shape" | "members"> | null;
}

/** Makes reports; questions that come at about the same time get the same one. */
export function clusterReporter(options: ClusterReporterOptions): () => Promise<ClusterReport> {
  let last: { at: number; report: Promise<ClusterReport> } | undefined;
  return () => {
    const now = performance.now();
    if (last && now - last.at < FRESH_MS) return last.report;
    const report = clusterReport(options);
    const made = last = { at: Infinity, report };
    // It counts from its end: while it is made, everybody waits for the same.
    report.then(() => made.at = performance.now(), () => last = undefined);
    return report;
  };
}

async function clusterReport(
  { system, membership }: ClusterReporterOptions,
): Promise<ClusterReport> {
  const { members, deployment, reason, health } = await membership.status();
  const coordinator = membership.coordinator?.node ?? null;
  const vitals = async (node: string): Promise<Pick<ReportedMember, "vitals" | "vitals_why">> => {
    try {
      const told = await system.get(memberActor, node).vitals({}, { deadlineMs: VITALS_MS });
      return { vitals: nodeVitalsSchema.parse(told), vitals_why: null };
    } catch (error) {
      return { vitals: null, vitals_why: toOrreryError(error).message };
    }
  };
  const notAsked = { vitals: null, vitals_why: `only ${MOST_ASKED} members are asked` };
  const rows = members.map(async (member, at): Promise<ReportedMember> => {
    const known = health.find(({ node }) => node === member.node);
    return {
      ...member,
      first: member.node === coordinator,
      health: known?.state ?? "alive",
      why: known?.why || null,
      ...(at < MOST_ASKED ? await vitals(member.node) : notAsked),
    };
  });
  let served: ClusterReport["deployment"] = null;
  if (deployment) {
    const { plan: _plan, shape: _shape, members: _members, ...rest } = deployment;
    served = rest;
  }
  return {
    node: system.node,
    coordinator,
    reason,
    members: await Promise.all(rows),
    deployment: served,
  };
}
