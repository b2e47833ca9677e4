/**
 * One peer of a mailbox: the window and the connection towards it, and how far its own messages
 * have come.
 *
 * @module
 */
import type { Envelope, NodeId, OrreryError } from "../../actors/system/mod.ts";
import { Dialer, type DialerOwner } from "./dialer.ts";
import { mailboxError } from "./errors.ts";
import { isRefused } from "./knock.ts";
import type { MailboxLimits } from "./limits.ts";
import { LinkMeter } from "./link_meter.ts";
import type { PeerState, PeerStats } from "./peer_stats.ts";
import { commonVersion, type ProtocolRange } from "./protocol.ts";
import type { MailboxTls } from "./tls.ts";
import { type Bye, encodeEnvelope, type Hello, type Welcome } from "./wire.ts";
import { ResendWindow } from "./window.ts";

/** Why a peer is lost that said goodbye. */
export const LEFT = "left";
/** Why a peer is lost that was removed here. */
export const REMOVED = "removed";

/** Where a peer listens. */
interface DialTarget {
  host: string;
  port: number;
}

/** How far the peer's messages have come on its own streams; outlives reconnections. */
export interface InboundLink {
  /** Life of the peer that sends. */
  incarnation: number;
  /** Number that the peer gave this sequence of messages. */
  link: number;
  /** Highest seq received; 0 before the first message of a sequence. */
  received: number;
  /** Ends the stream in use; undefined while there is none. */
  close?: () => void;
}

/** What a {@linkcode Peer} needs from its mailbox. */
export interface PeerOwner {
  /** Name of this node. */
  node: NodeId;
  /** Life of this node. */
  incarnation: number;
  limits: MailboxLimits;
  /** The versions that this node speaks. */
  protocol: ProtocolRange;
  /** Undefined: links are cleartext. */
  tls?: MailboxTls;
  /** Where peers are told to reach this node. */
  advertised(): { host: string; port: number };
  /** Called when a peer is lost, with the envelopes that it did not acknowledge. */
  peerLost(peer: NodeId, reason: string, undelivered: Envelope[]): void;
  /** Called when this node and a peer speak no common version, at each attempt to connect. */
  incompatible(error: OrreryError): void;
  /** Called when the link to a peer changes its state. */
  changed(peer: NodeId, state: PeerState): void;
}

/** See the module's text. */
export class Peer implements DialerOwner {
  /** Envelopes to the peer that it has not acknowledged. */
  readonly window: ResendWindow;
  /** The peer's messages to this node; undefined before its first hello and after its restart. */
  inbound?: InboundLink;
  readonly counters = {
    sent: 0,
    received: 0,
    bytesSent: 0,
    bytesReceived: 0,
    resent: 0,
    duplicates: 0,
    refused: 0,
  };
  /** What the traffic shows of the link. */
  readonly meter = new LinkMeter(performance.now());
  readonly #owner: PeerOwner;
  readonly #dialer: Dialer;
  /**
   * Where `addPeer` said that the peer listens, and where its hello says so. The two are dialled in
   * turns until one answers.
   */
  #configured?: DialTarget;
  #learned?: DialTarget;
  /** Failed attempts so far: chooses between the two targets. */
  #turn = 0;
  /** Life of the peer that was seen last. */
  #incarnation?: number;
  #state: PeerState = "connecting";
  /** Number of the sequence of messages to the peer; grows when the sequence starts again. */
  #link = 1;
  /** How often the connection was established. */
  #ups = 0;
  /** true after the loss was reported, until the peer is heard of again. */
  #lossReported = false;
  /** See {@linkcode PeerStats}. */
  #rttMs?: number;
  #version?: number;
  #lastError?: string;
  /** `performance.now()` when bytes last came from the peer; undefined: none have. */
  #heardAt?: number;
  /** Where the last connection that was established led to. */
  #reached?: DialTarget;
  /** Reports the peer as lost; set while it cannot be reached. */
  #away?: ReturnType<typeof setTimeout>;

  constructor(readonly id: NodeId, owner: PeerOwner) {
    this.#owner = owner;
    this.window = new ResendWindow(owner.limits);
    this.#dialer = new Dialer(this);
  }

  get limits(): MailboxLimits {
    return this.#owner.limits;
  }

  get tls(): MailboxTls | undefined {
    return this.#owner.tls;
  }

  /** Call it when bytes came from the peer, on whichever connection. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Milliseconds since bytes last came from the peer; undefined: none have. */
  silentMs(): number | undefined {
    return this.#heardAt === undefined ? undefined : performance.now() - this.#heardAt;
  }

