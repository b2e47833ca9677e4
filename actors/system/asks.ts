/**
 * Asks that wait for their answer. Each ends once: answered, refused, past its deadline, given up,
 * or its peer gone.
 *
 * @module
 */
import { LinkedAbort } from "./abort.ts";
import type { Clock, NodeId } from "./envelope.ts";
import type { OrreryError } from "./errors.ts";
import { closed, deadlineExceeded } from "./refusals.ts";

/** One ask under way. */
export interface PendingAsk {
  /** Address that was asked. */
  readonly to: string;
  /** Node that was asked, once it is known and not this one. */
  peer?: NodeId;
  /**
   * Asked when the peer fails the ask: true where it was sent again to another owner, so that it
   * goes on.
   */
  sentAgain?: (error: Error) => boolean;
  /** Resolves with the answer; rejects with the reason why there is none. */
  readonly answer: Promise<unknown>;
  /** Aborted when the asker gives up or the deadline passes. */
  readonly signal: AbortSignal;
}

/** A pending ask and the function that ends it. */
interface OpenAsk extends PendingAsk {
  settle(result: { value: unknown } | { error: Error }): void;
}

/** The asks of one system, by the number of their envelope. */
export class Asks {
  readonly #clock: Clock;
  readonly #pending = new Map<number, OpenAsk>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Opens an ask. `giveUp` is called when the ask ends by its deadline or its signal, so that the
   * caller can tell the receiver.
   */
  open(id: number, options: {
    to: string;
    type: string;
    deadlineMs: number;
    signal?: AbortSignal;
    giveUp: (ask: PendingAsk) => void;
  }): PendingAsk {
    const { to, type, deadlineMs, signal, giveUp } = options;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const wait = new LinkedAbort(signal);
    const entry: OpenAsk = {
      to,
      answer: promise,
      signal: wait.signal,
      settle: (result) => {
        this.#pending.delete(id);
        wait.release();
        "error" in result ? reject(result.error) : resolve(result.value);
      },
    };
    this.#pending.set(id, entry);
    wait.deadline(this.#clock, deadlineMs, () => deadlineExceeded(to, type, deadlineMs));
    const end = () => {
      if (!this.#pending.has(id)) return;
      giveUp(entry);
      entry.settle({ error: wait.signal.reason });
    };
    wait.signal.aborted ? end() : wait.signal.addEventListener("abort", end, { once: true });
    return entry;
  }

  /**
   * Ends an ask with its answer. Ignored when the ask has ended already. `peer`: the node that
   * answers, undefined for this one. Only the node that was asked may answer, since numbers of asks
   * are easy to guess: false for any other.
   */
  resolve(id: number, value: unknown, peer?: NodeId): boolean {
    return this.#settle(id, { value }, peer);
  }

  /** Ends an ask with an error. Ignored as in {@linkcode Asks.resolve}. */
  reject(id: number, error: Error, peer?: NodeId): boolean {
    return this.#settle(id, { error }, peer);
  }

  /** Ends an ask with an error of this node, whoever was asked. */
  fail(id: number, error: Error): void {
    this.#pending.get(id)?.settle({ error });
  }

  #settle(id: number, result: Parameters<OpenAsk["settle"]>[0], peer?: NodeId): boolean {
    const ask = this.#pending.get(id);
    if (!ask || ask.peer !== peer) return false;
    if ("error" in result && peer !== undefined && ask.sentAgain?.(result.error)) return true;
    ask.settle(result);
    return true;
  }

  /** Ends every ask to this node with `error`, because the node is gone. */
  peerLost(peer: NodeId, error: OrreryError): void {
    for (const ask of [...this.#pending.values()]) if (ask.peer === peer) ask.settle({ error });
  }

  /** Ends every ask with `closed`, because the system closes. */
  close(): void {
    for (const ask of [...this.#pending.values()]) ask.settle({ error: closed(ask.to) });
  }
}
