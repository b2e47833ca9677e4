/**
 * Everything that a mailbox knows about one peer: the window and connection towards it, and what
 * came from it.
 *
 * @module
 */
import type { Envelope, NodeId, OrreryError } from "../../actors/system/mod.ts";
import type { MailboxTls } from "./connect.ts";
import { Dialer, type DialerOwner } from "./dialer.ts";
import { mailboxError } from "./errors.ts";
import type { MailboxLimits } from "./limits.ts";
import { type Bye, encodeEnvelope, type Hello, type Welcome } from "./wire.ts";
import { ResendWindow } from "./window.ts";

/**
 * `connecting`: sends are queued; `up`: they flow; `lost`: they are refused until the peer is back.
 */
export type PeerState = "connecting" | "up" | "lost";

/** A peer as {@linkcode Mailbox.peers} lists it. */
export interface PeerStats {
  /** Node at the other end. */
  node: NodeId;
  /** State of the link to it. */
  state: PeerState;
  /** Host dialled next or now; undefined while it is not known where the peer listens. */
  host?: string;
  /** Port that goes with `host`. */
  port?: number;
  /** The life of the peer that was seen last. */
  incarnation?: number;
  /** Last HTTP/2 ping there and back, milliseconds. */
  rttMs?: number;
  /** Envelopes accepted for sending. */
  sent: number;
  /** Envelopes received, each counted once. */
  received: number;
  /** Bytes of messages written, framing and resent ones included. */
  bytesSent: number;
  /** Bytes of messages read, framing and duplicates included. */
  bytesReceived: number;
  /** Envelopes sent or due that it has not acknowledged. */
  queued: number;
  /** Encoded bytes of the `queued` envelopes. */
  queuedBytes: number;
  /** Sends that wait for room in the window. */
  waiting: number;
  /** Envelopes written again after a reconnection. */
  resent: number;
  /** Envelopes that came a second time and were dropped. */
  duplicates: number;
  /** Times that an established connection was made anew. */
  reconnects: number;
  /** Why the link is not up, or did not come up; undefined once it is. */
  lastError?: string;
}

interface Place {
  host: string;
  port: number;
}

/** What came from the peer on its own streams; survives reconnections. */
interface Inbox {
  incarnation: number;
  link: number;
  /** Highest seq received. */
  received: number;
  /** Ends the stream in use. */
  close?: () => void;
}

/** What a {@linkcode Peer} needs from its mailbox. */
export interface PeerOwner {
  node: NodeId;
  incarnation: number;
  limits: MailboxLimits;
  tls?: MailboxTls;
  advertised(): { host: string; port: number };
  peerLost(peer: NodeId, reason: string, undelivered: Envelope[]): void;
  changed(peer: NodeId, state: PeerState): void;
}

/** See the module's text. */
export class Peer implements DialerOwner {
  readonly window: ResendWindow;
  inbox?: Inbox;
  readonly counters = {
    sent: 0,
    received: 0,
    bytesSent: 0,
    bytesReceived: 0,
    resent: 0,
    duplicates: 0,
  };
  readonly #owner: PeerOwner;
  readonly #dialer: Dialer;
  /**
   * Where `addPeer` said that it listens, and where its hello says so. Dialled in turns until one
   * answers.
   */
  #configured?: Place;
  #learned?: Place;
  #turn = 0;
  #incarnation?: number;
  #state: PeerState = "connecting";
  #link = 1;
  #ups = 0;
  /** Has the loss been told, with nothing heard since? */
  #mourned = false;
  #rttMs?: number;
  #lastError?: string;
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
  /** Where the peer listens, from `addPeer`: connections are tried for ever. */
  place(host: string, port: number): void {
    const before = this.#configured ?? this.#learned;
    this.#configured = { host, port };
    if (!before || (before.host === host && before.port === port)) return;
    this.#turn = 0;
    this.#dialer.stop();
    this.down(mailboxError("peer_lost", `node ${this.id} moved to ${host}:${port}`));
  }

