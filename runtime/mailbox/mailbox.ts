/**
 * A node's mailbox over HTTP/2: an actor `Transport` with its server, its peers and their
 * statistics.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Envelope, NodeId, Transport, TransportHandlers } from "../../actors/system/mod.ts";
import type { MailboxTls } from "./connect.ts";
import { mailboxError } from "./errors.ts";
import { type MailboxLimits, mailboxLimitsSchema } from "./limits.ts";
import { Peer, type PeerState, type PeerStats } from "./peer.ts";
import { MailboxServer } from "./server.ts";
import type { Hello } from "./wire.ts";

const log = getLogger(["orrery", "mailbox"]);

/** Options of {@linkcode createMailbox}. */
export interface MailboxOptions {
  /** Name of this node, unlike any peer's. */
  node: NodeId;
  /** Interface to listen on. @default "127.0.0.1" */
  host?: string;
  /** Port to listen on; 0 takes a free one. @default 0 */
  port?: number;
  /** Host that peers are told to dial. @default `host` */
  advertiseHost?: string;
  /** Port that peers are told to dial. @default the port listened on */
  advertisePort?: number;
  /** Tells this life of the node from earlier ones; must grow. @default the time in microseconds */
  incarnation?: number;
  /** Peers known from the start. */
  peers?: { node: NodeId; host: string; port: number }[];
  /** Bounds that differ from the defaults of {@linkcode MailboxLimits}. @default {} */
  limits?: Partial<MailboxLimits>;
  /** Mutual TLS; without it the links are cleartext. */
  tls?: MailboxTls;
  /** May a peer that was never added connect? @default nobody */
  accept?: (hello: Hello) => boolean;
}

/** Counters of a whole mailbox. */
export interface MailboxStats {
  /** Connections from peers now open. */
  connections: number;
  /** Requests, streams and frames that broke the protocol. */
  protocolErrors: number;
  /** Hellos from nodes that are not welcome. */
  refused: number;
}

/** Told when a peer's link comes up, breaks or is lost. */
export type PeerListener = (event: { node: NodeId; state: PeerState | "removed" }) => void;

/** A {@linkcode Transport} over HTTP/2. */
export interface Mailbox extends Transport {
  /** Where peers can reach this mailbox. */
  readonly address: { host: string; port: number };
  /** Port that it listens on, which differs from the address's behind a forwarder. */
  readonly port: number;
  /** This life of the node: larger than that of any earlier one. */
  readonly incarnation: number;
  /**
   * Names a peer and where it listens (again: moves it). Its link is kept up until `removePeer`.
   */
  addPeer(node: NodeId, host: string, port: number): void;
  /** Forgets a peer; `peerLost` is told what it did not acknowledge. */
  removePeer(node: NodeId): void;
  /** One entry a peer, in the order in which they became known. */
  peers(): PeerStats[];
  /** Counters since the mailbox was made. */
  stats(): MailboxStats;
  /**
   * Flushes and says farewell within the deadline (2 s if left out); 0 drops everything at once, as
   * a crash would.
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
  /** Returns what unsubscribes. */
  on(event: "peer", listener: PeerListener): () => void;
}

/**
 * Listens and returns the mailbox; links are made once `start` is called. Rejects with the system's
 * error when it cannot listen (`EADDRINUSE`).
 *
 * Reliability: each peer is sent a numbered sequence over one stream; what it has not acknowledged
 * is kept (bounded by `limits.windowBytes` and `windowMessages`, `send` waits) and sent again after
 * a reconnection, and what comes twice is dropped. A peer that restarts, leaves, or is away for
 * `limits.peerTimeoutMs` is reported with `peerLost`, and its sequence starts afresh.
 */
export async function createMailbox(options: MailboxOptions): Promise<Mailbox> {
  const limits = mailboxLimitsSchema.parse(options.limits ?? {});
  const host = options.host ?? "127.0.0.1";
  const mailbox = new Http2Mailbox(options, limits);
  const port = mailbox.port = await mailbox.server.listen(host, options.port ?? 0);
  mailbox.address = { host: options.advertiseHost ?? host, port: options.advertisePort ?? port };
  for (const peer of options.peers ?? []) mailbox.addPeer(peer.node, peer.host, peer.port);
  return mailbox;
}

class Http2Mailbox implements Mailbox {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly limits: MailboxLimits;
  readonly tls?: MailboxTls;
  readonly server: MailboxServer;
  address = { host: "", port: 0 };
  port = 0;
  readonly #accept: (hello: Hello) => boolean;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #listeners = new Set<PeerListener>();
  readonly #counters = { protocolErrors: 0, refused: 0 };
  #handlers?: TransportHandlers;
  #closing?: Promise<void>;

