/**
 * What other nodes have under way at this node, counted where it is received: a hostile node may
 * ignore its credits, ask without end, or never take an answer. An honest one comes to none of
 * these bounds.
 *
 * @module
 */
import { REMOTE_WINDOW } from "./credits.ts";
import type { Envelope, NodeId, Transport } from "./envelope.ts";
import type { OrreryError } from "./errors.ts";
import { flooded, overCredit } from "./refusals.ts";

/**
 * Most messages of one node in the mailbox of one actor. Several windows: after a link was lost, a
 * sender begins with full credit while messages from before it are still here.
 */
export const MOST_HELD = 4 * REMOTE_WINDOW;
/** Most urgent messages, which need no credit, of one node in the mailbox of one actor. */
export const MOST_URGENT = 1024;
/** Most answers that one node is owed: its asks that are handled, and refusals to send. */
export const MOST_OWED = 4096;
/**
 * Most answers to one node that wait for room in the transport's window. An answer may be long, so
 * they are few: a node that takes none is not worth more memory.
 */
export const MOST_UNPLACED = 64;

/** What one node has under way here. */
interface Account {
  /** Answers that it is owed; see {@linkcode MOST_OWED}. */
  owed: number;
  /** Of these, those that are made and wait for room on the way to it. */
  unplaced: number;
  /** Messages in mailboxes, with credit and urgent ones apart, by the actor's address. */
  readonly held: Map<string, number>;
  readonly urgent: Map<string, number>;
  /** Credits that wait until the ones sent before them have room, by the actor's address. */
  readonly credits: Map<string, number>;
}

/** See the module's text. */
export class Intake {
  readonly #transport: Pick<Transport, "send" | "trySend">;
  readonly #accounts = new Map<NodeId, Account>();

  constructor(transport: Pick<Transport, "send" | "trySend">) {
    this.#transport = transport;
  }

  /** Why nothing more of this node is read, not even to refuse it; undefined: it is. */
  closedTo(peer: NodeId): OrreryError | undefined {
    const account = this.#accounts.get(peer);
    if (!account || (account.owed < MOST_OWED && account.unplaced < MOST_UNPLACED)) {
      return undefined;
    }
    return flooded(peer, account.owed);
  }

  /** Counts a message that is put into the mailbox of `to`. Throws `over_credit`. */
  hold(peer: NodeId, { to, type, urgent }: { to: string; type: string; urgent?: true }): void {
    const { held, urgent: urgents } = this.#account(peer);
    const [counts, limit] = urgent ? [urgents, MOST_URGENT] : [held, MOST_HELD];
    const n = counts.get(to) ?? 0;
    if (n >= limit) throw overCredit(peer, to, type, limit);
    counts.set(to, n + 1);
  }

  /** A message that was counted by {@linkcode Intake.hold} has left the mailbox. */
  release(peer: NodeId, to: string, credited: boolean): void {
    const account = this.#accounts.get(peer);
    if (!account) return;
    const counts = credited ? account.held : account.urgent;
    const n = counts.get(to);
    if (n === undefined) return;
    if (n > 1) counts.set(to, n - 1);
    else counts.delete(to);
    this.#tidy(peer, account);
  }

  /** An answer will have to be sent to this node. */
  owe(peer: NodeId): void {
    this.#account(peer).owed++;
  }

  /** Sends the answer of which {@linkcode Intake.owe} was told. */
  answer(peer: NodeId, envelope: Envelope): void {
    const account = this.#account(peer);
    const paid = () => {
      account.owed--;
      this.#tidy(peer, account);
    };
    const waiting = this.#send(peer, envelope);
    if (!waiting) return paid();
    account.unplaced++;
    void waiting.then(() => {
      account.unplaced--;
      paid();
    });
  }

  /** Gives a node credits back. While some wait for room, later ones are added up. */
  credit(peer: NodeId, to: string, n: number): void {
    const account = this.#account(peer);
    const before = account.credits.get(to);
    if (before !== undefined) return void account.credits.set(to, before + n);
    const waiting = this.#send(peer, { kind: "credit", to, n });
    if (!waiting) return this.#tidy(peer, account);
    account.credits.set(to, 0);
    void waiting.then(() => {
      const more = account.credits.get(to) ?? 0;
      account.credits.delete(to);
      if (more > 0) this.credit(peer, to, more);
      else this.#tidy(peer, account);
    });
  }

  /** Sends now if there is room. Returns undefined then, else what settles when it has had room. */
  #send(peer: NodeId, envelope: Envelope): Promise<void> | undefined {
    try {
      if (this.#transport.trySend?.(peer, envelope)) return undefined;
    } catch {
      return undefined; // the node is gone, or was removed: nobody waits for it
    }
    return this.#transport.send(peer, envelope).catch(() => {});
  }

  #account(peer: NodeId): Account {
    let account = this.#accounts.get(peer);
    if (!account) {
      account = { owed: 0, unplaced: 0, held: new Map(), urgent: new Map(), credits: new Map() };
      this.#accounts.set(peer, account);
    }
    return account;
  }

  /** Forgets a node that has nothing under way. */
  #tidy(peer: NodeId, account: Account): void {
    const { owed, held, urgent, credits } = account;
    if (owed > 0 || held.size > 0 || urgent.size > 0 || credits.size > 0) return;
    if (this.#accounts.get(peer) === account) this.#accounts.delete(peer);
  }
}