  /** Makes the connection and keeps it. */
  connect(): void {
    if (this.#state === "connecting" && this.#away === undefined) this.#watch();
    this.#dialer.start();
  }

  /** See `Transport.send`. */
  send(envelope: Envelope, signal?: AbortSignal): Promise<void> {
    if (this.#state === "lost") {
      throw mailboxError(
        "peer_lost",
        `node ${this.id} is gone (${this.#lastError ?? "no connection"})`,
        {
          peer: this.id,
        },
      );
    }
    const frame = encodeEnvelope(envelope, this.limits.maxMessageBytes);
    return this.window.add(frame, signal, () => {
      this.counters.sent++;
      this.#dialer.flush();
    });
  }

  /**
   * A stream from the peer said hello: takes note, and returns how far its messages have come.
   * Throws `protocol`.
   */
  greet(hello: Hello, close: () => void): Inbox {
    const old = this.inbox;
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
    const same = this.inbox?.incarnation === hello.incarnation && this.inbox.link === hello.link;
    const received = same ? this.inbox!.received : hello.base - 1;
    this.inbox?.close?.();
    const inbox: Inbox = { incarnation: hello.incarnation, link: hello.link, received, close };
    this.inbox = inbox;
    this.#mourned = false;
    if (hello.host && hello.port) this.#learned = { host: hello.host, port: hello.port };
    this.connect();
    return inbox;
  }

  /** The peer is gone: tells the owner, starts the sequences to it afresh. */
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
    if (this.#mourned && undelivered.length === 0) return;
    this.#mourned = true;
    this.#owner.peerLost(this.id, reason, undelivered);
  }

  /** Waits until everything is acknowledged, then says farewell. */
  async leave(deadline: Promise<void>): Promise<void> {
    if (this.#state !== "lost") await Promise.race([this.window.drained(), deadline]);
    const inbox = this.inbox;
    inbox?.close?.();
    const took = inbox && { link: inbox.link, seq: inbox.received };
    await Promise.race([this.#dialer.bye({ t: "bye", took }), deadline]);
  }

  /** Resolves when the connection that was dropped is closed. */
  ended(): Promise<void> {
    return this.#dialer.ended();
  }

  /**
   * Drops connections and timers; waiting sends are rejected, the unacknowledged envelopes
   * returned.
   */
  drop(error: OrreryError): Envelope[] {
    clearTimeout(this.#away);
    this.#dialer.stop();
    this.inbox?.close?.();
    return this.window.reset(error);
  }

  stats(): PeerStats {
    return {
      node: this.id,
      state: this.#state,
      ...this.address(),
      incarnation: this.#incarnation,
      rttMs: this.#rttMs,
      ...this.counters,
      queued: this.window.size,
      queuedBytes: this.window.bytes,
      waiting: this.window.waiting,
      reconnects: Math.max(0, this.#ups - 1),
      lastError: this.#lastError,
    };
  }

  address(): Place | undefined {
    const places = [this.#configured, this.#learned].filter((place) => place !== undefined);
    return places[this.#turn % places.length];
  }

  hello(): Hello {
    return {
      t: "hello",
      v: 1,
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
    // A restart makes the sequence start afresh, so the hello just sent no longer holds: #meet has
    // dialled again.
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
    this.#mourned = false;
    this.#lastError = undefined;
    this.#enter("up");
  }

  down(error: OrreryError): void {
    this.#lastError = error.message;
    if (this.#state !== "up") {
      this.#turn++;
      return;
    }
    this.#enter("connecting");
    this.#watch();
  }

  rtt(ms: number): void {
    this.#rttMs = ms;
  }

  /** The peer said farewell. */
  left({ took }: Bye): void {
    if (took?.link === this.#link && this.window.plausible(took.seq)) {
      this.window.acknowledge(took.seq);
    }
    this.lose("left");
  }

  wrote(bytes: number): void {
    this.counters.bytesSent += bytes;
  }

  /** Notes the peer's incarnation; true if it is another life than before. */
  #meet(incarnation: number): boolean {
    const before = this.#incarnation;
    this.#incarnation = incarnation;
    if (before === undefined || before === incarnation) return false;
    this.inbox?.close?.();
    this.inbox = undefined;
    this.lose("restarted", "connecting");
    return true;
  }

  #enter(state: PeerState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#owner.changed(this.id, state);
  }

  /** From now on the peer is away; too long, and it is lost. */
  #watch(): void {
    clearTimeout(this.#away);
    const ms = this.limits.peerTimeoutMs;
    this.#away = setTimeout(() => {
      this.#away = undefined;
      this.lose(`unreachable for ${ms} ms${this.#lastError ? ` (${this.#lastError})` : ""}`);
    }, ms);
  }
}
