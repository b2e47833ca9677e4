/**
 * A node's membership in its cluster: it joins whoever coordinates, follows when that is another
 * node, and leaves.
 *
 * A member whose coordinator is silent serves on what it serves, as long as the nodes live that have
 * the layers. It asks all nodes that it knows who coordinates now, and joins that one.
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
  servingNodes,
  toOrreryError,
} from "../../actors/mod.ts";
import { memoryOfMachine } from "../available_memory.ts";
import { LEFT, type MailboxTls, type MailboxTransport, REMOVED } from "../mailbox/mod.ts";
import type { CoordinatorPlace, FoundCoordinator, KnownPlace } from "../trust/mod.ts";
import { coordinatorWatch } from "./coordinator_watch.ts";
import type { ClusterDirectory } from "./directory.ts";
import type { DeploymentHost } from "./deployment_host.ts";

const log = getLogger(["orrery", "cluster"]);

/** Milliseconds between two searches for the coordinator. */
const SEARCH_MS = 300;
/** Milliseconds in which the nodes that are asked must answer. */
const ANSWER_MS = 3_000;
/** Milliseconds in which the node that is joined first must say who coordinates. */
const DIAL_MS = 10_000;
/** A node finds out after so many searches whether it was removed. */
const TRIES_REMOVED = 5;
/** Milliseconds of a search after which this node says that nobody coordinates. */
const VACANT_MS = 4_000;
/** Milliseconds in which the coordinator must answer `join`, `status` and `leave`. */
const JOIN_MS = 10_000;
const STATUS_MS = 5_000;
const LEAVE_MS = 5_000;
/** Milliseconds between two checks of whether this node's stages have ended. */
const LEAVE_CHECK_MS = 50;

/** Options of a {@linkcode Membership}. */
export interface MembershipOptions {
  /** Reaches the cluster actor. */
  system: ActorSystem;
  /** Is told who coordinates. */
  directory: Pick<ClusterDirectory, "seed" | "follow">;
  /** Its links tell of nodes that are gone; it dials the coordinator. */
  mailbox: MailboxTransport;
  /** This node's part in deployments. */
  host: Pick<
    DeploymentHost,
    "adopt" | "allAdopted" | "note" | "retireExcept" | "adopted" | "members" | "nodeLost" | "stages"
  >;
  /** The node's certificates. */
  trust: MailboxTls & {
    /** Is told who coordinates, and where else certificates may be had. */
    follow(coordinator: CoordinatorPlace, others?: readonly KnownPlace[]): void;
    /** Gets new certificates. */
    renew(): Promise<void>;
    /** Gets new certificates if the ones at hand have expired. */
    renewExpired(): Promise<void>;
  };
  /**
   * Finds out who coordinates, among these nodes and any others that the caller knows. Undefined: a
   * server, which is told by its election.
   */
  find?: (places: KnownPlace[], options: FindWithin) => Promise<FoundCoordinator>;
  /** Called when this node finds that it was removed from the cluster for good. */
  onRemoved?: () => void;
}

/** Limits of one search. */
export interface FindWithin {
  withinMs: number;
  signal: AbortSignal;
  /** A term with a larger number than this ends the search at once. */
  after?: number;
}

