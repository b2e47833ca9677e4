/**
 * The health of nodes as a watch sees it, and what a watch does to the world.
 *
 * @module
 */
import type { DetectorOptions } from "./detector.ts";

/** What another node says about a node: whether it answers a ping, refuses connections or neither. */
export type Reach = "reached" | "refused" | "silent";

/** State of a watched node (`node_watch.ts` tells how one follows the other). `back`: it was suspect or dead, and is alive. */
export type NodeHealthState = "alive" | "suspect" | "bad_link" | "back";

/** What is known of a watched node. */
export interface NodeHealth {
  /** Id of the node. */
  node: string;
  /** Its state. */
  state: NodeHealthState;
  /** Why it is in this state; "": it is alive. */
  why: string;
  /** Milliseconds since something came from it. */
  silent_ms: number;
  /** The link that does not work, while the state is `bad_link`. */
  link?: { from: string; to: string };
}

/** The silence of a watched node. */
export interface Silence {
  /** How long it is, without the time for which the observer was late; milliseconds. */
  ms: number;
  /** How unusual it is, see `detector.ts`. */
  phi: number;
  /** What came within so many milliseconds may not have been read, since the observer lags; 0: it does not. */
  readingMs: number;
}

/** A change of a node's state. */
export interface HealthChange {
  /** Id of the node. */
  node: string;
  /** The state before. */
  from: NodeHealthState;
  /** `alive` is not told: it follows `back` after a while. */
  to: "suspect" | "bad_link" | "back" | "dead";
  /** Why. */
  why: string;
}

/** What this machine knows of other nodes: the mailbox sees all that comes from them. */
export interface NodeView {
  /** Milliseconds since anything came from this node; undefined: nothing has, or nobody counts. */
  silentMs(node: string): number | undefined;
  /** Whether the node's machine says that nobody listens at the node's address. */
  refuses(node: string, deadlineMs: number): Promise<boolean>;
}

/** What a node watch does to the world. */
export interface WatchWorld extends NodeView {
  /** Id of this node. */
  readonly self: string;
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls `fn` once after `ms`; the returned function cancels. */
  after(ms: number, fn: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
  /** Asks the node for an answer; rejects where none comes in time. */
  ping(node: string, deadlineMs: number): Promise<unknown>;
  /**
   * Asks another node about a node, which it tries to reach for `withinMs`; rejects where no answer
   * comes.
   */
  reach(voter: string, node: string, withinMs: number): Promise<Reach>;
  /** The nodes that may be asked about a node. */
  voters(node: string): string[];
  /** Called at the end of each look at all nodes. */
  looked?(): void;
  /** Told of each change. A dead node is no longer watched. */
  changed(change: HealthChange): void;
}

/** Milliseconds, unless said otherwise. */
export interface WatchOptions extends DetectorOptions {
  /** A node is pinged at the latest after this time, whatever else it sends. */
  confirmMs: number;
  /** Time in which a ping must be answered; a late answer counts like any other sign of life. */
  pingMs: number;
  /** Time in which other nodes must say whether they reach a node whose connection broke. */
  voteMs: number;
  /**
   * The same for a node that is silent: as long as a slow link may take, and short enough to end
   * before `deadMs`.
   */
  silentVoteMs: number;
  /** Time between two rounds of questions about the same node. */
  roundMs: number;
  /** Number of other nodes that are asked in a round. */
  voters: number;
  /** Time for which a node that is alive again counts as `back`. */
  backMs: number;
}

/** What holds unless something else is said; docs/cluster.md explains the numbers. */
export const WATCH_DEFAULTS: Readonly<WatchOptions> = {
  heartbeatMs: 500,
  tickMs: 250,
  suspectMs: 1_500,
  deadMs: 5_000,
  mostMs: 30_000,
  confirmMs: 2_000,
  pingMs: 10_000,
  voteMs: 1_500,
  silentVoteMs: 3_250,
  roundMs: 1_000,
  voters: 3,
  backMs: 60_000,
};
