/**
 * Has the cluster examined, and judges what was found.
 *
 * @module
 */
import {
  type ActorSystem,
  CHECKUP_MS,
  type CheckupReport,
  checkupSchema,
  CLUSTER,
  clusterActor,
  EXAMINE_MS,
  type Examiner,
  type Member,
  toOrreryError,
} from "../../actors/mod.ts";
import { findProblems } from "./find_problems.ts";
import type { DoctorReport, Problem } from "./report.ts";

/** Milliseconds in which the cluster actor must say that it is there. */
const STATUS_MS = 3_000;
/** Milliseconds that a checkup's answer may be late. */
const SLACK_MS = 5_000;

/** Options of {@linkcode clusterDoctor}. */
export interface ClusterDoctorOptions {
  system: Pick<ActorSystem, "at" | "node">;
  /** Examines this node where the cluster actor does not answer. */
  examiner: Examiner;
  /** The other members as this node knows them: those of the deployment that it serves. */
  known: () => Member[];
}

/**
 * Returns what makes a report. It takes as long as a checkup, `CHECKUP_MS` at most, and never
 * rejects because a node does not answer: that is a problem in the report.
 */
export function clusterDoctor(
  { system, examiner, known }: ClusterDoctorOptions,
): () => Promise<DoctorReport> {
  /** This node alone, which always answers. */
  async function alone(): Promise<CheckupReport> {
    const peers = known().filter(({ node }) => node !== system.node);
    const examination = await examiner.examine(peers, AbortSignal.timeout(EXAMINE_MS));
    return { nodes: [{ node: system.node, state: "examined", examination }], links: [] };
  }

  return async () => {
    const cluster = system.at(clusterActor, CLUSTER);
    let report: CheckupReport;
    const more: Problem[] = [];
    try {
      await cluster.status({}, { deadlineMs: STATUS_MS });
      const answer = await cluster.check_up({}, { deadlineMs: CHECKUP_MS + SLACK_MS });
      report = checkupSchema.parse(answer);
      if (!report.nodes.some(({ node }) => node === system.node)) {
        report.nodes.push(...(await alone()).nodes);
        more.push({
          node: system.node,
          about: "membership",
          what: "it is no member of the cluster at the moment",
          remedy: "it joins again by itself within seconds; else its log says why not",
        });
      }
    } catch (error) {
      report = await alone();
      more.push({
        node: system.node,
        about: "cluster",
        what: `the node that leads the cluster does not answer: ${toOrreryError(error).message}`,
        remedy: "start the first node again: the others join it by themselves. Until then only " +
          "this node was examined",
      });
    }
    const problems = [...more, ...findProblems(report)];
    return { ok: problems.length === 0, asked: system.node, ...report, problems };
  };
}
