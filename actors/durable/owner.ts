/**
 * Who may write what is kept of an actor: the owner of an address, for as long as the registry
 * names it.
 *
 * @module
 */
import {
  decodeRecord,
  encodeRecord,
  overtaken,
  ownerRecordKey,
  ownerRecordSchema,
} from "../ownership/mod.ts";
import type {
  Registry,
  RegistryOptions,
  RegistryTransaction,
  TransactionResult,
} from "../registry/mod.ts";

/** Writes for the owner of an address; `AddressClaim` is one. */
export interface DurableOwner {
  /**
   * Makes changes if every check holds and the address has had no later owner. Throws
   * `actor/stale_epoch` or `actor/fenced` where it has, and what `transact` throws.
   */
  write(transaction: RegistryTransaction, options?: RegistryOptions): Promise<TransactionResult>;
}

/** What {@linkcode ownerOf} must know. */
export interface OwnerOptions {
  /** Names the owner, and takes what it writes. */
  registry: Registry;
  /** The address whose ownership counts: that of the cluster actor for a coordinator's actors. */
  address: string;
  /** Epoch of that ownership. */
  epoch: number;
  /** Ends the reading. */
  signal?: AbortSignal;
}

/**
 * The owner of an address with this epoch. Throws `actor/stale_epoch` where the registry names a
 * later one already.
 */
export async function ownerOf({ registry, address, epoch, signal }: OwnerOptions): Promise<
  DurableOwner
> {
  const entry = await registry.get(ownerRecordKey(address), { signal });
  const record = entry && decodeRecord(ownerRecordSchema, entry);
  if (record?.epoch !== epoch) throw overtaken(address, epoch);
  return writer({ registry, address, epoch }, entry!.version);
}

/** Becomes the owner of an address at once, whoever it belonged to. Resolves to the new epoch. */
export async function takeOver(
  registry: Registry,
  address: string,
): Promise<{ owner: DurableOwner; epoch: number }> {
  const key = ownerRecordKey(address);
  for (;;) {
    const entry = await registry.get(key);
    const before = entry && decodeRecord(ownerRecordSchema, entry);
    const epoch = (before?.epoch ?? 0) + 1;
    const record = { node: "alone", epoch, lease_epoch: 1, claim: crypto.randomUUID() };
    const result = await registry.transact({
      checks: [{ key, version: entry?.version ?? 0 }],
      sets: [{ key, value: encodeRecord(record) }],
    });
    if (result.ok) {
      return { epoch, owner: writer({ registry, address, epoch }, result.revision) };
    }
  }
}

function writer({ registry, address, epoch }: OwnerOptions, version: number): DurableOwner {
  const key = ownerRecordKey(address);
  return {
    async write(transaction, options) {
      const checks = [...transaction.checks ?? [], { key, version }];
      const result = await registry.transact({ ...transaction, checks }, options);
      if (result.ok || !result.conflicts.some((conflict) => conflict.key === key)) return result;
      throw overtaken(address, epoch);
    },
  };
}
