/**
 * How a node ends: when its program says so, when the coordinator drains it, and when it was the
 * first node and another one is.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Membership } from "./cluster/mod.ts";
import type { NodeOptions } from "./node_options.ts";
import type { Gateway } from "./serve/mod.ts";

const log = getLogger(["orrery", "node"]);

/** Milliseconds that running requests and the change-over to other nodes have when it closes. */
const DRAIN_MS = 30_000;
/** Milliseconds that this node's own requests have of it; then they end with `draining`. */
const REQUESTS_MS = 10_000;
/** Milliseconds in which ended requests let go of what they have. */
const ENDED_MS = 1_000;

/** A node that runs. */
export interface Running {
  gateway: Pick<Gateway, "drain" | "idle" | "end" | "running">;
  membership: Pick<Membership, "leave">;
  /** All that was opened for it. */
  opened: AsyncDisposable;
}

/** See the module's text. */
export class NodeEnd {
  readonly #options: Pick<NodeOptions, "onDrain" | "onFollowed">;
  readonly #running = Promise.withResolvers<Running>();
  #closing?: Promise<void>;

  constructor(options: Pick<NodeOptions, "onDrain" | "onFollowed">) {
    this.#options = options;
  }

  /** The node has started: from now on it can be closed. */
  started(running: Running): void {
    this.#running.resolve(running);
  }

  /** The first node drains this one. */
  drained(): void {
    log.info("the first node drains this node");
    if (this.#options.onDrain) this.#options.onDrain();
    else void this.close();
  }

  /** This node was the first one, and another is now. */
  followed(why: string): void {
    log.warn("{why}", { why });
    if (this.#options.onFollowed) this.#options.onFollowed(why);
    else void this.close();
  }

  /**
   * Drains the node and leaves the cluster, within `deadlineMs` milliseconds: its own requests have 10
   * seconds, and the rest of the time is for those of other nodes. @default 30000
   */
  close(deadlineMs: number = DRAIN_MS): Promise<void> {
    return this.#closing ??= this.#close(deadlineMs);
  }

  async #close(deadlineMs: number): Promise<void> {
    const { gateway, membership, opened } = await this.#running.promise;
    const deadline = performance.now() + deadlineMs;
    gateway.drain();
    await gateway.idle(Math.min(deadlineMs, REQUESTS_MS));
    if (gateway.running > 0) {
      log.warn("{count} requests did not end in time: they are told to go elsewhere", {
        count: gateway.running,
      });
      gateway.end();
      await gateway.idle(ENDED_MS);
    }
    await membership.leave(Math.max(0, deadline - performance.now()));
    await opened[Symbol.asyncDispose]();
  }
}