  /** Whether the peer's machine refuses connections where the peer was reached last. */
  async refuses(deadlineMs: number): Promise<boolean> {
    const target = this.#reached ?? this.address();
    return target !== undefined && await isRefused(target.host, target.port, deadlineMs);
  }

  /** Sets where the peer listens, from `addPeer`. Such a peer is dialled for ever. */
  place(host: string, port: number): void {
    const before = this.#configured ?? this.#learned;
    this.#configured = { host, port };
    if (!before || (before.host === host && before.port === port)) return;
    this.#turn = 0;
    this.#dialer.stop();
    this.down(mailboxError("peer_lost", `node ${this.id} moved to ${host}:${port}`));
  }

  /** Connects and keeps the connection up. */
  connect(): void {
    if (this.#state === "connecting" && this.#away === undefined) this.#watch();
    this.#dialer.start();
  }

  /** See `Transport.send`. Throws `peer_lost`, `too_large`, `unencodable`, `protocol`. */
  send(envelope: Envelope, signal?: AbortSignal): Promise<void> {
    return this.window.add(this.#encoded(envelope), signal, () => this.#admitted());
  }

  /** See `Transport.trySend`. Throws as {@linkcode Peer.send} does. */
  trySend(envelope: Envelope): boolean {
    if (!this.window.tryAdd(this.#encoded(envelope))) return false;
    this.#admitted();
    return true;
  }

  #encoded(envelope: Envelope): Uint8Array {
    if (this.#state !== "lost") return encodeEnvelope(envelope, this.limits.maxMessageBytes);
    throw mailboxError(
      "peer_lost",
      `node ${this.id} is gone (${this.#lastError ?? "no connection"})`,
      { peer: this.id },
    );
  }

  #admitted(): void {
    this.counters.sent++;
    this.#dialer.flush();
  }

  /**
   * Called when a stream from the peer said hello: returns how far the peer's messages have come,
   * and closes the stream that was in use. Throws `protocol` (group `mailbox`) for the hello of an
   * earlier life or link.
   *
   * @param close Ends the new stream.
   */
  greet(hello: Hello, close: () => void): InboundLink {
    const old = this.inbound;
    if (old && hello.incarnation < old.incarnation && old.close) {
      throw mailboxError("protocol", `node ${this.id} is connected with a later incarnation`);
    }
    if (old?.incarnation === hello.incarnation && hello.link < old.link) {
      throw mailboxError(
        "protocol",
        `hello for link ${hello.link} of node ${this.id}, which is at link ${old.link}`,
      );
    }
    this.#meet(hello.incarnation);
    const { incarnation, link } = hello;
    const same = this.inbound?.incarnation === incarnation && this.inbound.link === link;
    const received = same ? this.inbound!.received : hello.base - 1;
    this.inbound?.close?.();
    const inbound: InboundLink = { incarnation, link, received, close };
    this.inbound = inbound;
    this.#lossReported = false;
    if (old?.incarnation === incarnation && link > old.link) {
      // What the peer had not sent is dropped, answers among it: nobody must wait for them.
      this.#owner.peerLost(this.id, "it had given the link up", []);
    }
    if (hello.host && hello.port) this.#learned = { host: hello.host, port: hello.port };
    this.connect();
    return inbound;
  }

  /**
   * Called when the peer is gone: reports it to the owner and starts a new sequence of messages.
   *
   * @param next State of the link from now on: `connecting` for a peer that restarted.
   */
  lose(reason: string, next: PeerState = "lost"): void {
    const undelivered = this.window.reset(
      mailboxError("peer_lost", `node ${this.id} is gone: ${reason}`, { peer: this.id }),
    );
    this.#link++;
    this.#lastError = reason;
    clearTimeout(this.#away);
    this.#away = undefined;
    this.#enter(next);
    if (next === "connecting") {
      this.#watch();
      this.#dialer.restart();
    } else if (this.#configured) this.#dialer.restart();
    else this.#dialer.stop();
    if (this.#lossReported && undelivered.length === 0) return;
    this.#lossReported = true;
    this.#owner.peerLost(this.id, reason, undelivered);
  }

  /** See `MailboxTransport.giveUp`. */
  giveUp(reason: string): void {
    if (this.#state === "connecting") this.lose(reason);
  }

  /**
   * Says bye when everything is written; the peer then acknowledges what it got. Where a connection
   * breaks before, what it did not get is sent again, and bye is said anew. All ends at the
   * deadline.
   */
  async leave(deadline: Promise<void>): Promise<void> {
    let late = false;
    void deadline.then(() => late = true);
    do {
      if (this.#state !== "lost") {
        const { window } = this;
        await Promise.race([this.#dialer.up ? window.written() : window.drained(), deadline]);
      }
      const inbound = this.inbound;
      inbound?.close?.();
      const took = inbound && { link: inbound.link, seq: inbound.received };
      await Promise.race([this.#dialer.bye({ t: "bye", took }), deadline]);
    } while (!late && this.#state !== "lost" && this.window.size > 0);
  }

  /** Resolves when the connection that {@linkcode Peer.drop} ended is closed. */
  ended(): Promise<void> {
    return this.#dialer.ended();
  }

  /**
   * Ends connections and timers and rejects the sends that wait with `error`. Returns the envelopes
   * that the peer did not acknowledge.
   */
  drop(error: OrreryError): Envelope[] {
    clearTimeout(this.#away);
    this.#dialer.stop();
    this.inbound?.close?.();
    return this.window.reset(error);
  }

  /** See `MailboxTransport.peers`. */
  stats(): PeerStats {
    return {
      node: this.id,
      state: this.#state,
      ...this.address(),
      incarnation: this.#incarnation,
      rttMs: this.#rttMs,
      link: this.meter.figures(performance.now()),
      version: this.#version,
      ...this.counters,
      queued: this.window.size,
      queuedBytes: this.window.bytes,
      waiting: this.window.waiting,
      reconnects: Math.max(0, this.#ups - 1),
      lastError: this.#lastError,
    };
  }

  address(): DialTarget | undefined {
    const targets = [this.#configured, this.#learned].filter((target) => target !== undefined);
    return targets[this.#turn % targets.length];
  }

  hello(): Hello {
    return {
      t: "hello",
      v: this.#owner.protocol.lowest,
      highest: this.#owner.protocol.highest,
      node: this.#owner.node,
      incarnation: this.#owner.incarnation,
      to: this.id,
      link: this.#link,
      base: this.window.base,
      ...this.#owner.advertised(),
    };
  }

  welcome(welcome: Welcome): boolean {
    if (welcome.node !== this.id) {
      throw mailboxError(
        "protocol",
        `the node dialled is ${welcome.node}, not ${this.id}`,
      );
    }
    const { node, protocol } = this.#owner;
    const chosen = { lowest: welcome.v, highest: welcome.v };
    this.#version = commonVersion({ node, protocol }, { node: this.id, protocol: chosen });
    // After a restart of the peer a new sequence starts, so the hello just sent is out of date;
    // #meet() has dialled again.
    if (this.#meet(welcome.incarnation)) return false;
    if (!this.window.plausible(welcome.received)) {
      this.lose(
        `it claims ${welcome.received} received, sent were ${this.window.base} to ${this.window.lastSeq}`,
        "connecting",
      );
      return false;
    }
    this.counters.resent += this.window.rewind(welcome.received);
    return true;
  }

  up(): void {
    clearTimeout(this.#away);
    this.#away = undefined;
    this.#ups++;
    this.#reached = this.address();
    this.#lossReported = false;
    this.#lastError = undefined;
    this.#enter("up");
  }

  down(error: OrreryError): void {
    this.#lastError = error.message;
    if (error.code === "version") this.#owner.incompatible(error);
    if (this.#state !== "up") {
      this.#turn++;
      return;
    }
    this.#enter("connecting");
    this.#watch();
  }

  rtt(ms: number): void {
    this.#rttMs = ms;
    const { bytesSent, bytesReceived } = this.counters;
    this.meter.pinged(performance.now(), { ms, bytes: bytesSent + bytesReceived });
  }

  /** Called when the peer said bye. */
  left({ took }: Bye): void {
    if (took?.link === this.#link && this.window.plausible(took.seq)) {
      this.window.acknowledge(took.seq);
    }
    this.lose(LEFT);
  }

  wrote(bytes: number): void {
    this.counters.bytesSent += bytes;
  }

  /** Notes the peer's incarnation; returns true if it is another life than the one before. */
  #meet(incarnation: number): boolean {
    const before = this.#incarnation;
    this.#incarnation = incarnation;
    if (before === undefined || before === incarnation) return false;
    this.inbound?.close?.();
    this.inbound = undefined;
    this.lose("restarted", "connecting");
    return true;
  }

  /** Changes the state of the link and tells the owner. */
  #enter(state: PeerState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#owner.changed(this.id, state);
  }

  /** Starts the wait of `peerTimeoutMs` after which the peer is lost. */
  #watch(): void {
    clearTimeout(this.#away);
    const ms = this.limits.peerTimeoutMs;
    this.#away = setTimeout(() => {
      this.#away = undefined;
      this.lose(`unreachable for ${ms} ms${this.#lastError ? ` (${this.#lastError})` : ""}`);
    }, ms);
  }
}
