/**
 * An actor with a state in the registry: what ownership has to protect.
 *
 * It keeps one number under a key with its epoch. When it begins, it takes over what the
 * activation before it wrote; from then on it answers from memory. A write whose outcome it does
 * not know ends it: the next activation reads.
 *
 * @module
 */
import { z } from "zod";
import {
  type ActorContext,
  type Address,
  anyNode,
  defineActor,
  ownerKey,
  type Registry,
  type RegistryTransaction,
  type TransactionResult,
} from "../../../actors/mod.ts";

/** What a ledger is given of the ownership under which it runs. */
export interface LedgerOwnership {
  /** Epoch of the ownership. */
  epoch: number;
  /** Makes changes if the ownership is in force. */
  write(
    transaction: RegistryTransaction,
    options: { deadlineMs: number; signal: AbortSignal },
  ): Promise<TransactionResult>;
}

/** Resource `book` of a ledger. */
export interface Book {
  registry: Registry;
  /** Of this address, at this node, now. */
  owner(address: Address): Promise<LedgerOwnership>;
  /** The epoch that stands in the key of what is written. */
  epochOf(ctx: ActorContext, owner: LedgerOwnership): number;
  /** Something is seen that may not be. */
  fail(what: string): void;
  /** The ledger takes a message. */
  taken(address: Address, epoch: number): void;
}

/** Milliseconds until an operation of the registry is given up. */
const PATIENCE_MS = 120;
/** First part of the keys of ledgers. */
export const LEDGERS = "state";

const encode = (total: number) => new TextEncoder().encode(String(total));
const decode = (value: Uint8Array) => Number(new TextDecoder().decode(value));

/** See the module's text. */
export const ledgerActor = defineActor({
  kind: "ledger",
  config: z.object({}),
  messages: { add: z.object({}), read: z.object({}) },
  callers: anyNode,
  policy: { idleMs: 40 },
  async create(ctx) {
    const book = ctx.resource<Book>("book");
    const owner = await book.owner(ctx.self);
    const epoch = book.epochOf(ctx, owner);
    const key = ownerKey(LEDGERS, ctx.self, epoch, "total");
    const limits = { deadlineMs: PATIENCE_MS, signal: ctx.signal };
    const { entries } = await book.registry.list(`${LEDGERS}/${ctx.self}/`, limits);
    const newest = entries.at(-1); // keys sort by epoch
    let total = newest ? decode(newest.value) : 0;
    const write = (value: number, more: RegistryTransaction = {}) =>
      owner.write({ ...more, sets: [{ key, value: encode(value) }] }, limits);
    // Its own from now on. What an earlier activation writes late is under an earlier epoch.
    const old = entries.map((entry) => entry.key).filter((other) => other !== key).slice(0, 30);
    await write(total, { deletes: old });
    return {
      async add() {
        book.taken(ctx.self, owner.epoch);
        try {
          await write(total + 1);
        } catch (error) {
          ctx.stop(); // it may have landed, or may still do: whoever follows reads
          throw error;
        }
        return ++total;
      },
      read() {
        book.taken(ctx.self, owner.epoch);
        return total;
      },
    };
  },
});
