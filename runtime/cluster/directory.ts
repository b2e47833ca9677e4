/**
 * Where actors live in a cluster: stages and drafter where the deployment says, a node's own actors
 * at that node, a graph's custom actors and the model at the first node, generations and their
 * clients where they were claimed.
 *
 * @module
 */
import {
  ActorSystem,
  type Address,
  address,
  CLUSTER,
  type Deployment,
  type Directory,
  GRAPH,
  type NodeId,
  OrreryError,
  type Owner,
  parseAddress,
} from "../../actors/mod.ts";

/** Deployments that are remembered. */
const DEPLOYMENTS = 16;
/** Owners that are remembered from the registry. */
const CACHE = 4096;

/** See the module's text. */
export class ClusterDirectory implements Directory {
  readonly #node: NodeId;
  /** The node with the cluster actor. */
  seed!: NodeId;
  readonly #deployments = new Map<string, Deployment>();
  readonly #mine = new Map<string, Owner>();
  readonly #cache = new Map<string, Owner>();
  #system!: ActorSystem;

  constructor(node: NodeId) {
    this.#node = node;
  }

  /** The system through which the registry at `seed` is asked. */
  attach(system: ActorSystem, seed: NodeId): void {
    this.#system = system;
    this.seed = seed;
  }

  /** From now on the stages of this deployment are found. */
  learn(deployment: Deployment): void {
    this.#deployments.set(deployment.id, deployment);
    // Requests of a retired deployment still find their stages: only much older ones are forgotten.
    if (this.#deployments.size > DEPLOYMENTS) {
      this.#deployments.delete(this.#deployments.keys().next().value!);
    }
  }

  /** Takes the address for this node, in the registry too, so that others find it. */
  async claim(to: Address, signal?: AbortSignal): Promise<void> {
    try {
      const owner = await this.#system.ask(CLUSTER, {
        type: "claim",
        address: to,
        node: this.#node,
      }, {
        signal,
        deadlineMs: 10_000,
      }) as Owner;
      this.#mine.set(to, owner);
    } catch (error) {
      this.#giveUp(to); // the registry may have granted it all the same
      throw error;
    }
  }

  resolve(to: string, signal?: AbortSignal): Owner | Promise<Owner> {
    const mine = this.#mine.get(to) ?? this.#cache.get(to);
    if (mine) return mine;
    const { deployment, kind, key } = parseAddress(to);
    if (deployment === GRAPH) return { node: this.seed, epoch: 1 };
    switch (kind) {
      case "cluster":
        return { node: this.seed, epoch: 1 };
      case "member":
      case "weights":
      case "arbiter": // its key is the node of the gateway that it serves
        return { node: key, epoch: 1 };
      case "stage": {
        const stage = this.#deployments.get(deployment)?.stages[Number(key)];
        if (!stage) {
          throw noOwner(to, `deployment ${deployment} is not known at node ${this.#node}`);
        }
        return { node: stage.node, epoch: 1 };
      }
      case "drafter": {
        const node = this.#deployments.get(deployment)?.draft?.node;
        if (!node) {
          throw noOwner(
            to,
            `no deployment ${deployment} with a drafter is known at node ${this.#node}`,
          );
        }
        return { node, epoch: 1 };
      }
      default:
        return this.#ask(to, signal);
    }
  }

  invalidate(to: string): void {
    this.#cache.delete(to);
  }

  release(to: string): void {
    if (this.#mine.delete(to)) this.#giveUp(to);
  }

  #giveUp(to: string): void {
    void this.#system.tell(CLUSTER, { type: "release", address: to, node: this.#node }, {
      deadlineMs: 10_000,
    })
      .catch(() => {}); // the registry forgets a lost node's claims by itself
  }

  async #ask(to: string, signal?: AbortSignal): Promise<Owner> {
    const owner = await this.#system.ask(CLUSTER, { type: "resolve", address: to }, {
      signal,
      deadlineMs: 10_000,
    }) as Owner;
    this.#cache.set(to, owner);
    if (this.#cache.size > CACHE) this.#cache.delete(this.#cache.keys().next().value!);
    return owner;
  }
}

/** A fresh key for a generation or client actor. */
export const freshAddress = (kind: string): Address =>
  address("default", kind, crypto.randomUUID());

function noOwner(to: string, why: string): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "no_owner",
    message: `nobody hosts ${to}: ${why}`,
    metadata: { to },
  });
}
