/**
 * Messages on their way out of a node: finding the owner, keeping the order, waiting for credit,
 * and the asks that wait for an answer.
 *
 * @module
 */
import { LinkedAbort } from "./abort.ts";
import { Asks, type PendingAsk } from "./asks.ts";
import { SenderCredits } from "./credits.ts";
import { deliverAgain } from "./deliver_again.ts";
import type { Origin } from "./delivery.ts";
import type { Directory } from "./directory.ts";
import type { Clock, Envelope, NodeId, TraceContext, Transport } from "./envelope.ts";
import { OrreryError } from "./errors.ts";
import type { AskOptions, Message, TellOptions } from "./messages.ts";
import { notPlaced } from "./refusals.ts";
import { SendOrder } from "./send_order.ts";

/** An envelope with a message, not with an answer or a credit. */
export type MessageEnvelope = Extract<Envelope, { kind: "tell" | "ask" }>;

/** A message that somebody of this node sends. */
export interface Outgoing {
  /** Sending actor's address, or "" for the outside. */
  from: string;
  /** Receiving actor's address. */
  to: string;
  message: Message;
  trace?: TraceContext;
  /** The receiver is this node's actor, whatever the directory says of its address. */
  here?: boolean;
}

/** What {@linkcode Outbound} needs of its system. */
export interface OutboundOptions {
  transport: Transport;
  directory: Directory;
  clock: Clock;
  /** Does this message overtake others, without credit? */
  isUrgent(to: string, type: string): boolean;
  /** Puts a message into a mailbox of this node; waits for its place. */
  deliver(envelope: MessageEnvelope, origin: Origin, signal?: AbortSignal): Promise<void>;
  /**
   * As `deliver`, if there is a place now: true. False: there is none, and nothing was delivered.
   */
  tryDeliver(envelope: MessageEnvelope, origin: Origin): boolean;
  /** The asker of ask `id`, of this node, no longer waits for the actor of this node. */
  cancelHere(id: number): void;
  /** Ask `id`, of this node, has ended. */
  endedHere(id: number): void;
}

/** Milliseconds until an ask fails that states no deadline. */
const DEFAULT_ASK_MS = 30_000;

/** The sending half of an actor system. */
export class Outbound {
  readonly #options: OutboundOptions;
  readonly #asks: Asks;
  readonly #credits = new SenderCredits();
  readonly #order = new SendOrder();
  #nextId = 1;

  constructor(options: OutboundOptions) {
    this.#options = options;
    this.#asks = new Asks(options.clock);
  }

  /** See `ActorContext.tell`. */
  async tell(outgoing: Outgoing, options: TellOptions): Promise<void> {
    // Whether it was handled has to be known, so it is asked.
    if (options.idempotencyKey !== undefined) return void await this.ask(outgoing, options);
    const { deadlineMs, signal } = options;
    const envelope = this.#envelope("tell", outgoing, deadlineMs);
    signal?.throwIfAborted();
    const { id, to, type } = envelope;
    const origin: Origin = { id, kind: "tell", credited: false, resolve: nobody, reject: nobody };
    if (this.#sendNow(envelope, origin)) return;
    const wait = new LinkedAbort(signal);
    if (deadlineMs !== undefined) {
      wait.deadline(this.#options.clock, deadlineMs, () => notPlaced(to, type, deadlineMs));
    }
    try {
      await this.#inOrder(envelope, () => this.#dispatch(envelope, origin, wait.signal));
    } finally {
      wait.release();
    }
  }

  /** See `ActorContext.ask`. */
  ask(outgoing: Outgoing, options: AskOptions): Promise<unknown> {
    const { idempotencyKey: key, signal, deadlineMs = DEFAULT_ASK_MS } = options;
    if (key === undefined) return this.#askOnce(outgoing, { deadlineMs, signal });
    const { to, message: { type } } = outgoing;
    const { clock } = this.#options;
    return deliverAgain(
      (ms) => this.#askOnce(outgoing, { deadlineMs: ms, signal, key }),
      { clock, deadlineMs, signal, key, to, type },
    );
  }

  async #askOnce(
    outgoing: Outgoing,
    { deadlineMs, signal, key }: { deadlineMs: number; signal?: AbortSignal; key?: string },
  ): Promise<unknown> {
    const envelope = this.#envelope("ask", outgoing, deadlineMs);
    const { here } = outgoing;
    if (key !== undefined) envelope.key = key;
    const { id, to, type } = envelope;
    const giveUp = ({ peer }: PendingAsk) => this.#giveUp(id, peer);
    const ask = this.#asks.open(id, { to, type, deadlineMs, signal, giveUp });
    const origin: Origin = {
      id,
      kind: "ask",
      credited: false,
      resolve: (value) => this.#asks.resolve(id, value),
      reject: (error) => this.#asks.reject(id, error),
    };
    const send = () => {
      this.#inOrder(envelope, () => this.#dispatch(envelope, origin, ask.signal, { ask, here }))
        .catch((error) =>
          this.#sendAgain(envelope, ask, error, send) || this.#asks.fail(id, error)
        );
    };
    const until = this.#options.clock.now() + deadlineMs;
    ask.sentAgain = (error) => {
      envelope.ttlMs = Math.max(1, until - this.#options.clock.now());
      return isOfPeer(error) && this.#sendAgain(envelope, ask, error, send);
    };
    send();
    try {
      return await ask.answer;
    } finally {
      this.#options.endedHere(id);
    }
  }

  /**
   * Sends an ask once more that was not handled since its address has another owner, if the
   * directory knows that owner by now, or waits for it. Returns false where it was not sent: then it has failed. It
   * may come after what was sent later to the new owner.
   */
  #sendAgain(
    { to, type, epoch }: MessageEnvelope,
    ask: PendingAsk,
    error: unknown,
    send: () => void,
  ): boolean {
    if (!ask.sentAgain || !isRefusalOf(error, to, type)) return false;
    const { directory, transport } = this.#options;
    if (epoch !== undefined) directory.moved?.(to, { node: ask.peer ?? transport.node, epoch });
    let owner;
    try {
      owner = directory.resolve(to);
    } catch {
      return false;
    }
    // The send asks the directory again, and hears it. It may be refused again, and sent again
    // then: what the directory waits for takes time, which the ask's deadline ends.
    if (owner instanceof Promise) owner.catch(() => {});
    else if (owner.epoch === epoch && owner.node === (ask.peer ?? transport.node)) return false;
    else ask.sentAgain = undefined;
    send();
    return true;
  }

  /** A peer answered ask `id`. Returns false where it was not asked that. */
  answered(peer: NodeId, id: number, body: unknown): boolean {
    return this.#asks.resolve(id, body, peer);
  }

  /**
   * A peer refused message `id`, or its handler failed. Returns false where no ask to this peer
   * waits for it.
   */
  failed(peer: NodeId, id: number, error: OrreryError): boolean {
    return this.#asks.reject(id, error, peer);
  }

  /** A peer gave back `n` credits for messages to the actor `to`. */
  credited(peer: NodeId, to: string, n: number): void {
    this.#credits.give(peer, to, n);
  }

  /** Ends with `error` whatever waits for this peer. */
  lost(peer: NodeId, error: OrreryError): void {
    this.#credits.lost(peer, error);
    this.#asks.peerLost(peer, error);
  }

  /** Ends every ask: the system closes. */
  close(): void {
    this.#asks.close();
  }

  /** Channels to remote actors from which credit is still out. */
  get openChannels(): number {
    return this.#credits.open;
  }

  #giveUp(id: number, peer: NodeId | undefined): void {
    if (peer === undefined) return this.#options.cancelHere(id);
    // A peer that is gone has nothing to cancel.
    void this.#options.transport.send(peer, { kind: "cancel", id }).catch(() => {});
  }

