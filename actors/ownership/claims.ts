/**
 * Ownership of single addresses that may move from node to node.
 *
 * A claim is a transaction on `owners/ADDRESS` which advances its epoch. It lands only while the
 * claiming node's lease lives, and only where the owner before released the address or has lost
 * the lease under which it claimed. What the owner writes goes under a key with its epoch, in a
 * transaction that checks the version of `owners/ADDRESS`.
 *
 * @module
 */
import {
  leaseKey,
  type Registry,
  type RegistryOptions,
  type RegistryTransaction,
  type TransactionResult,
  type VersionCheck,
} from "../registry/mod.ts";
import type { NodeId, Ownership } from "../system/mod.ts";
import { alreadyOwned, fenced, overtaken, released } from "./errors.ts";
import type { NodeHold, NodeLease } from "./node_lease.ts";
import {
  decodeRecord,
  encodeRecord,
  nodeRecordSchema,
  type OwnerRecord,
  ownerRecordKey,
  ownerRecordSchema,
} from "./records.ts";
import { aborted, backOff, isSilence, randomName, type Timing } from "./waiting.ts";

/** Options of {@linkcode Claims}. */
export interface ClaimsOptions extends Timing {
  /** Where owners are kept. */
  registry: Registry;
  /** This node's lease; it has been started. */
  lease: NodeLease;
}

/** What a try to claim has come to. */
interface Attempt {
  readonly address: string;
  /** Stands in the record, so that a claim whose answer was lost is known by reading. */
  readonly name: string;
  readonly hold: NodeHold;
  /** Smallest epoch that it may get. */
  readonly least: number;
  /** Version of `owners/ADDRESS` that a write expects whose outcome is not known. */
  pending?: number;
  /** The claim has landed, with this version and epoch. */
  landed?: { version: number; epoch: number };
}

/** The claims of one node. There must be one object of this class for each node. */
export class Claims {
  readonly #options: ClaimsOptions;
  /** Addresses that are owned, or being claimed, here. */
  readonly #here = new Set<string>();
  /** Claims that are being given back, by address: a new one waits for the end of that. */
  readonly #ending = new Map<string, Promise<void>>();

  /** Claims that live as long as leases of this node do. */
  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /**
   * Makes this node the owner of the address, until the claim is released or the node's lease is
   * not certain any more. Waits while this node holds no lease or the registry does not answer.
   * Rejects with group `actor`, `already_owned` where this node owns it or the owner's lease lives;
   * with `registry/lease_lost` where this node's lease lapsed meanwhile; with the signal's reason.
   * `least`: smallest epoch that it may get, where something else has counted the address's epochs
   * before. @default 1
   */
  async claim(
    address: string,
    { signal, least = 1 }: { signal: AbortSignal; least?: number },
  ): Promise<AddressClaim> {
    const { lease, random } = this.#options;
    if (this.#here.has(address)) throw alreadyOwned(address, lease.node, lease.epoch);
    this.#here.add(address);
    let attempt: Attempt | undefined;
    try {
      await until(this.#ending.get(address), signal);
      const hold = await lease.held({ signal });
      attempt = { address, name: randomName(random), hold, least };
      const over = AbortSignal.any([hold.signal, signal]);
      await this.#take(attempt, over);
      over.throwIfAborted();
      return new AddressClaim(this.#options, address, attempt.landed!, hold, (given) => {
        this.#here.delete(address);
        this.#end(address, given);
      });
    } catch (error) {
      this.#here.delete(address);
      if (attempt) this.#end(address, this.#withdraw(attempt));
      throw error;
    }
  }

  #end(address: string, ending: Promise<void>): void {
    const over = ending.finally(() => {
      if (this.#ending.get(address) === over) this.#ending.delete(address);
    });
    this.#ending.set(address, over);
  }

  /** Writes the claim, however often that must be tried. */
  async #take(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const { registry, lease } = this.#options;
    const { address, name, hold, least } = attempt;
    const key = ownerRecordKey(address);
    const limits = { signal, deadlineMs: lease.ttlMs / 2 };
    for (let failures = 0;; failures++) {
      signal.throwIfAborted();
      try {
        const entry = await registry.get(key, limits);
        const before = entry && decodeRecord(ownerRecordSchema, entry);
        if (before?.claim === name) {
          attempt.landed = { version: entry!.version, epoch: before.epoch };
          return;
        }
        const checks: VersionCheck[] = [
          { key, version: entry?.version ?? 0 },
          { key: hold.key, version: hold.version },
        ];
        if (before?.node && before.node !== lease.node) {
          checks.push(await this.#lapsed(address, before.node, before, limits));
        }
        const epoch = Math.max(least, (before?.epoch ?? 0) + 1);
        const record = { node: lease.node, epoch, lease_epoch: hold.epoch, claim: name };
        attempt.pending = entry?.version ?? 0;
        const sets = [{ key, value: encodeRecord(record) }];
        const result = await registry.transact({ checks, sets }, limits);
        if (result.ok) {
          attempt.landed = { version: result.revision, epoch };
          return;
        }
        attempt.pending = undefined;
      } catch (error) {
        if (!isSilence(error)) throw error;
      }
      await backOff(this.#options, failures, signal);
    }
  }

  /** The check that the owner's lease is over. Throws `already_owned` where it lives. */
  async #lapsed(
    address: string,
    owner: NodeId,
    { epoch, lease_epoch }: OwnerRecord,
    limits: RegistryOptions,
  ): Promise<VersionCheck> {
    const key = leaseKey(owner);
    const entry = await this.#options.registry.get(key, limits);
    if (entry && decodeRecord(nodeRecordSchema, entry).epoch <= lease_epoch) {
      throw alreadyOwned(address, owner, epoch);
    }
    return { key, version: entry?.version ?? 0 };
  }

  /**
   * Makes sure that a claim which was given up does not land later, or releases it where it has:
   * otherwise nobody could claim the address while this node lives. Either is done by a record
   * without an owner, as a write that expects an earlier version cannot land any more. When the
   * lease lapses, nothing is left to do: a claim lands only while it lives.
   */
  async #withdraw({ address, name, hold, pending, landed }: Attempt): Promise<void> {
    if (pending === undefined && !landed) return;
    const { registry, lease } = this.#options;
    const key = ownerRecordKey(address);
    const limits = { signal: hold.signal, deadlineMs: lease.ttlMs / 2 };
    for (let failures = 0; hold.certain(); failures++) {
      try {
        const entry = await registry.get(key, limits);
        const before = entry && decodeRecord(ownerRecordSchema, entry);
        const mine = before?.claim === name;
        if (mine ? before.node === null : (entry?.version ?? 0) !== pending) return;
        const epoch = mine ? before.epoch : (before?.epoch ?? 0) + 1;
        const result = await registry.transact({
          checks: [{ key, version: entry?.version ?? 0 }],
          sets: [{ key, value: encodeRecord(releasedRecord(epoch, hold, name)) }],
        }, limits);
        if (result.ok) return;
      } catch (error) {
        if (!isSilence(error)) return; // the lease is over, or the registry refuses this node
      }
      await backOff(this.#options, failures, hold.signal);
    }
  }
}

/** Ownership of one address by this node. */
export class AddressClaim implements Ownership {
  /** The address that is owned. */
  readonly address: string;
  /** Number of this ownership. */
  readonly epoch: number;
  /** Version of `owners/ADDRESS` while this ownership is in force. */
  readonly version: number;
  readonly #options: ClaimsOptions;
  readonly #hold: NodeHold;
  readonly #ended = new AbortController();
  readonly #onEnd: (given: Promise<void>) => void;
  readonly #lost = () => this.#end(this.#hold.signal.reason, Promise.resolve());

