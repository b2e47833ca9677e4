/**
 * A member's watch over the node with the cluster actor, over its mailbox and its actors.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  CoordinatorWatch,
  type HealthChange,
  memberActor,
  systemClock,
} from "../../actors/mod.ts";
import type { MailboxTransport } from "../mailbox/mod.ts";

const log = getLogger(["orrery", "cluster"]);

/** What a {@linkcode coordinatorWatch} needs. */
export interface CoordinatorWatchOptions {
  /** Reaches the cluster actor and other members. */
  system: ActorSystem;
  mailbox: Pick<MailboxTransport, "silentMs" | "refuses">;
  /** Ids of the members that this node knows. */
  members: () => string[];
  /** Called once after each `follow`: that node is gone or does not list this member. */
  lost: (why: string, node: string) => void;
}

/** See the module's text. */
export function coordinatorWatch(
  { system, mailbox, members, lost }: CoordinatorWatchOptions,
): CoordinatorWatch {
  const self = system.node;
  return new CoordinatorWatch({
    self,
    now: () => systemClock.now(),
    after: (ms, fn) => systemClock.after(ms, fn),
    random: Math.random,
    silentMs: (node) => mailbox.silentMs(node),
    refuses: (node, deadlineMs) => mailbox.refuses(node, deadlineMs),
    ping: (node, deadlineMs) => system.get(memberActor, node).ping({}, { deadlineMs }),
    reach: (voter, node, within_ms) =>
      system.get(memberActor, voter).reach({ node, within_ms }, { deadlineMs: 2 * within_ms }),
    voters: (node) => members().filter((member) => member !== node && member !== self),
    changed: logHealth,
    isListed: (deadlineMs) =>
      system.at(clusterActor, CLUSTER).listed({ node: self }, { deadlineMs }),
    lost,
  });
}

/** Logs a change of a node's health: one line. */
export function logHealth({ node, to, why }: HealthChange): void {
  const level = to === "back" ? "info" : "warn";
  log[level]("node {node} is {state}: {why}", { node, state: STATES[to], why });
}

const STATES: Record<HealthChange["to"], string> = {
  suspect: "suspect",
  bad_link: "behind a bad link",
  back: "back",
  dead: "dead",
};