  #envelope(
    kind: "tell" | "ask",
    { from, to, message, trace }: Outgoing,
    ttlMs?: number,
  ): MessageEnvelope {
    const { type, ...body } = message;
    const envelope: MessageEnvelope = { kind, id: this.#nextId++, to, from, type, body };
    if (ttlMs !== undefined) envelope.ttlMs = ttlMs;
    if (trace) envelope.trace = trace;
    if (this.#options.isUrgent(to, type)) envelope.urgent = true;
    return envelope;
  }

  #inOrder({ from, to, urgent }: MessageEnvelope, send: () => Promise<void>): Promise<void> {
    return urgent ? send() : this.#order.run(from, to, send);
  }

  /**
   * Sends a tell if nothing makes it wait: no earlier send, no search for the owner, no lack of
   * credit or room. Then it needs no signal and no timer. Returns false where it must wait, and
   * nothing has happened then.
   */
  #sendNow(envelope: MessageEnvelope, origin: Origin): boolean {
    const { directory, transport, tryDeliver } = this.#options;
    const { from, to, urgent } = envelope;
    if (!(urgent || this.#order.idle(from, to))) return false;
    const owner = directory.resolve(to);
    if (owner instanceof Promise) {
      owner.catch(() => {}); // it is asked again, and heard then
      return false;
    }
    if (owner.node === transport.node) {
      envelope.epoch = owner.epoch;
      return tryDeliver(envelope, origin);
    }
    if (!transport.trySend) return false;
    if (!urgent && !this.#credits.tryTake(owner.node, to)) return false;
    let sent = false;
    try {
      envelope.epoch = owner.epoch;
      sent = transport.trySend(owner.node, envelope);
    } finally {
      if (!sent && !urgent) this.#credits.give(owner.node, to, 1);
    }
    return sent;
  }

  async #dispatch(
    envelope: MessageEnvelope,
    origin: Origin,
    signal?: AbortSignal,
    { ask, here: stays = false }: { ask?: PendingAsk; here?: boolean } = {},
  ): Promise<void> {
    const { clock, directory, transport, deliver } = this.#options;
    const { to } = envelope;
    if (stays) return await deliver(envelope, origin, signal);
    const started = clock.now();
    const found = directory.resolve(to, signal);
    const owner = found instanceof Promise ? await found : found;
    signal?.throwIfAborted(); // given up while it waited its turn, or while the owner was looked for
    envelope.epoch = owner.epoch;
    const here = owner.node === transport.node;
    if (ask) ask.peer = here ? undefined : owner.node;
    if (here) return await deliver(envelope, origin, signal);
    if (!envelope.urgent) await this.#credits.take(owner.node, to, signal);
    if (envelope.ttlMs !== undefined) {
      envelope.ttlMs = Math.max(1, envelope.ttlMs - (clock.now() - started));
    }
    try {
      await transport.send(owner.node, envelope, signal);
    } catch (error) {
      if (!envelope.urgent) this.#credits.give(owner.node, to, 1);
      throw error;
    }
  }
}

/** Hears of the end of a tell: there is nobody to be told. */
const nobody = () => {};

/** Codes of refusals after which the address should be resolved again. */
const MOVED = ["stale_epoch", "fenced", "not_here"];

/**
 * Was this very message refused because its address has another owner? An error of the same code
 * that a handler passes on is of another message.
 */
const isRefusalOf = (error: unknown, to: string, type: string): boolean =>
  error instanceof OrreryError && error.group === "actor" && MOVED.includes(error.code) &&
  error.metadata.to === to && error.metadata.type === type;

/** Did a node refuse the message before any handler had it? */
const isOfPeer = (error: Error): boolean =>
  error instanceof OrreryError && error.metadata.refused === true;
