/**
 * Asks nodes how fast they run a model.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  hasCode,
  type Member,
  memberActor,
  toOrreryError,
} from "../../actors/mod.ts";
import { type NodeProfile, nodeProfileSchema } from "../profile/mod.ts";

const log = getLogger(["orrery", "placement"]);

/** Milliseconds in which a node must measure itself. */
export const PROFILE_DEADLINE_MS = 300_000;
/** Milliseconds in which a node must answer with a profile that it has already. */
const KNOWN_DEADLINE_MS = 10_000;

/** What the members answered when they were asked for profiles. */
export interface Gathered {
  /** Profiles by node. */
  profiles: Map<string, NodeProfile>;
  /** Why a node has no profile, by node. */
  missing: Map<string, string>;
}

/** Options of {@linkcode gatherProfiles}. */
export interface GatherOptions {
  /** Name of the model, which is in this node's store. */
  model: string;
  signal: AbortSignal;
  /** Must nobody measure itself: one that has not is left out? */
  knownOnly: boolean;
}

/**
 * The log level for a measurement that failed: below a warning where it failed because its node left
 * or is lost, which membership logs, or because the node that asked for it stops.
 */
export function unmeasuredLevel(error: unknown, signal: AbortSignal): "debug" | "info" | "warn" {
  if (signal.aborted || hasCode(error, "fenced")) return "debug";
  return hasCode(error, "peer_lost") ? "info" : "warn";
}

/** Profiles of all members. Members with the same address share a machine and measure in turn. */
export async function gatherProfiles(
  system: Pick<ActorSystem, "get" | "node">,
  members: readonly Member[],
  { model, signal, knownOnly }: GatherOptions,
): Promise<Gathered> {
  const gathered: Gathered = { profiles: new Map(), missing: new Map() };
  const measure = async (node: string) => {
    try {
      const answer = await system.get(memberActor, node).profile(
        { model, source: system.node, known_only: knownOnly },
        { deadlineMs: knownOnly ? KNOWN_DEADLINE_MS : PROFILE_DEADLINE_MS, signal },
      );
      if (answer !== null) gathered.profiles.set(node, nodeProfileSchema.parse(answer));
    } catch (error) {
      const why = toOrreryError(error).message;
      gathered.missing.set(node, why);
      log[unmeasuredLevel(error, signal)](
        "node {node} could not be measured: {why}",
        { node, why },
      );
    }
  };
  const machines = Map.groupBy(members, (m) => m.host);
  await Promise.all([...machines.values()].map(async (sharing) => {
    for (const { node } of sharing) await measure(node);
  }));
  return gathered;
}
