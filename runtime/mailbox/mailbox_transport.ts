/**
 * A node's mailbox over HTTP/2: the actor system's `Transport`, made of a server, the peers and
 * their counters.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type {
  Envelope,
  NodeId,
  OrreryError,
  Transport,
  TransportHandlers,
} from "../../actors/system/mod.ts";
import { LimitedLog } from "../limited_log.ts";
import { mailboxError } from "./errors.ts";
import { type MailboxLimits, mailboxLimitsSchema } from "./limits.ts";
import { Peer, REMOVED } from "./peer.ts";
import type { PeerState, PeerStats } from "./peer_stats.ts";
import { PROTOCOL, type ProtocolRange } from "./protocol.ts";
import { MailboxServer } from "./server.ts";
import type { MailboxTls } from "./tls.ts";
import type { Hello } from "./wire.ts";

const log = getLogger(["orrery", "mailbox"]);

/** Default deadline of `close`, milliseconds. */
const CLOSE_MS = 2000;

/** Options of {@linkcode createMailbox}. */
export interface MailboxOptions {
  /** Name of this node; no peer may have the same. */
  node: NodeId;
  /** Host name or IP address to listen on. @default "127.0.0.1" */
  host?: string;
  /** Port to listen on; 0 takes a free one. @default 0 */
  port?: number;
  /** Host that peers are told to dial. @default `host` */
  advertiseHost?: string;
  /** Port that peers are told to dial. @default the port listened on */
  advertisePort?: number;
  /**
   * Number of this life of the node, larger than that of every earlier life. Peers tell by it that
   * a node restarted. @default the time in microseconds
   */
  incarnation?: number;
  /** Peers that are known from the start, and where each listens. @default none */
  peers?: { node: NodeId; host: string; port: number }[];
  /** Bounds that differ from the defaults of {@linkcode MailboxLimits}. @default {} */
  limits?: Partial<MailboxLimits>;
  /**
   * Certificates, and the judgement of others' certificates: every link is mutual TLS 1.3. Without
   * it links are cleartext, and whoever reaches the port is believed: for programs that need no
   * protection, never for nodes.
   */
  tls?: MailboxTls;
  /**
   * Versions of the protocol to speak. Tests speak older ones.
   * @default those that this program knows
   */
  protocol?: ProtocolRange;
  /**
   * Epoch of an address's owner, as this node knows it now. Messages of peers whose version names no
   * epochs get it. @default they keep the epoch that they came with
   */
  epochOf?: (to: string) => number;
  /** Returns true if a peer that was never added may connect. @default no such peer may */
  accept?: (hello: Hello) => boolean;
}

/** Counters of a whole mailbox. */
export interface MailboxStats {
  /** Open connections from other nodes. */
  connections: number;
  /** Requests, streams and frames that broke the protocol, since the mailbox was made. */
  protocolErrors: number;
  /** Hellos of nodes that are not accepted, since the mailbox was made. */
  refused: number;
  /** Connections without a good certificate that asked for more than to join, or were idle. */
  untrusted: number;
}

/** Called when a peer's link comes up, breaks or is lost, and when the peer is removed. */
export type PeerListener = (event: { node: NodeId; state: PeerState | "removed" }) => void;

/** A {@linkcode Transport} over HTTP/2. */
export interface MailboxTransport extends Transport {
  /** Where peers are told to reach this mailbox. */
  readonly address: { host: string; port: number };
  /** Port that it listens on; differs from the port of `address` behind a forwarder. */
  readonly port: number;
  /** Number of this life of the node, see {@linkcode MailboxOptions.incarnation}. */
  readonly incarnation: number;
  /**
   * Adds a peer that listens at `host:port`, or moves a known peer there. The link to it is kept up
   * until `removePeer`. Throws `closed`, and `unknown_peer` for this node's own name.
   */
  addPeer(node: NodeId, host: string, port: number): void;
  /** Forgets a peer; `peerLost` gets the envelopes that it did not acknowledge. */
  removePeer(node: NodeId): void;
  /**
   * The peer is known to be gone: it is reported as lost now, unless its link is up, and what waits
   * for it fails. It is dialled on, as any lost peer.
   */
  giveUp(node: NodeId, reason: string): void;
  /** State and counters of each peer, in the order in which they became known. */
  peers(): PeerStats[];
  /** Milliseconds since bytes last came from a peer; undefined: none have in this life of it. */
  silentMs(node: NodeId): number | undefined;
  /**
   * Whether the peer's machine refuses connections where the peer was reached last: then nobody
   * listens there. False for an unknown peer, and where that is not known within `deadlineMs`.
   */
  refuses(node: NodeId, deadlineMs: number): Promise<boolean>;
  /** Counters of the whole mailbox. */
  stats(): MailboxStats;
  /**
   * Sends what is queued, says bye to the peers and closes, all within `deadlineMs` milliseconds. 0
   * drops everything at once, as a crash would. @default 2000
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
  /** Subscribes to changes of links. Returns the function that ends the subscription. */
  on(event: "peer", listener: PeerListener): () => void;
}

/**
 * Listens and returns the mailbox; it connects to its peers once `start` is called. Rejects with
 * the operating system's error if it cannot listen (`EADDRINUSE`).
 *
 * Reliability: each peer is sent a numbered sequence of messages over one stream. Messages that it
 * has not acknowledged are kept and sent again after a reconnection; the receiver drops those that
 * come twice. `limits.windowBytes` and `windowMessages` bound what is kept, and `send` waits beyond
 * them. A peer that restarts, leaves or is away for `limits.peerTimeoutMs` is reported with
 * `peerLost`, and the sequence to it starts again.
 */
