/**
 * One message on its way into a handler, and what becomes of it.
 *
 * @module
 */
import { LinkedAbort } from "./abort.ts";
import type { MessageMeta } from "./messages.ts";
import type { Clock, NodeId, TraceContext } from "./envelope.ts";
import type { OrreryError } from "./errors.ts";
import { cancelled, deadlinePassed } from "./refusals.ts";

/** Where a message came from and how its answer goes back. */
export interface Origin {
  /** Sending node; undefined: this one. */
  node?: NodeId;
  /** Envelope id at the sending node. */
  id: number;
  kind: "tell" | "ask";
  /** Was it sent with a credit, which must be given back? False for urgent and local messages. */
  credited: boolean;
  /** Answers an ask (no-op for a tell). */
  resolve(value: unknown): void;
  /** Answers an ask with an error. */
  reject(error: OrreryError): void;
}

/** A validated message in a mailbox; also the handler's `meta`. */
export class Delivery implements MessageMeta {
  readonly to: string;
  readonly from: string;
  readonly type: string;
  readonly body: unknown;
  readonly origin: Origin;
  readonly received: number;
  readonly deadline?: number;
  readonly trace?: TraceContext;
  /** See `AskOptions.idempotencyKey`. */
  readonly key?: string;
  /** See {@linkcode MessageMeta.alarm}. */
  readonly alarm?: string;
  readonly #clock: Clock;
  #owner?: AbortSignal;
  #abort?: LinkedAbort;
  #cancelled?: OrreryError;

  constructor(
    clock: Clock,
    init: {
      to: string;
      from: string;
      type: string;
      body: unknown;
      origin: Origin;
      deadline?: number;
      trace?: TraceContext;
      key?: string;
      alarm?: string;
    },
  ) {
    this.#clock = clock;
    this.received = clock.now();
    this.to = init.to;
    this.from = init.from;
    this.type = init.type;
    this.body = init.body;
    this.origin = init.origin;
    this.deadline = init.deadline;
    this.trace = init.trace;
    this.key = init.key;
    this.alarm = init.alarm;
  }

  /** See {@linkcode MessageMeta.peer}. */
  get peer(): NodeId | undefined {
    return this.origin.node;
  }

  /** The signal is made when it is first read, since most handlers never read it. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new LinkedAbort(this.#owner);
      if (this.#cancelled) this.#abort.abort(this.#cancelled);
      else if (this.deadline !== undefined) {
        this.#abort.deadline(
          this.#clock,
          Math.max(0, this.deadline - this.#clock.now()),
          () => this.expired(),
        );
      }
    }
    return this.#abort.signal;
  }

  /** Why nobody waits for this message any more; undefined: somebody does. */
  get over(): OrreryError | undefined {
    if (this.#cancelled) return this.#cancelled;
    return this.deadline !== undefined && this.#clock.now() >= this.deadline
      ? this.expired()
      : undefined;
  }

  expired(): OrreryError {
    return deadlinePassed(this.to, this.type);
  }

  /** Ties the handler's signal to the activation that handles it. */
  begin(owner: AbortSignal): void {
    this.#owner = owner;
  }

  end(): void {
    this.#abort?.release();
  }

  cancel(): void {
    this.#cancelled = cancelled(this.to, this.type);
    this.#abort?.abort(this.#cancelled);
  }
}
