/**
 * Credits: how many messages a node may have under way to a remote actor, counted at both ends.
 *
 * The sender takes one credit a message. The receiver gives credits back as messages leave the
 * actor's mailbox, so a mailbox holds at most {@linkcode REMOTE_WINDOW} messages from each node.
 *
 * @module
 */
import type { OrreryError } from "./errors.ts";

/** Messages that a node may have under way to one remote actor. */
export const REMOTE_WINDOW = 32;

/** Sender's side of the credit between this node and remote actors. */
export class SenderCredits {
  readonly #channels = new Map<
    string,
    { node: string; left: number; waiters: Set<(error?: Error) => void> }
  >();

  /** Takes one credit towards `to` on `node`, waiting for it if none is left. */
  async take(node: string, to: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    let channel = this.#channels.get(to);
    if (!channel || channel.node !== node) {
      channel?.waiters.forEach((wake) => wake());
      channel = { node, left: REMOTE_WINDOW, waiters: new Set() };
      this.#channels.set(to, channel);
    }
    if (channel.left > 0 && channel.waiters.size === 0) {
      channel.left--;
      return;
    }
    const { waiters } = channel;
    await new Promise<void>((resolve, reject) => {
      const wake = (error?: Error) => {
        waiters.delete(wake);
        signal?.removeEventListener("abort", abort);
        error ? reject(error) : resolve();
      };
      const abort = () => wake(signal!.reason);
      signal?.addEventListener("abort", abort, { once: true });
      waiters.add(wake);
    });
  }

  /** Credit came back from the receiver; a channel with all its credit is forgotten. */
  give(node: string, to: string, n: number): void {
    const channel = this.#channels.get(to);
    if (!channel || channel.node !== node) return;
    channel.left += n;
    for (const wake of channel.waiters) {
      if (channel.left === 0) return;
      channel.left--;
      wake();
    }
    if (channel.left >= REMOTE_WINDOW) this.#channels.delete(to);
  }

  /** The peer is gone: nobody waits for it any more. */
  lost(node: string, error: OrreryError): void {
    for (const [to, channel] of this.#channels) {
      if (channel.node !== node) continue;
      this.#channels.delete(to);
      for (const wake of [...channel.waiters]) wake(error);
    }
  }

  /** Channels from which credit is still out; for tests and diagnosis. */
  get open(): number {
    return this.#channels.size;
  }
}

/** Receiver's side: counts messages taken and says when credit should go back. */
export class ReceiverCredits {
  readonly #taken = new Map<string, Map<string, number>>();

  /**
   * A message for `to` from `node` left the mailbox. Returns the credit to send back now (0:
   * later).
   */
  taken(node: string, to: string): number {
    let peers = this.#taken.get(to);
    if (!peers) this.#taken.set(to, peers = new Map());
    const n = (peers.get(node) ?? 0) + 1;
    // Half a window at a time: the sender never runs dry, and decode does not pay an envelope back
    // for each message.
    if (n >= REMOTE_WINDOW / 2) {
      peers.delete(node);
      return n;
    }
    peers.set(node, n);
    return 0;
  }

  /** The actor `to` is gone: what is still owed, by node. */
  settle(to: string): Map<string, number> {
    const owed = this.#taken.get(to) ?? new Map();
    this.#taken.delete(to);
    return owed;
  }

  /** The node is gone: it is owed nothing. */
  lost(node: string): void {
    for (const peers of this.#taken.values()) peers.delete(node);
  }
}
