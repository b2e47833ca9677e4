/**
 * Where actors live in a cluster. Every address can be resolved without asking another node: what
 * decides is the deployment, or the key.
 *
 * | actors                      | node                                             |
 * | --------------------------- | ------------------------------------------------ |
 * | stages, heads, drafter      | as the deployment says                           |
 * | the cluster actor, the registry, servers | the coordinator                      |
 * | custom actors of a graph    | as `actor_homes.ts` knows                        |
 * | the model as custom actors ask it | every node has it                          |
 * | member, weights             | the key is the node                              |
 * | arbiter                     | the key is the node, or begins with it           |
 * | generations, their clients, and any other kind | the key begins with it: `node~id` |
 *
 * @module
 */
import { ActorHomes } from "./actor_homes.ts";
import {
  type AddressParts,
  CLUSTER,
  type Deployment,
  type Directory,
  drafterAddress,
  GRAPH,
  MODEL,
  nameOf,
  type NodeId,
  nodeKey,
  OrreryError,
  type Owner,
  parseAddress,
  REGISTRY,
  SERVERS,
  SOLO,
  SYSTEM,
} from "../../actors/mod.ts";

/** Retired deployments whose stages are still found: arbiters and stages take leave of them. */
const MAX_RETIRED = 16;

/** See the module's text. */
export class ClusterDirectory implements Directory {
  /** Where the custom actors of the graph live. */
  readonly homes = new ActorHomes();
  /** Who coordinates, and the number of that node's term. */
  #term: { node: NodeId; epoch: number };
  readonly #node: NodeId;
  readonly #deployments = new Map<string, Deployment>();
  /** Retired deployments, oldest first. */
  readonly #retired: string[] = [];

  /** The directory of `node`, which takes itself for the coordinator until it follows another. */
  constructor(node: NodeId) {
    this.#node = node;
    this.#term = { node, epoch: 1 };
  }

  /** The coordinator: the node with the cluster actor. */
  get seed(): NodeId {
    return this.#term.node;
  }

  /** Another term has begun: messages to the coordinator's actors carry its number. */
  follow({ node, epoch }: { node: NodeId; epoch: number }): void {
    this.#term = { node, epoch };
  }

  /** Makes the stages and the drafter of this deployment known to `resolve`. */
  learn(deployment: Deployment): void {
    this.#deployments.set(deployment.id, deployment);
    if (deployment.flow) this.homes.expect(nameOf(deployment), deployment.flow.actors);
  }

  /** The deployment with this id is retired: it is forgotten once 16 more are. */
  forget(id: string): void {
    this.#retired.push(id);
    if (this.#retired.length > MAX_RETIRED) this.#deployments.delete(this.#retired.shift()!);
  }

  /**
   * The node of an address. Throws group `actor`, code `no_owner`, where it is not known; that of a
   * custom actor which has no host now is waited for.
   */
  resolve(to: string, signal?: AbortSignal): Owner | Promise<Owner> {
    const parts = parseAddress(to);
    if (isHosted(parts)) return this.homes.resolve(parts.kind, to, signal);
    const node = this.#find(to, parts);
    if (node === undefined) throw this.#noOwner(to, parts);
    return { node, epoch: this.#epochOf(parts) };
  }

  /** See {@linkcode Directory.moved}. */
  moved(to: string, { epoch }: Owner): void {
    const parts = parseAddress(to);
    if (isHosted(parts)) this.homes.doubt(parts.kind, epoch);
  }

  /** Epoch of an address's owner; 1 where the text is no address. */
  epochOf(to: string): number {
    try {
      return this.#epochOf(parseAddress(to));
    } catch {
      return 1;
    }
  }

  /** An address that does not move has one node for as long as it exists: epoch 1. */
  #epochOf(parts: AddressParts): number {
    if (isHosted(parts)) return this.homes.epochOf(parts.kind);
    return isCoordinators(parts) ? this.#term.epoch : 1;
  }

  nodeOf(to: string): NodeId | undefined {
    try {
      return this.#find(to, parseAddress(to));
    } catch {
      return undefined; // no address
    }
  }

  #find(to: string, { deployment, kind, key }: AddressParts): NodeId | undefined {
    if (deployment === GRAPH) return to === MODEL ? this.#node : this.homes.nodeOf(kind);
    const known = this.#deployments.get(deployment);
    switch (kind) {
      case "cluster": // one alone: another key would make another cluster
        return to === CLUSTER ? this.seed : undefined;
      case "registry":
        return to === REGISTRY ? this.seed : undefined;
      case "servers":
        return to === SERVERS ? this.seed : undefined;
      case "member":
      case "weights":
      case "actor_home":
        return deployment === SYSTEM ? key : undefined;
      case "arbiter": // a node has two where the deployment has a stage with the whole model
        return nodeKey(to)?.node ?? key;
      case "stage":
        return (key === SOLO ? known?.solo : itemAt(known?.stages, key))?.node;
      case "head":
        return itemAt(known?.head, key)?.node;
      case "drafter":
        return to === drafterAddress(deployment) ? known?.draft?.node : undefined;
    }
    return nodeKey(to)?.node;
  }

  /** Why nobody hosts an address. */
  #noOwner(to: string, { deployment, kind, key }: AddressParts): OrreryError {
    const node = this.#node;
    switch (kind) {
      case "cluster":
      case "member":
      case "weights":
      case "actor_home":
        return noOwner(to, `actors of kind ${kind} have addresses of another form`);
      case "stage":
        return noOwner(to, `deployment ${deployment} is not known at node ${node}`);
      case "head":
        return noOwner(
          to,
          `no deployment ${deployment} with such a shard of the LM head is known at node ${node}`,
        );
      case "drafter":
        return noOwner(to, `no deployment ${deployment} with a drafter is known at node ${node}`);
    }
    return noOwner(to, `its key does not begin with a node, as in ${node}~${key}`);
  }
}

/** Whether the actor with this address is at the coordinator, whoever that is. */
export function isCoordinators({ deployment, kind }: AddressParts): boolean {
  return deployment === SYSTEM && ["cluster", "registry", "servers"].includes(kind);
}

/** Whether the address is a custom actor's, which lives on whatever node hosts it. */
export function isHosted({ deployment, kind }: AddressParts): boolean {
  return deployment === GRAPH && kind !== "model";
}

/** The item with this index, written as an address has it: `1` and not `01`. */
function itemAt<T>(items: readonly T[] | undefined, key: string): T | undefined {
  const index = Number(key);
  return String(index) === key ? items?.[index] : undefined;
}

function noOwner(to: string, why: string): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "no_owner",
    message: `nobody hosts ${to}: ${why}`,
    metadata: { to },
  });
}
