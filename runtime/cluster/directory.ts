/**
 * Where actors live in a cluster. Every address can be resolved without asking another node: what
 * decides is the deployment, or the key.
 *
 * | actors                      | node                                             |
 * | --------------------------- | ------------------------------------------------ |
 * | stages, heads, drafter      | as the deployment says                           |
 * | cluster, a graph's own, model | the first node                                 |
 * | member, weights, arbiter    | the key is the node, or begins with it           |
 * | generations, their clients, and any other kind | the key begins with it: `node~id` |
 *
 * @module
 */
import {
  type Deployment,
  type Directory,
  GRAPH,
  type NodeId,
  nodeKey,
  OrreryError,
  type Owner,
  parseAddress,
  SOLO,
} from "../../actors/mod.ts";

/** Retired deployments whose stages are still found: arbiters and stages take leave of them. */
const MAX_RETIRED = 16;

/** See the module's text. */
export class ClusterDirectory implements Directory {
  /** The first node: the one with the cluster actor. */
  seed: NodeId;
  readonly #node: NodeId;
  readonly #deployments = new Map<string, Deployment>();
  /** Retired deployments, oldest first. */
  readonly #retired: string[] = [];

  /** The directory of `node`, which takes itself for the first node until `seed` is set. */
  constructor(node: NodeId) {
    this.#node = node;
    this.seed = node;
  }

  /** Makes the stages and the drafter of this deployment known to `resolve`. */
  learn(deployment: Deployment): void {
    this.#deployments.set(deployment.id, deployment);
  }

  /** The deployment with this id is retired: it is forgotten once 16 more are. */
  forget(id: string): void {
    this.#retired.push(id);
    if (this.#retired.length > MAX_RETIRED) this.#deployments.delete(this.#retired.shift()!);
  }

  /** The node of an address. Throws group `actor`, code `no_owner`, where it is not known. */
  resolve(to: string): Owner {
    // An address has one node for as long as it exists, so there is one ownership: epoch 1.
    return { node: this.#nodeOf(to), epoch: 1 };
  }

  #nodeOf(to: string): NodeId {
    const { deployment, kind, key } = parseAddress(to);
    if (deployment === GRAPH) return this.seed;
    switch (kind) {
      case "cluster":
        return this.seed;
      case "member":
      case "weights":
        return key;
      case "arbiter": // a node has two where the deployment has a stage with the whole model
        return nodeKey(to)?.node ?? key;
      case "stage": {
        const known = this.#deployments.get(deployment);
        const stage = key === SOLO ? known?.solo : known?.stages[Number(key)];
        if (!stage) {
          throw noOwner(to, `deployment ${deployment} is not known at node ${this.#node}`);
        }
        return stage.node;
      }
      case "head": {
        const shard = this.#deployments.get(deployment)?.head?.[Number(key)];
        if (shard) return shard.node;
        throw noOwner(
          to,
          `no deployment ${deployment} with such a shard of the LM head is known at node ${this.#node}`,
        );
      }
      case "drafter": {
        const node = this.#deployments.get(deployment)?.draft?.node;
        if (node) return node;
        throw noOwner(
          to,
          `no deployment ${deployment} with a drafter is known at node ${this.#node}`,
        );
      }
    }
    const named = nodeKey(to);
    if (named) return named.node;
    throw noOwner(to, `its key does not begin with a node, as in ${this.#node}~${key}`);
  }
}

function noOwner(to: string, why: string): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "no_owner",
    message: `nobody hosts ${to}: ${why}`,
    metadata: { to },
  });
}
