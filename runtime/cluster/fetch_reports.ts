/**
 * Tells how far this node is with fetching weights: the first node, and whoever asks whether this
 * node is ready.
 *
 * @module
 */
import { type ActorSystem, CLUSTER, clusterActor, fetchText } from "../../actors/mod.ts";
import type { FetchProgress } from "../weights/mod.ts";

/** Milliseconds between two reports to the first node. */
const REPORT_MS = 2_000;
/** Milliseconds in which a report must have found its place; another one follows. */
const DEADLINE_MS = 2_000;

/** Who is told. */
export interface FetchListeners {
  /** Reaches the first node. */
  system: Pick<ActorSystem, "at" | "node">;
  /** Says that it is fetched while nothing is served; undefined: it is over. */
  gateway: { fetching?: string };
  /** Told of each step, those of copies in the background too; undefined: the fetch is over. */
  show?: (progress: FetchProgress | undefined) => void;
}

/** Returns what is to be called with each step of a fetch, and with undefined when it is over. */
export function fetchReports(
  { system, gateway, show }: FetchListeners,
): (progress: FetchProgress | undefined) => void {
  let reportedAt = -Infinity;
  return (progress) => {
    show?.(progress);
    if (progress?.background) return; // nobody waits for it
    const facts = progress && {
      done_bytes: progress.doneBytes,
      total_bytes: progress.totalBytes,
      bytes_per_s: progress.bytesPerS,
      peers: progress.peers,
    };
    gateway.fetching = facts &&
      `node ${system.node} fetches ${progress.model}, ${fetchText(facts)}`;
    const now = performance.now();
    if (!facts || now - reportedAt < REPORT_MS) return;
    reportedAt = now;
    // One that is lost is followed by another.
    void system.at(clusterActor, CLUSTER).tell
      .fetching({ node: system.node, ...facts }, { deadlineMs: DEADLINE_MS })
      .catch(() => {});
  };
}
