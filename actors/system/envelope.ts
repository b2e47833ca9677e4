/**
 * Envelopes: what travels between actor systems; and the two interfaces that carry and time them.
 *
 * @module
 */
import type { WireError } from "./errors.ts";

/** Name of a node: one running process of a cluster. A node that restarts has another name. */
export type NodeId = string;

/** W3C trace context of a message. */
export interface TraceContext {
  /**
   * `version-traceid-parentid-flags` in lower-case hexadecimal, as in the HTTP header of that name.
   */
  traceparent: string;
}

/**
 * One message between actor systems. All fields are CBOR encodable; typed arrays stay typed arrays.
 */
export type Envelope =
  | {
    kind: "tell" | "ask";
    /**
     * Unique per sending node: correlates an ask with its answer, and a refused tell with its
     * refusal.
     */
    id: number;
    to: string;
    /** Sending actor, or "" for the outside. */
    from: string;
    /** Name in the receiver's `messages`. */
    type: string;
    body: unknown;
    /** Milliseconds that are left when it is sent; relative, since clocks differ. */
    ttlMs?: number;
    /** Ownership epoch that the sender believes in; an activation with another epoch refuses. */
    epoch?: number;
    trace?: TraceContext;
    /** Sent without credit (the kind lists the message as urgent). */
    urgent?: true;
    /** See `AskOptions.idempotencyKey`. */
    key?: string;
  }
  | { kind: "reply"; id: number; body: unknown }
  /** A failed ask, or a tell that was refused. */
  | { kind: "error"; id: number; error: WireError }
  /** The asker no longer waits: a handler's `signal` is aborted. */
  | { kind: "cancel"; id: number }
  /**
   * The receiver took `n` messages for `to` out of its mailbox: the sender may send as many more.
   */
  | { kind: "credit"; to: string; n: number };

/** What a transport tells its actor system. */
export interface TransportHandlers {
  /** An envelope from a peer, in the order in which the peer sent them, each exactly once. */
  receive(from: NodeId, envelope: Envelope): void;
  /**
   * The peer is gone for good: it restarted (another incarnation) or stayed away longer than the
   * resend window allows. `undelivered` are the envelopes that it never acknowledged.
   */
  peerLost(peer: NodeId, reason: string, undelivered: Envelope[]): void;
}

/**
 * Reliable ordered delivery between nodes. In process: `actors/system/local_transport.ts`; over
 * HTTP/2: `runtime/mailbox/`.
 */
export interface Transport {
  /** This node, as its peers name it. */
  readonly node: NodeId;
  /** Called once, before anything is sent. */
  start(handlers: TransportHandlers): void;
  /**
   * Resolves when the envelope has a place in the bounded resend window (not when it is delivered).
   * Order of calls is order of delivery. Rejects with group `mailbox`: `unknown_peer`, `too_large`
   * (metadata: `bytes`, `limit`), `peer_lost`, `closed`, or with the signal's reason.
   */
  send(peer: NodeId, envelope: Envelope, signal?: AbortSignal): Promise<void>;
  /**
   * As `send`, if there is a place now: true. False: there is none, and nothing was sent. It spares
   * a message that need not wait what waiting takes. Undefined: the transport has no such way.
   */
  trySend?(peer: NodeId, envelope: Envelope): boolean;
  /** Counts a message of this peer that it was not allowed to send. */
  refused?(peer: NodeId): void;
  /** Flushes what can be flushed within the deadline, then closes. */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

/** Time as the actors see it; the simulator's is virtual. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls `fn` once after `ms`; the returned function cancels. */
  after(ms: number, fn: () => void): () => void;
}