  /** Made by {@linkcode Claims.claim}. `onEnd`: told of the end, and when the registry knows. */
  constructor(
    options: ClaimsOptions,
    address: string,
    { version, epoch }: { version: number; epoch: number },
    hold: NodeHold,
    onEnd: (given: Promise<void>) => void,
  ) {
    this.#options = options;
    this.address = address;
    this.epoch = epoch;
    this.version = version;
    this.#hold = hold;
    this.#onEnd = onEnd;
    hold.signal.addEventListener("abort", this.#lost, { once: true });
  }

  /** Aborted at the end of the ownership: by its release, or when the lease is not certain. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** See {@linkcode Ownership.certain}. */
  certain(): boolean {
    return !this.#ended.signal.aborted && this.#hold.certain();
  }

  /**
   * Makes changes if every check holds and the address has had no later owner. Name the keys with
   * `ownerKey`. Throws `actor/fenced` when the ownership is over, `actor/stale_epoch` when the
   * registry has a later one, and what `transact` throws. After `outcome_unknown`, send the same
   * transaction with the same id again, or read: it may still land.
   */
  async write(
    transaction: RegistryTransaction,
    options?: RegistryOptions,
  ): Promise<TransactionResult> {
    if (!this.certain()) throw fenced(this.address, "its ownership is over", this.epoch);
    const key = ownerRecordKey(this.address);
    const checks = [...transaction.checks ?? [], { key, version: this.version }];
    const result = await this.#options.registry.transact({ ...transaction, checks }, options);
    if (result.ok || !result.conflicts.some((conflict) => conflict.key === key)) return result;
    const error = overtaken(this.address, this.epoch);
    this.#end(error, Promise.resolve());
    throw error;
  }

  /**
   * Ends the ownership here at once, then in the registry, so that others may claim the address.
   * Resolves when the registry knows; at the latest when the lease has lapsed.
   */
  async release(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    const given = this.#giveBack();
    this.#end(released(this.address, this.epoch), given);
    await given;
  }

  #end(reason: unknown, given: Promise<void>): void {
    if (this.#ended.signal.aborted) return;
    this.#hold.signal.removeEventListener("abort", this.#lost);
    this.#ended.abort(reason);
    this.#onEnd(given);
  }

  async #giveBack(): Promise<void> {
    const { registry, lease, random } = this.#options;
    const key = ownerRecordKey(this.address);
    const record = releasedRecord(this.epoch, this.#hold, randomName(random));
    for (let failures = 0; this.#hold.certain(); failures++) {
      try {
        await registry.transact({
          checks: [{ key, version: this.version }],
          sets: [{ key, value: encodeRecord(record) }],
        }, { signal: this.#hold.signal, deadlineMs: lease.ttlMs / 2 });
        return; // released now, or the version had changed
      } catch (error) {
        if (!isSilence(error)) return;
      }
      await backOff(this.#options, failures, this.#hold.signal);
    }
  }
}

const releasedRecord = (epoch: number, hold: NodeHold, claim: string): OwnerRecord => ({
  node: null,
  epoch,
  lease_epoch: hold.epoch,
  claim,
});

/** Waits for a promise that does not reject. Rejects with the signal's reason. */
async function until(promise: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  if (promise) await Promise.race([promise, aborted(signal)]);
  signal.throwIfAborted();
}
