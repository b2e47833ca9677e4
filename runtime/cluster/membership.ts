/**
 * A node's place in its cluster: join, notice that the first node is gone, join again, leave.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type ClusterStatus,
  hasCode,
  type Member,
  type NodeId,
  OrreryError,
  toOrreryError,
} from "../../actors/mod.ts";
import { identify, type Mailbox } from "../mailbox/mod.ts";
import type { ClusterDirectory } from "./directory.ts";
import type { Host } from "./host.ts";

const log = getLogger(["orrery", "cluster"]);

/** Not pinged for so long, a node has been given up by the cluster. */
const FORGOTTEN_MS = 15_000;
const RETRY_MS = 2_000;

/** Options of a {@linkcode Membership}. */
export interface MembershipOptions {
  system: ActorSystem;
  directory: ClusterDirectory;
  mailbox: Mailbox;
  host: Host;
  /** Where the first node's mailbox listens; undefined: this is the first node. */
  seed?: { host: string; port: number };
}

/**
 * Finds the name of the node whose mailbox listens there, and links to it. Throws group `cluster`,
 * `join_failed`.
 */
export async function dialSeed(
  mailbox: Mailbox,
  seed: { host: string; port: number },
): Promise<NodeId> {
  try {
    const node = await identify(seed.host, seed.port, { signal: AbortSignal.timeout(10_000) });
    mailbox.addPeer(node, seed.host, seed.port);
    return node;
  } catch (error) {
    throw new OrreryError({
      group: "cluster",
      code: "join_failed",
      message: `no node answers at ${seed.host}:${seed.port} (${toOrreryError(error).message}); ` +
        "start the first node there, and name its mailbox port (8421), not its API port",
      cause: error,
    });
  }
}

/** See the module's text. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #abort = new AbortController();
  #watch?: ReturnType<typeof setInterval>;
  #rejoining = false;
  #lastPing = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** The cluster asked how this node does. */
  pinged(): void {
    this.#lastPing = performance.now();
  }

  /** Joins (the first node joins its own cluster), and from then on sees to it that it stays so. */
  async join(): Promise<void> {
    await this.#ask();
    if (!this.#options.seed) return;
    this.#watch = setInterval(() => {
      if (performance.now() - this.#lastPing > FORGOTTEN_MS) {
        void this.#rejoin("the first node has been silent");
      }
    }, RETRY_MS);
  }

  /** A link is gone for good. */
  peerLost(peer: NodeId, reason: string): void {
    const { seed, directory, system } = this.#options;
    if (this.#abort.signal.aborted) return;
    if (seed) {
      if (peer === directory.seed) void this.#rejoin(`the first node is gone: ${reason}`);
    } else {
      void system.at(clusterActor, CLUSTER).tell.lost({ node: peer }).catch(() => {}); // refused only while closing
    }
  }

  /**
   * Says goodbye and waits until the others have taken over what this node runs, until the
   * deadline.
   */
  async leave(deadlineMs: number): Promise<void> {
    const { seed, system, host } = this.#options;
    clearInterval(this.#watch);
    this.#abort.abort();
    if (!seed || this.#rejoining) return;
    const deadline = performance.now() + deadlineMs;
    try {
      await system.at(clusterActor, CLUSTER).leave({ node: system.node }, { deadlineMs: 2_000 });
      while (host.stages.length > 0 && performance.now() < deadline) await sleep(50);
    } catch (error) {
      log.warn("the first node did not take our leave: {message}", {
        message: toOrreryError(error).message,
      });
    }
  }

  /** Who is in the cluster and what serves. */
  async status(): Promise<ClusterStatus> {
    const { system } = this.#options;
    return await system.at(clusterActor, CLUSTER).status({}, { deadlineMs: 5_000 });
  }

  async #ask(): Promise<void> {
    const { system, mailbox } = this.#options;
    const member: Member = {
      node: system.node,
      ...mailbox.address,
      cores: navigator.hardwareConcurrency,
      memory_bytes: Deno.systemMemoryInfo().total,
    };
    try {
      await system.at(clusterActor, CLUSTER).join(member, {
        deadlineMs: 10_000,
        signal: this.#abort.signal,
      });
    } catch (error) {
      if (!hasCode(error, "unknown_kind")) throw error;
      const { host, port } = this.#options.seed!;
      throw new OrreryError({
        group: "cluster",
        code: "join_failed",
        message:
          `the node at ${host}:${port} has joined another one itself; join the first node of that cluster`,
        cause: error,
      });
    }
    this.pinged();
  }

  /** Joins again until it works; a first node that was restarted has another name. */
  async #rejoin(why: string): Promise<void> {
    if (this.#rejoining) return;
    this.#rejoining = true;
    const { host, mailbox, directory, seed } = this.#options;
    host.adopt(undefined, why);
    while (!this.#abort.signal.aborted) {
      try {
        const found = await dialSeed(mailbox, seed!);
        if (found !== directory.seed) host.retireAll(); // another life of the first node: ours begins anew too
        directory.seed = found;
        await this.#ask();
        break;
      } catch (error) {
        log.info("cannot join yet: {message}", { message: toOrreryError(error).message });
        await sleep(RETRY_MS);
      }
    }
    this.#rejoining = false;
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
