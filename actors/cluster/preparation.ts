/**
 * Has the members load the stages of a deployment. Where the one that serves and the new one do not
 * fit into memory side by side, the old one is retired first, once its requests are over. Before that,
 * those that served earlier must be gone: the new one may fit then.
 *
 * @module
 */
import { type ActorContext, hasCode, type RefOf } from "../system/mod.ts";
import type { Adoption } from "./adoption.ts";
import { nodeLost } from "./cluster_errors.ts";
import type { Deployment } from "./deployment.ts";
import { memberActor } from "./member.ts";

/**
 * How often a new deployment is tried again after the old one has made room. Nodes give memory back
 * a little later than the requests are over.
 */
const ROOM_ATTEMPTS = 30;
/** Milliseconds between two of these attempts. */
const ROOM_WAIT_MS = 1_000;

/** See the module's text. */
export class Preparation {
  readonly #ctx: ActorContext;
  readonly #serving: Adoption;
  readonly #prepareMs: number;
  /** Ends what the nodes are asked to prepare; undefined: nothing is prepared. */
  #running?: { nodes: string[]; abort: AbortController };

  /** `prepareMs`: milliseconds that a node may take to fetch and load its stages. */
  constructor(ctx: ActorContext, serving: Adoption, prepareMs: number) {
    this.#ctx = ctx;
    this.#serving = serving;
    this.#prepareMs = prepareMs;
  }

  /** A node will not answer: the others need not go on to load for a deployment with it. */
  giveUpOn(node: string, why: string): void {
    if (this.#running?.nodes.includes(node)) this.#running.abort.abort(nodeLost(node, why));
  }

  /**
   * Resolves when these nodes have loaded their stages. Rejects with the first error of a node.
   * `valid`: whether the members are still those that the deployment was made for.
   */
  async run(deployment: Deployment, valid: () => boolean, nodes: string[]): Promise<void> {
    const serving = this.#serving;
    for (let attempt = 0;; attempt++) {
      try {
        return await this.once(deployment, nodes);
      } catch (error) {
        // no old deployment could make room
        const hopeless = !serving.current && serving.parting === 0 && attempt === 0;
        if (!hasCode(error, "not_enough_memory") || hopeless || attempt === ROOM_ATTEMPTS) {
          throw error;
        }
        // Those before it may have been in the way: it serves on until they have made room.
        if (serving.current && serving.parting === 0 && valid()) {
          serving.adopt(undefined, "the layers move: nodes make room for them");
        }
        do {
          await new Promise<void>((resolve) => this.#ctx.after(ROOM_WAIT_MS, resolve));
        } while (serving.parting > 0 && valid());
        if (!valid()) throw error;
      }
    }
  }

  /** The same without making room: a node that has no memory for its layers is an error. */
  once(deployment: Deployment, nodes: string[]): Promise<void> {
    return this.#ask(nodes, (node, within) => node.prepare({ deployment }, within));
  }

  /**
   * Resolves when these nodes have loaded what comes to them in another revision of the deployment
   * that serves. Rejects as `once`.
   */
  ahead(deployment: Deployment, nodes: string[]): Promise<void> {
    return this.#ask(nodes, (node, within) => node.load_ahead({ deployment }, within));
  }

  async #ask(
    nodes: string[],
    ask: (
      node: RefOf<typeof memberActor>,
      within: { deadlineMs: number; signal: AbortSignal },
    ) => Promise<unknown>,
  ): Promise<void> {
    const failed = new AbortController();
    this.#running = { nodes, abort: failed };
    const within = { deadlineMs: this.#prepareMs, signal: failed.signal };
    try {
      await Promise.all(nodes.map((n) => ask(this.#ctx.get(memberActor, n), within)));
    } catch (error) {
      failed.abort(error); // stops the other nodes: what they still load is not needed
      throw error;
    }
  }
}
