/**
 * What becomes of a node's requests when another node is gone.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  arbiterAddress,
  servingNodes,
  type WireError,
} from "../../actors/mod.ts";
import { soloKey } from "./routes.ts";
import type { RunningRequests } from "./running_requests.ts";

/** Fails the requests that have a stage at `node`, which is gone; those of whole models go on. */
export function failRequestsThrough(
  node: string,
  system: ActorSystem,
  running: RunningRequests,
): void {
  soloLost(node, system, running);
  for (const [to, { deployment }] of running.entries()) {
    if (!servingNodes(deployment).includes(node)) continue;
    const error = lost(node, "ran a stage of this generation");
    // It fails where the generation has just ended by itself.
    void system.tell(to, { type: "failed", error }).catch(() => {});
  }
}

/** Tells the arbiters of whole models at `node` that these are gone: requests go on elsewhere. */
function soloLost(node: string, system: ActorSystem, running: RunningRequests): void {
  const deployments = new Set(running.values().map((r) => r.deployment));
  for (const { id, solo } of deployments) {
    if (solo?.node !== node) continue;
    const error = lost(node, "has the whole model");
    const arbiter = system.at(arbiterActor, arbiterAddress(id, soloKey(system.node)));
    void arbiter.tell.lost({ error }).catch(() => {}); // it runs nothing
  }
}

const lost = (node: string, what: string): WireError => ({
  group: "cluster",
  code: "node_lost",
  message: `node ${node}, which ${what}, is gone`,
  metadata: { node },
});
