/**
 * What a back end offers to the layer that cuts large values into chunks: a registry of small
 * values, whose keys may have a `!`, and whose transactions can clear a range.
 *
 * @module
 */
import type {
  Registry,
  RegistryOptions,
  RegistryTransaction,
  TransactionResult,
} from "../../actors/mod.ts";

/** Most bytes of one value in a {@linkcode Store}: Deno KV takes 65,536, with what is around it. */
export const MAX_STORED_BYTES = 60_000;

/** A transaction of a {@linkcode Store}; its parts are valid. */
export interface StoreTransaction extends RegistryTransaction {
  /** Always given; see {@linkcode RegistryTransaction.id}. */
  id: string;
  /**
   * Prefixes whose keys are deleted, except those that begin with `except`. They must cover no key
   * of `sets`. @default none
   */
  clears?: { prefix: string; except?: string }[];
}

/** A registry whose values have at most {@linkcode MAX_STORED_BYTES} bytes. */
export interface Store extends Registry {
  /** As {@linkcode Registry.transact}. */
  transact(transaction: StoreTransaction, options?: RegistryOptions): Promise<TransactionResult>;
}

/** The least text that is greater than every text that begins with `prefix`, all ASCII. */
export function endOf(prefix: string): string {
  return prefix + "\x7f"; // greater than each character of a key
}
