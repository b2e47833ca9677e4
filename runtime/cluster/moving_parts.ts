/**
 * Stages and shards that come to this node, or leave it, while their deployment serves: another
 * revision of it names other nodes (`actors/cluster/repair.ts`).
 *
 *     load ahead --> learn the revision --> the arbiters rebuild
 *
 * What comes is loaded before the directory names this node, so that it is there when it is needed.
 * What leaves ends as soon as the revision is known here.
 *
 * @module
 */
import {
  type ActorSystem,
  type Address,
  type Deployment,
  drafterAddress,
  headAddress,
  OrreryError,
  parseAddress,
  SOLO,
  stageAddress,
} from "../../actors/mod.ts";

/** Milliseconds in which an actor that leaves must take the message: it may be computing a frame. */
const END_MS = 120_000;

/** See the module's text. */
export class MovingParts {
  readonly #system: Pick<ActorSystem, "node" | "status" | "askHere">;
  /** Actors that are loaded here, or being loaded, and that the directory has elsewhere. */
  readonly #ahead = new Set<Address>();
  /** Actors that were here, and are elsewhere now: what still comes for them loads nothing. */
  readonly #left = new Set<Address>();

  constructor(system: Pick<ActorSystem, "node" | "status" | "askHere">) {
    this.#system = system;
  }

  /**
   * Loads the stages and shards that are at this node in `after` and not in `before`. Rejects with
   * the first error of an engine, or the signal's reason; then nothing of them stays loaded.
   */
  async load(
    before: Deployment,
    after: Deployment,
    options: { deadlineMs: number; signal: AbortSignal },
  ): Promise<void> {
    const { node } = this.#system;
    const had = new Set(pipelineAt(before, node));
    const coming = pipelineAt(after, node).filter((to) => !had.has(to));
    try {
      for (const to of coming) {
        this.#ahead.add(to);
        await this.#system.askHere(to, { type: "warm" }, options);
      }
    } catch (error) {
      for (const to of coming) this.#drop(to);
      throw error;
    }
  }

  /**
   * This node knows the revision `after` from now on: ends what it ran in `before` and does not in
   * `after`, and what was loaded ahead and is not to come.
   */
  learn(before: Deployment | undefined, after: Deployment): void {
    const { node } = this.#system;
    const stays = new Set(allAt(after, node));
    for (const to of before ? allAt(before, node) : []) {
      if (stays.has(to)) continue;
      this.#left.add(to);
      this.#end(to);
    }
    for (const to of stays) this.#left.delete(to);
    for (const to of this.#ahead) {
      if (parseAddress(to).deployment !== after.id) continue;
      if (stays.has(to)) this.#ahead.delete(to);
      else this.#drop(to);
    }
  }

  /** Ends what was loaded ahead of a deployment that is retired. */
  retire(id: string): void {
    const ofIt = (to: Address) => parseAddress(to).deployment === id;
    for (const to of this.#left) if (ofIt(to)) this.#left.delete(to);
    for (const to of this.#ahead) if (ofIt(to)) this.#drop(to);
  }

  /**
   * Throws group `cluster`, code `stage_moved`, unless the stage or shard at this address is at this
   * node (`place`), or is being loaded ahead.
   */
  check(to: string, place: { node: string }): void {
    const { node } = this.#system;
    const address = to as Address;
    if (this.#ahead.has(address)) return;
    if (place.node === node && !this.#left.has(address)) return;
    throw new OrreryError({
      group: "cluster",
      code: "stage_moved",
      message: `${to} is at another node than ${node} now`,
      metadata: { to, node },
    });
  }

  #drop(to: Address): void {
    this.#ahead.delete(to);
    this.#end(to);
  }

  #end(to: Address): void {
    if (!this.#system.status().some(({ address }) => address === to)) return;
    // It fails where the actor has ended by itself.
    void this.#system.askHere(to, { type: "retire", moved: true }, { deadlineMs: END_MS })
      .catch(() => {});
  }
}

/** Addresses of the pipeline's stages and shards that are at a node. */
const pipelineAt = ({ id, stages, head = [] }: Deployment, node: string): Address[] => [
  ...stages.flatMap((stage, i) => stage.node === node ? [stageAddress(id, i)] : []),
  ...head.flatMap((shard, i) => shard.node === node ? [headAddress(id, i)] : []),
];

/** The same, with the stage that has the whole model, and the drafter. */
const allAt = (deployment: Deployment, node: string): Address[] => {
  const { id, solo, draft } = deployment;
  return [
    ...pipelineAt(deployment, node),
    ...(solo?.node === node ? [stageAddress(id, SOLO)] : []),
    ...(draft?.node === node ? [drafterAddress(id)] : []),
  ];
};
