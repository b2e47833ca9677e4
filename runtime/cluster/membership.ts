/**
 * A node's membership in its cluster: it joins, joins again when the first node is gone, and
 * leaves.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ActorSystem,
  CLUSTER,
  clusterActor,
  type ClusterStatus,
  type CoordinatorWatch,
  hasCode,
  type Member,
  type NodeId,
  OrreryError,
  toOrreryError,
} from "../../actors/mod.ts";
import { identify, LEFT, type MailboxTls, type MailboxTransport, REMOVED } from "../mailbox/mod.ts";
import { coordinatorWatch } from "./coordinator_watch.ts";
import type { ClusterDirectory } from "./directory.ts";
import type { DeploymentHost } from "./deployment_host.ts";

const log = getLogger(["orrery", "cluster"]);

/** Milliseconds between two attempts to join. */
const RETRY_MS = 2_000;
/** Milliseconds in which the node that is joined must say its id. */
const DIAL_MS = 10_000;
/** Milliseconds in which the first node must answer `join`, `status` and `leave`. */
const JOIN_MS = 10_000;
const STATUS_MS = 5_000;
const LEAVE_MS = 2_000;
/** Milliseconds between two checks of whether this node's stages have ended. */
const LEAVE_CHECK_MS = 50;

/** Options of a {@linkcode Membership}. */
export interface MembershipOptions {
  /** Reaches the cluster actor. */
  system: ActorSystem;
  /** Is told the first node's id. */
  directory: Pick<ClusterDirectory, "seed">;
  /** Its address is what other nodes are told; it dials the first node. */
  mailbox: MailboxTransport;
  /** Retires this node's deployments when it joins another cluster. */
  host: Pick<DeploymentHost, "adopt" | "retireAll" | "stages" | "members">;
  /** The node's certificates. */
  trust: MailboxTls & {
    /** Gets new certificates. */
    renew(): Promise<void>;
    /** Gets new certificates if the ones at hand have expired. */
    renewExpired(): Promise<void>;
  };
  /** Where the first node's mailbox listens; undefined: this is the first node. */
  seed?: { host: string; port: number };
}

/**
 * Asks the mailbox at `seed` for its node's id, and opens a link to that node. Throws group
 * `cluster`, code `join_failed`.
 */
export async function dialSeed(
  mailbox: MailboxTransport,
  seed: { host: string; port: number },
  tls: MailboxTls,
): Promise<NodeId> {
  try {
    const signal = AbortSignal.timeout(DIAL_MS);
    const node = await identify(seed.host, seed.port, { signal, tls });
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
  /** Aborts when the node leaves. */
  readonly #abort = new AbortController();
  /** A member's watch over the node with the cluster actor. */
  readonly #watch: CoordinatorWatch;
  /** Ends the subscription to changes of links. */
  readonly #unsubscribe: () => void;
  #rejoining = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { system, mailbox, host } = options;
    this.#watch = coordinatorWatch({
      system,
      mailbox,
      members: () => host.members,
      lost: (why) => void this.#rejoin(`the first node is lost: ${why}`),
    });
    this.#unsubscribe = mailbox.on("peer", ({ node, state }) => {
      if (state === "connecting" || state === "lost") this.#broke(node);
    });
  }

  /** Call it for every ping, with the node that sent it. */
  pinged(by: NodeId): void {
    this.#watch.pinged(by);
  }

  /** Joins the cluster (the first node joins its own), and joins again whenever it is lost. */
  async join(): Promise<void> {
    await this.#ask();
  }

  /** Call it when the link to a node has ended for good. */
  peerLost(peer: NodeId, reason: string): void {
    const { seed, directory, system } = this.#options;
    if (this.#abort.signal.aborted) return;
    if (reason !== LEFT && reason !== REMOVED) return this.#broke(peer);
    if (seed) {
      if (peer === directory.seed) void this.#rejoin(`the first node is gone: ${reason}`);
    } else {
      // It is refused only while this node closes.
      void system.at(clusterActor, CLUSTER).tell.lost({ node: peer }).catch(() => {});
    }
  }

  /** The connection to a node broke: whoever watches it looks into it. */
  #broke(node: NodeId): void {
    if (this.#abort.signal.aborted) return;
    if (this.#options.seed) return this.#watch.broke(node);
    const { system } = this.#options;
    void system.at(clusterActor, CLUSTER).tell.broke({ node }).catch(() => {}); // as above
  }

  /** Call it while the deployment with this id answers no prompt: the first node looks into it. */
  broken(deployment: string, why: string): void {
    log.warn("deployment {deployment} answers no prompt: {why}", { deployment, why });
    const cluster = this.#options.system.at(clusterActor, CLUSTER);
    // It is said again as long as it is so.
    void cluster.tell.broken({ deployment, why }, { deadlineMs: STATUS_MS }).catch(() => {});
  }

  /** Tells the first node, and waits until this node's stages have ended, or for `deadlineMs`. */
  async leave(deadlineMs: number): Promise<void> {
    const { seed, system, host } = this.#options;
    this.#watch.close();
    this.#unsubscribe();
    this.#abort.abort();
    if (!seed || this.#rejoining) return;
    const deadline = performance.now() + deadlineMs;
    try {
      await system.at(clusterActor, CLUSTER).leave({ node: system.node }, { deadlineMs: LEAVE_MS });
      while (host.stages.length > 0 && performance.now() < deadline) await sleep(LEAVE_CHECK_MS);
    } catch (error) {
      log.warn("the first node did not take our leave: {message}", {
        message: toOrreryError(error).message,
      });
    }
  }

  /** The members of the cluster and the deployment that serves. */
  async status(): Promise<ClusterStatus> {
    const { system } = this.#options;
    return await system.at(clusterActor, CLUSTER).status({}, { deadlineMs: STATUS_MS });
  }

  /** Asks the first node to take this node as a member. Throws group `cluster`, `join_failed`. */
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
        deadlineMs: JOIN_MS,
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
    if (this.#options.seed && !this.#abort.signal.aborted) {
      this.#watch.follow(this.#options.directory.seed);
    }
  }

  /** Tries to join until it succeeds; a first node that was restarted has another id. */
  async #rejoin(why: string): Promise<void> {
    if (this.#rejoining) return;
    this.#rejoining = true;
    this.#watch.leave();
    const { host, mailbox, directory, seed, trust } = this.#options;
    host.adopt(undefined, why);
    while (!this.#abort.signal.aborted) {
      try {
        await trust.renewExpired();
        const found = await dialSeed(mailbox, seed!, trust);
        // The first node was restarted: the deployments that it made are gone.
        if (found !== directory.seed) host.retireAll();
        directory.seed = found;
        await this.#ask();
        break;
      } catch (error) {
        log.info("cannot join yet: {message}", { message: toOrreryError(error).message });
        // A node that was removed finds its connections closed: only this says why.
        const reason: unknown = await trust.renew().catch((reason) => reason);
        if (hasCode(reason, "revoked")) {
          // That is for good: it stops dialling and asking, and goes on saying why it cannot answer.
          log.error("{message}", { message: reason.message });
          host.adopt(undefined, reason.message);
          mailbox.removePeer(directory.seed);
          return;
        }
        await sleep(RETRY_MS);
      }
    }
    this.#rejoining = false;
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