  constructor(options: MailboxOptions, limits: MailboxLimits) {
    this.node = options.node;
    this.incarnation = options.incarnation ??
      Math.round((performance.timeOrigin + performance.now()) * 1000);
    this.limits = limits;
    this.tls = options.tls;
    this.#accept = options.accept ?? (() => false);
    this.server = new MailboxServer({
      node: this.node,
      incarnation: this.incarnation,
      limits,
      tls: options.tls,
      admit: (hello) => this.#admit(hello),
      receive: (from, envelope) => this.#receive(from, envelope),
      offended: (error) => {
        if (error.code === "unknown_peer") this.#counters.refused++;
        else this.#counters.protocolErrors++;
        // Peers that have not heard of our leaving yet dial until they do.
        log[this.#closing ? "debug" : "warn"]("refused input at node {node}: {error}", {
          node: this.node,
          error: error.message,
        });
      },
    });
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    for (const peer of this.#peers.values()) this.#connect(peer);
  }

  addPeer(node: NodeId, host: string, port: number): void {
    if (this.#closing) throw this.#closedError();
    if (node === this.node) {
      throw mailboxError("unknown_peer", `node ${node} cannot be its own peer`);
    }
    const peer = this.#peer(node);
    peer.place(host, port);
    this.#connect(peer);
  }

  removePeer(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (!peer) return;
    this.#peers.delete(node);
    const undelivered = peer.drop(
      mailboxError("peer_lost", `node ${node} was removed`, { peer: node }),
    );
    this.#tell({ node, state: "removed" });
    this.#handlers?.peerLost(node, "removed", undelivered);
  }

  async send(peer: NodeId, envelope: Envelope, signal?: AbortSignal): Promise<void> {
    if (this.#closing) throw this.#closedError();
    signal?.throwIfAborted();
    const known = this.#peers.get(peer);
    if (!known) {
      throw mailboxError("unknown_peer", `node ${this.node} knows no peer ${peer}`, { peer });
    }
    await known.send(envelope, signal);
  }

  peers(): PeerStats[] {
    return [...this.#peers.values()].map((peer) => peer.stats());
  }

  stats(): MailboxStats {
    return { connections: this.server.connections, ...this.#counters };
  }

  on(_event: "peer", listener: PeerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(options: { deadlineMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#close(options.deadlineMs ?? 2000);
  }

  /** Where peers are told to dial. */
  advertised(): { host: string; port: number } {
    return this.address;
  }

  peerLost(peer: NodeId, reason: string, undelivered: Envelope[]): void {
    log.info("node {node} lost peer {peer}: {reason}", { node: this.node, peer, reason });
    if (!this.#closing) this.#handlers?.peerLost(peer, reason, undelivered);
  }

  changed(node: NodeId, state: PeerState): void {
    this.#tell({ node, state });
  }

  #tell(event: Parameters<PeerListener>[0]): void {
    for (const listener of this.#listeners) listener(event);
  }

  #peer(node: NodeId): Peer {
    let peer = this.#peers.get(node);
    if (!peer) this.#peers.set(node, peer = new Peer(node, this));
    return peer;
  }

  #connect(peer: Peer): void {
    if (this.#handlers && !this.#closing) peer.connect();
  }

  #admit(hello: Hello): Peer | undefined {
    if (!this.#handlers || this.#closing) return undefined;
    if (!this.#peers.has(hello.node) && !this.#accept(hello)) return undefined;
    return this.#peer(hello.node);
  }

  #receive(from: NodeId, envelope: Envelope): void {
    try {
      this.#handlers?.receive(from, envelope);
    } catch (error) {
      log.error("handler of node {node} failed on a message from {from}: {error}", {
        node: this.node,
        from,
        error,
      });
    }
  }

  async #close(deadlineMs: number): Promise<void> {
    const peers = [...this.#peers.values()];
    if (deadlineMs > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const deadline = new Promise<void>((resolve) => timer = setTimeout(resolve, deadlineMs));
      await Promise.all(peers.map((peer) => peer.leave(deadline)));
      clearTimeout(timer);
    }
    for (const peer of peers) peer.drop(this.#closedError());
    await Promise.all(peers.map((peer) => peer.ended()));
    await this.server.close();
  }

  #closedError() {
    return mailboxError("closed", `the mailbox of node ${this.node} is closed`, {
      node: this.node,
    });
  }
}