export async function createMailbox(options: MailboxOptions): Promise<MailboxTransport> {
  const limits = mailboxLimitsSchema.parse(options.limits ?? {});
  const host = options.host ?? "127.0.0.1";
  const mailbox = new Http2Mailbox(options, limits);
  const port = mailbox.port = await mailbox.server.listen(host, options.port ?? 0);
  mailbox.address = { host: options.advertiseHost ?? host, port: options.advertisePort ?? port };
  for (const peer of options.peers ?? []) mailbox.addPeer(peer.node, peer.host, peer.port);
  return mailbox;
}

class Http2Mailbox implements MailboxTransport {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly limits: MailboxLimits;
  readonly protocol: ProtocolRange;
  readonly tls?: MailboxTls;
  readonly server: MailboxServer;
  /** Both are set once the server listens. */
  address = { host: "", port: 0 };
  port = 0;
  readonly #accept: (hello: Hello) => boolean;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #listeners = new Set<PeerListener>();
  readonly #counters = { protocolErrors: 0, refused: 0, untrusted: 0 };
  /** Bounds the lines about what broke the protocol. */
  readonly #offences = new LimitedLog();
  /** Ends the subscription to changes of certificates. */
  #unsubscribe?: () => void;
  /** Undefined before `start`. */
  #handlers?: TransportHandlers;
  /** The result of `close`; undefined before it is called. */
  #closing?: Promise<void>;

  constructor(options: MailboxOptions, limits: MailboxLimits) {
    this.node = options.node;
    this.incarnation = options.incarnation ??
      Math.round((performance.timeOrigin + performance.now()) * 1000);
    this.limits = limits;
    this.protocol = options.protocol ?? PROTOCOL;
    this.tls = options.tls;
    this.#accept = options.accept ?? (() => false);
    this.server = new MailboxServer({
      node: this.node,
      incarnation: this.incarnation,
      limits,
      inflow: { bytes: 0 },
      protocol: this.protocol,
      tls: options.tls,
      epochOf: options.epochOf,
      admit: (hello) => this.#admit(hello),
      receive: (from, envelope) => this.#receive(from, envelope),
      untrusted: (error) => {
        this.#counters.untrusted++;
        log[this.#closing ? "debug" : "warn"]("refused input at node {node}: {error}", {
          node: this.node,
          error: error.message,
        });
      },
      offended: (error) => {
        if (error.code === "unknown_peer") this.#counters.refused++;
        else if (error.code === "untrusted") this.#counters.untrusted++;
        else this.#counters.protocolErrors++;
        const { write, leftOut } = this.#offences.take(error.code);
        if (!write) return;
        // A peer that has not got the bye yet goes on dialling, which is no reason for a warning.
        log[this.#closing ? "debug" : "warn"]("refused input at node {node}: {error}{more}", {
          node: this.node,
          error: error.message,
          more: leftOut > 0 ? ` (and ${leftOut} times more since the last such line)` : "",
        });
      },
    });
    this.#unsubscribe = options.tls?.subscribe(({ revoked }) => {
      for (const node of revoked) {
        log.warn("the certificates of node {peer} are revoked: its link is cut", { peer: node });
        this.removePeer(node);
      }
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
    this.#handlers?.peerLost(node, REMOVED, undelivered);
  }

  giveUp(node: NodeId, reason: string): void {
    this.#peers.get(node)?.giveUp(reason);
  }

  async send(peer: NodeId, envelope: Envelope, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#known(peer).send(envelope, signal);
  }

  trySend(peer: NodeId, envelope: Envelope): boolean {
    return this.#known(peer).trySend(envelope);
  }

  refused(peer: NodeId): void {
    const known = this.#peers.get(peer);
    if (known) known.counters.refused++;
  }

  peers(): PeerStats[] {
    return [...this.#peers.values()].map((peer) => peer.stats());
  }

  silentMs(node: NodeId): number | undefined {
    return this.#peers.get(node)?.silentMs();
  }

  async refuses(node: NodeId, deadlineMs: number): Promise<boolean> {
    return await this.#peers.get(node)?.refuses(deadlineMs) ?? false;
  }

  stats(): MailboxStats {
    return { connections: this.server.connections, ...this.#counters };
  }

  on(_event: "peer", listener: PeerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(options: { deadlineMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#close(options.deadlineMs ?? CLOSE_MS);
  }

  /** Where peers are told to dial; part of the hello. */
  advertised(): { host: string; port: number } {
    return this.address;
  }

  peerLost(peer: NodeId, reason: string, undelivered: Envelope[]): void {
    log.info("node {node} lost peer {peer}: {reason}", { node: this.node, peer, reason });
    if (!this.#closing) this.#handlers?.peerLost(peer, reason, undelivered);
  }

  incompatible(error: OrreryError): void {
    const { write } = this.#offences.take(`dialled ${error.message}`);
    if (write) {
      log.warn("no link from node {node}: {error}", { node: this.node, error: error.message });
    }
  }

  changed(node: NodeId, state: PeerState): void {
    this.#tell({ node, state });
  }

  #tell(event: Parameters<PeerListener>[0]): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** A peer to send to. Throws `closed` and `unknown_peer`. */
  #known(peer: NodeId): Peer {
    if (this.#closing) throw this.#closedError();
    const known = this.#peers.get(peer);
    if (!known) {
      throw mailboxError("unknown_peer", `node ${this.node} knows no peer ${peer}`, { peer });
    }
    return known;
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
    this.#unsubscribe?.();
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