/** See the module's text. */
export class Membership {
  readonly #options: MembershipOptions;
  /** Aborts when the node leaves. */
  readonly #abort = new AbortController();
  /** A member's watch over the coordinator. */
  readonly #watch: CoordinatorWatch;
  /** Ends the subscription to changes of links. */
  readonly #unsubscribe: () => void;
  /** The latest term that this node knows of. */
  #term?: CoordinatorPlace;
  /** Number of the term whose coordinator has this node as a member; 0: none has. */
  #joined = 0;
  /** Whether this node has said that nobody coordinates. */
  #noted = false;
  /** The search under way, and what ends it. */
  #searching?: Promise<void>;
  #ended = new AbortController();
  #find: MembershipOptions["find"];

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#find = options.find;
    const { system, mailbox, host } = options;
    this.#watch = coordinatorWatch({
      system,
      mailbox,
      members: () => host.members,
      lost: (why, node) => this.#watched(node, why),
    });
    this.#unsubscribe = mailbox.on("peer", ({ node, state }) => {
      if (state === "connecting" || state === "lost") this.#broke(node);
    });
  }

  /** Who coordinates, as far as this node knows. */
  get coordinator(): CoordinatorPlace | undefined {
    return this.#term;
  }

  /** Call it for every ping, with the node that sent it. */
  pinged(by: NodeId): void {
    this.#watch.pinged(by);
  }

  /**
   * Joins the cluster of the node that listens there. Throws group `cluster`, code `join_failed`.
   */
  async join(place: KnownPlace): Promise<void> {
    const { coordinator, error } = await this.#find!([place], {
      withinMs: DIAL_MS,
      signal: this.#abort.signal,
    });
    if (!coordinator) {
      const why = error?.message ?? "it does not know who coordinates its cluster; try again";
      throw joinFailed(
        `no node answers at ${place.host}:${place.port} (${why}); ` +
          "start the first node there, and name its mailbox port (8421), not its API port",
        error,
      );
    }
    await this.follow(coordinator);
  }

  /** Becomes a member of this coordinator's. Throws group `cluster`, code `join_failed`. */
  async follow(term: CoordinatorPlace): Promise<void> {
    const { system, directory, trust, mailbox } = this.#options;
    if (term.epoch < (this.#term?.epoch ?? 0)) return;
    this.#term = term;
    directory.follow(term);
    trust.follow(term, this.#places());
    if (term.node !== system.node) mailbox.addPeer(term.node, term.host, term.port);
    await this.#ask(term);
  }

  /**
   * The coordinator's node refuses what is sent to the coordinator: another term may have begun there
   * or elsewhere, of which a member hears in no other way while its link is up.
   */
  doubt(why: string): void {
    if (!this.#coordinates && this.#find) void this.#search(why);
  }

  /** Another node is the first one, as its votes show: this node looks for it. */
  moved(): void {
    this.#lost("another node was made the first one");
  }

  /** This node opens the registry itself from now on: its election tells it who coordinates. */
  serve(): void {
    this.#find = undefined;
    this.#ended.abort();
    this.#ended = new AbortController();
    this.#watch.leave();
    this.#options.host.note("");
  }

  /** Nobody coordinates any more, as a server's election knows. */
  vacant(why: string): void {
    if (!this.#abort.signal.aborted) {
      this.#say(`nobody coordinates this cluster at the moment (${why}); another node takes over`);
    }
  }

  /** Call it when the link to a node has ended for good. */
  peerLost(peer: NodeId, reason: string): void {
    if (this.#abort.signal.aborted) return;
    const certain = reason === LEFT || reason === REMOVED;
    if (!certain) this.#broke(peer);
    else if (this.#coordinates) {
      const { system } = this.#options;
      // It is refused only while this node closes.
      void system.at(clusterActor, CLUSTER).tell.lost({ node: peer }).catch(() => {});
    } else if (peer === this.#term?.node) this.#lost(`it is gone: ${reason}`);
    if (this.#searching) this.#missed(peer, reason);
  }

  /** The connection to a node broke: whoever watches it looks into it. */
  #broke(node: NodeId): void {
    if (this.#abort.signal.aborted) return;
    const { system } = this.#options;
    if (this.#coordinates) {
      return void system.at(clusterActor, CLUSTER).tell.broke({ node }).catch(() => {}); // as above
    }
    this.#watch.broke(node);
    // Where it is another one by now, that one is found sooner than this one is given up.
    if (node === this.#term?.node && this.#find) void this.#search("its link is broken");
  }

  /** While nobody coordinates, a member finds out itself that what it serves cannot go on. */
  #missed(peer: NodeId, reason: string): void {
    const { host } = this.#options;
    for (const deployment of host.allAdopted) {
      if (!servingNodes(deployment).includes(peer)) continue;
      host.adopt(undefined, `node ${peer}, which has layers, is gone: ${reason}`, deployment);
    }
  }

  /**
   * The coordinator that this node watched is gone, or has forgotten it. While this node joins the next
   * one, which may be itself, it watches the one before: then nothing is given up.
   */
  #watched(node: NodeId, why: string): void {
    if (this.#coordinates) return;
    if (node === this.#term!.node) this.#lost(why);
    else void this.#search(why);
  }

  /** The coordinator is gone, or has forgotten this node. */
  #lost(why: string): void {
    this.#joined = 0;
    const { node } = this.#term!;
    if (!this.#reaches(this.#term!)) {
      this.#options.host.nodeLost(node); // requests that run through it fail now
      this.#missed(node, why);
    }
    void this.#search(why);
  }

  /** Whether this node coordinates, as far as it knows. */
  get #coordinates(): boolean {
    return this.#term?.node === this.#options.system.node;
  }

  /** Call it while the deployment with this id answers no prompt: the coordinator looks into it. */
  broken(deployment: string, why: string): void {
    log.warn("deployment {deployment} answers no prompt: {why}", { deployment, why });
    const cluster = this.#options.system.at(clusterActor, CLUSTER);
    // It is said again as long as it is so.
    void cluster.tell.broken({ deployment, why }, { deadlineMs: STATUS_MS }).catch(() => {});
  }

  /** A request waits for a deployment that sleeps: the coordinator loads it. */
  wake(name: string): void {
    const cluster = this.#options.system.at(clusterActor, CLUSTER);
    // It is said again as long as a request waits.
    void cluster.tell.wake({ name }, { deadlineMs: STATUS_MS }).catch(() => {});
  }

  /**
   * Tells the coordinator, and waits until this node's stages have ended, or for `deadlineMs`. The
   * coordinator itself stays until the others have its layers.
   */
  async leave(deadlineMs: number): Promise<void> {
    const { system, host } = this.#options;
    this.#watch.close();
    this.#unsubscribe();
    this.#abort.abort();
    if (!this.#term || this.#searching) return;
    const deadline = performance.now() + deadlineMs;
    try {
      const cluster = system.at(clusterActor, CLUSTER);
      if (this.#coordinates) {
        const { members } = await cluster.status({}, { deadlineMs: LEAVE_MS });
        if (members.every(({ node }) => node === system.node)) return; // nobody takes the layers
      }
      await cluster.leave({ node: system.node }, { deadlineMs: LEAVE_MS });
      while (host.stages.length > 0 && performance.now() < deadline) {
        await sleep(LEAVE_CHECK_MS);
        if (!this.#coordinates) continue;
        const { reason } = await cluster.status({}, { deadlineMs: LEAVE_MS });
        if (reason.startsWith("placement failed")) return; // they cannot take the layers
      }
    } catch (error) {
      log.warn("the coordinator did not take our leave: {message}", {
        message: toOrreryError(error).message,
      });
    }
  }

  /** The members of the cluster and the deployment that serves, as far as this node knows. */
  async status(): Promise<ClusterStatus> {
    const { system, host } = this.#options;
    try {
      return await system.at(clusterActor, CLUSTER).status({}, { deadlineMs: STATUS_MS });
    } catch (error) {
      const { adopted: deployment } = host;
      if (!this.#searching || !deployment) throw error;
      return { members: deployment.members, deployment, reason: this.#vacancy(), health: [] };
    }
  }

  /** Asks the coordinator to take this node as a member. Throws group `cluster`, `join_failed`. */
  async #ask(term: CoordinatorPlace): Promise<void> {
    const { system } = this.#options;
    try {
      const joined: { deployments?: string[] } = await system.at(clusterActor, CLUSTER)
        .join(memberOf(this.#options), { deadlineMs: JOIN_MS, signal: this.#abort.signal });
      // A coordinator that remembers nothing of an earlier one would never retire its deployments.
      // One of version 1 names none.
      const { deployments } = joined;
      if (deployments && this.#joined !== term.epoch) this.#options.host.retireExcept(deployments);
    } catch (error) {
      if (!hasCode(error, "unknown_kind")) throw error;
      throw joinFailed(
        `the node at ${term.host}:${term.port} does not coordinate its cluster`,
        error,
      );
    }
    this.#joined = term.epoch;
    if (this.#noted) this.#options.host.note("");
    this.#noted = false;
    if (!this.#coordinates && !this.#abort.signal.aborted) this.#watch.follow(term.node);
  }

  /** Looks for whoever coordinates until this node is a member again. */
  #search(why: string): Promise<void> | undefined {
    if (this.#abort.signal.aborted || !this.#term) return undefined;
    return this.#searching ??= this.#look(why).finally(() => this.#searching = undefined);
  }

  async #look(why: string): Promise<void> {
    const { trust } = this.#options;
    const signal = AbortSignal.any([this.#abort.signal, this.#ended.signal]);
    const began = performance.now();
    log.info("looking for the coordinator: {why}", { why });
    for (let tries = 1; !signal.aborted && !this.#settled; tries++) {
      try {
        await trust.renewExpired();
        const term = await this.#found();
        if (signal.aborted) return;
        if (term) {
          if (this.#joined !== term.epoch) await this.follow(term);
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#notYet(error);
      }
      if (tries % TRIES_REMOVED === 0 && await this.#removed()) return;
      const long = performance.now() - began > VACANT_MS;
      if (this.#find && long && !this.#noted) this.#say(this.#vacancy());
      await sleep(SEARCH_MS);
    }
  }

  /** The coordinator that can be joined; undefined: none can yet. A server's election tells it. */
  async #found(): Promise<CoordinatorPlace | undefined> {
    const find = this.#find;
    const known = this.#term!;
    if (!find) return this.#reaches(known) ? known : undefined;
    const { signal } = this.#abort;
    const after = known.epoch;
    const found = await find(this.#places(), { withinMs: ANSWER_MS, signal, after });
    const term = found.coordinator;
    if (!term || term.epoch < known.epoch) return undefined;
    return term.epoch > known.epoch || term.node !== known.node || this.#reaches(term)
      ? term
      : undefined;
  }

  /** Whether the link to the coordinator is up: then it was interrupted, and no more. */
  #reaches({ node }: CoordinatorPlace): boolean {
    const { mailbox } = this.#options;
    return mailbox.peers().some((peer) => peer.node === node && peer.state === "up");
  }

  /** Whether this node was removed; its connections are closed then, and only this says why. */
  async #removed(): Promise<boolean> {
    const { trust, host, mailbox } = this.#options;
    const reason: unknown = await trust.renew().catch((reason) => reason);
    if (!hasCode(reason, "revoked")) return false;
    // That is for good: it stops dialling and asking, and goes on saying why it cannot answer.
    log.error("{message}", { message: reason.message });
    for (const told of [{}, ...host.allAdopted]) host.adopt(undefined, reason.message, told);
    this.#abort.abort();
    mailbox.removePeer(this.#term!.node);
    this.#options.onRemoved?.();
    return true;
  }

  /** Whether this node is a member of the coordinator that it knows, and reaches it. */
  get #settled(): boolean {
    const term = this.#term!;
    return this.#joined === term.epoch && (this.#coordinates || this.#reaches(term));
  }

  /** Says, where it serves or not, that nobody coordinates. */
  #say(what: string): void {
    this.#noted = true;
    log.warn("{what}", { what });
    this.#options.host.note(what);
  }

  #vacancy(): string {
    const { node, host, port } = this.#term!;
    return `the coordinator ${node} (${host}:${port}) does not answer, so this cluster cannot change: ` +
      "nodes cannot join and layers cannot move. Start it again, or make another node the first " +
      "with `deno task nodes promote` on one that stays";
  }

  #notYet(error: unknown): void {
    log.info("cannot join yet: {message}", { message: toOrreryError(error).message });
  }

  /** The nodes that this one knows. */
  #places(): KnownPlace[] {
    const { host, system } = this.#options;
    const known: KnownPlace[] = [
      ...(this.#term ? [this.#term] : []),
      ...(host.adopted?.members ?? []),
    ];
    return known.filter(({ node }) => node !== system.node)
      .map(({ node, host, port }) => ({ node, host, port }));
  }
}

/** This node, as its cluster lists it. */
export function memberOf(
  { system, mailbox }: Pick<MembershipOptions, "system" | "mailbox">,
): Member {
  return {
    node: system.node,
    ...mailbox.address,
    cores: navigator.hardwareConcurrency,
    memory_bytes: memoryOfMachine(),
  };
}

function joinFailed(message: string, cause?: unknown): OrreryError {
  return new OrreryError({ group: "cluster", code: "join_failed", message, cause });
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
