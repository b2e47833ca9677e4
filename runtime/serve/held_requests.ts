/**
 * Requests whose stages are at a node that is gone. Their arbiters hold them: they go on where the
 * deployment is repaired, and fail, to go on elsewhere, where it is given up.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  arbiterAddress,
  type Deployment,
  movedParts,
  servingNodes,
  type WireError,
} from "../../actors/mod.ts";
import type { Arbiters } from "./arbiters.ts";
import { soloKey } from "./routes.ts";
import type { RunningRequests } from "./running_requests.ts";

/** Options of {@linkcode HeldRequests}. */
export interface HeldRequestsOptions {
  /** Reaches the arbiters. */
  system: ActorSystem;
  arbiters: Arbiters;
  running: RunningRequests;
  /** The deployments that new requests may use. */
  serving: () => readonly Deployment[];
}

/** See the module's text. */
export class HeldRequests {
  readonly #o: HeldRequestsOptions;
  /** Deployments (ids) that were withdrawn while nothing else served, by their name. */
  readonly #withdrawn = new Map<string, string[]>();
  /** What has moved since arbiters were told last, by the id of the deployment. */
  readonly #moved = new Map<string, { stages: Set<number>; heads: Set<number> }>();

  /** Holds nothing yet. */
  constructor(options: HeldRequestsOptions) {
    this.#o = options;
  }

  /**
   * A node is gone: requests of deployments with a stage there are held, or fail where new ones do
   * not use the deployment any more. Requests on the whole model at that node go on elsewhere.
   */
  nodeLost(node: string): void {
    const { running, serving, system } = this.#o;
    const used = new Map(running.values().map(({ deployment }) => [deployment.id, deployment]));
    for (const deployment of used.values()) {
      const { id, solo } = deployment;
      if (solo?.node === node) {
        this.#lost(id, [soloKey(system.node)], lost(node, "has the whole model"));
      }
      if (!servingNodes(deployment).includes(node)) continue;
      const error = lost(node, "ran a stage of this generation");
      const held = serving().some((served) => served.id === id);
      this.#lost(id, this.#o.arbiters.keys(id), error, held);
    }
  }

  /**
   * This node knows another revision. Where one more follows before it is adopted, arbiters are told
   * of both: a stage that went away and came back has lost what it had.
   */
  learned(before: Deployment, after: Deployment): void {
    const { id } = after;
    const now = movedParts(before, after);
    if (now.stages.length + now.heads.length === 0) return;
    const { stages, heads } = this.#moved.get(id) ?? { stages: [], heads: [] };
    this.#moved.set(id, {
      stages: new Set([...stages, ...now.stages]),
      heads: new Set([...heads, ...now.heads]),
    });
  }

  /**
   * New requests of what has this name use `after` in place of `before`: another revision of it,
   * another deployment, or none for now. Without another one, those that run go on waiting.
   */
  served(name: string, before: Deployment | undefined, after: Deployment | undefined): void {
    if (before === after) return;
    if (before && before.id === after?.id) return this.#replaced(before, after);
    if (before) this.#moved.delete(before.id);
    const past = this.#withdrawn.get(name) ?? [];
    if (before) past.push(before.id);
    this.#withdrawn.set(name, after ? [] : past);
    if (after) { for (const id of past) this.#superseded(id); }
  }

  #superseded(id: string): void {
    const { arbiters, system } = this.#o;
    for (const key of arbiters.keys(id)) {
      // one that is not active has nothing to end
      system.at(arbiterActor, arbiterAddress(id, key)).tell.superseded({}).catch(() => {});
    }
  }

  #replaced(before: Deployment, after: Deployment): void {
    const { arbiters, running, system } = this.#o;
    const { id } = after;
    this.learned(before, after);
    const all = this.#moved.get(id);
    this.#moved.delete(id);
    if (before.solo && before.solo.node !== after.solo?.node) {
      this.#lost(id, [soloKey(system.node)], soloMoved(before.solo.node));
    }
    if (!all) return;
    for (const request of running.values()) {
      if (request.deployment.id === id) request.deployment = after;
    }
    const moved = { stages: [...all.stages], heads: [...all.heads] };
    for (const key of arbiters.keys(id)) {
      // one that is not active has nothing that could be rebuilt
      system.at(arbiterActor, arbiterAddress(id, key)).tell.replaced(moved).catch(() => {});
    }
  }

  #lost(id: string, keys: readonly string[], error: WireError, held = false): void {
    for (const key of keys) {
      const arbiter = this.#o.system.at(arbiterActor, arbiterAddress(id, key));
      arbiter.tell.lost({ error, held }).catch(() => {}); // it runs nothing
    }
  }
}

const lost = (node: string, what: string): WireError => ({
  group: "cluster",
  code: "node_lost",
  message: `node ${node}, which ${what}, is gone`,
  metadata: { node },
});

/** Requests on the whole model at a node go on elsewhere: they are begun anew from their tokens. */
const soloMoved = (node: string): WireError => ({
  group: "cluster",
  code: "node_lost",
  message: `node ${node} does not run the whole model any more`,
  metadata: { node },
});
