/**
 * Messages of other nodes on their way in: which pass, what is refused and how the sender hears of
 * it, and the credits that go back.
 *
 * @module
 */
import type { CallerRule } from "./callers.ts";
import { ReceiverCredits } from "./credits.ts";
import type { DeadLetter } from "./dead_letters.ts";
import type { Delivery, Origin } from "./delivery.ts";
import type { Directory } from "./directory.ts";
import type { Envelope, NodeId, Transport } from "./envelope.ts";
import { type OrreryError, toOrreryError } from "./errors.ts";
import { Gate } from "./gate.ts";
import { Intake } from "./intake.ts";
import type { MessageEnvelope } from "./outbound.ts";
import { idInUse } from "./refusals.ts";

/** What {@linkcode Inbound} needs of its system. */
export interface InboundOptions {
  transport: Transport;
  directory: Directory;
  /** Who on other nodes may send this. Throws `unknown_kind`, `unknown_message`. */
  ruleOf(to: string, type: string): CallerRule | undefined;
  /** Is there somebody here whose end will settle the credits of this address? */
  isHome(to: string): boolean;
  /** Is this ask of that node still handled? */
  isInFlight(peer: NodeId, id: number): boolean;
  /** That ask has been answered. */
  answered(peer: NodeId, id: number): void;
  /** Puts a message into the mailbox of its receiver. Rejects when it is refused. */
  accept(envelope: MessageEnvelope, origin: Origin): Promise<void>;
  /** A message was refused. */
  dead(letter: Omit<DeadLetter, "error">, error: OrreryError): void;
}

/** Codes of messages that an honest node does not send. */
const OFFENCES = new Set([
  "forged_sender",
  "not_allowed",
  "unknown_epoch",
  "over_credit",
  "flooded",
  "id_in_use",
]);

/** The receiving half of an actor system. */
export class Inbound {
  readonly #options: InboundOptions;
  readonly #gate: Gate;
  readonly #intake: Intake;
  readonly #received = new ReceiverCredits();

  constructor(options: InboundOptions) {
    this.#options = options;
    this.#gate = new Gate(options.transport.node, options.directory);
    this.#intake = new Intake(options.transport);
  }

  /** Takes a message of another node, or refuses it and tells that node. */
  receive(peer: NodeId, envelope: MessageEnvelope): void {
    const { id, kind, to, type } = envelope;
    const closed = this.#intake.closedTo(peer);
    if (closed) {
      if (!envelope.urgent && this.#options.isHome(to)) this.#giveBack(peer, to);
      return this.#refused(peer, envelope, closed);
    }
    const answer = (reply: Envelope) => {
      this.#options.answered(peer, id);
      this.#intake.answer(peer, reply);
    };
    const ask = kind === "ask";
    if (ask) this.#intake.owe(peer);
    const origin: Origin = {
      node: peer,
      id,
      kind,
      credited: !envelope.urgent,
      resolve: (body) => ask ? answer({ kind: "reply", id, body }) : void 0,
      reject: (error) => ask ? answer({ kind: "error", id, error: error.toWire() }) : void 0,
    };
    const refuse = (caught: unknown) => this.#refuse(peer, envelope, toOrreryError(caught, to));
    try {
      const from = this.#gate.pass(peer, envelope, this.#options.ruleOf(to, type));
      if (ask && this.#options.isInFlight(peer, id)) throw idInUse(peer, to, type, id);
      this.#intake.hold(peer, envelope);
      this.#options.accept(from === envelope.from ? envelope : { ...envelope, from }, origin)
        .catch((caught) => {
          this.#intake.release(peer, to, origin.credited);
          refuse(caught);
        });
    } catch (caught) {
      refuse(caught);
    }
  }

  /** A message has left its mailbox: its sender may get its credit back. */
  taken({ to, origin: { node, credited } }: Delivery): void {
    if (node === undefined) return;
    this.#intake.release(node, to, credited);
    if (credited) this.#giveBack(node, to);
  }

  /** Nobody is here any more at this address: all its senders get their credits back. */
  settle(to: string): void {
    for (const [node, n] of this.#received.settle(to)) this.#intake.credit(node, to, n);
  }

  /** A node is gone, and is owed nothing. */
  lost(peer: NodeId): void {
    this.#received.lost(peer);
  }

  #refuse(peer: NodeId, envelope: MessageEnvelope, error: OrreryError): void {
    const { id, kind, to, type } = envelope;
    if (!envelope.urgent && error.code !== "over_credit") this.#giveBack(peer, to);
    if (!this.#options.isHome(to)) this.settle(to);
    this.#refused(peer, envelope, error);
    const wire = error.toWire();
    wire.metadata = { ...wire.metadata, to, type, refused: true };
    if (kind === "tell") this.#intake.owe(peer);
    this.#intake.answer(peer, { kind: "error", id, error: wire });
  }

  #refused(peer: NodeId, { to, from, type }: MessageEnvelope, error: OrreryError): void {
    if (OFFENCES.has(error.code)) this.#options.transport.refused?.(peer);
    this.#options.dead({ to, from, type, peer }, error);
  }

  #giveBack(node: NodeId, to: string): void {
    const n = this.#received.taken(node, to);
    if (n > 0) this.#intake.credit(node, to, n);
  }
}
