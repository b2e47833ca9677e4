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

/** The sender's count: how many more messages each remote actor may be sent. */
export class SenderCredits {
  readonly #channels = new Map<
    string,
    { node: string; left: number; waiters: Set<(error?: Error) => void> }
  >();

  /** Takes one credit, if one is left and nobody waits. Returns false, and takes none, otherwise. */
  tryTake(node: string, to: string): boolean {
    const channel = this.#channels.get(to);
    if (!channel) {
      this.#channels.set(to, { node, left: REMOTE_WINDOW - 1, waiters: new Set() });
      return true;
    }
    if (channel.node !== node || channel.left === 0 || channel.waiters.size > 0) return false;
    channel.left--;
    return true;
  }

  /**
   * Takes one credit for a message to actor `to` on `node`. Waits while none is left; rejects with
   * the signal's reason, or when the node is lost.
   */
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

  /** Books `n` credits that the receiver gave back. A channel with all its credit is forgotten. */
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

  /** The node is gone: every send that waits for its credit fails with `error`. */
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

/** The receiver's count: messages that left mailboxes, by actor and sending node. */
export class ReceiverCredits {
  readonly #taken = new Map<string, Map<string, number>>();

  /**
   * Books a message from `node` that left the mailbox of `to`. Returns how many credits to send
   * back now; 0: none yet.
   */
  taken(node: string, to: string): number {
    let peers = this.#taken.get(to);
    if (!peers) this.#taken.set(to, peers = new Map());
    const n = (peers.get(node) ?? 0) + 1;
    // Credits go back half a window at a time: the sender never runs out of them, and a stream of
    // small messages does not cost an envelope back for each.
    if (n >= REMOTE_WINDOW / 2) {
      peers.delete(node);
      return n;
    }
    peers.set(node, n);
    return 0;
  }

  /** Forgets actor `to`, which has ended. Returns the credits that each node is still owed. */
  settle(to: string): Map<string, number> {
    const owed = this.#taken.get(to) ?? new Map();
    this.#taken.delete(to);
    return owed;
  }

  /** Forgets what a node is owed, because the node is gone. */
  lost(node: string): void {
    for (const peers of this.#taken.values()) peers.delete(node);
  }
}
