/**
 * What a registry promises, whatever keeps its data.
 *
 * Keys are paths of text, values are bytes. Every transaction that changes something has a
 * revision, a number greater than that of any earlier one; a key's version is the revision of its
 * last change. Reads are linearizable: they show every transaction that was answered before they
 * began. `tests/support/registry_suite.ts` attacks each promise over every back end.
 *
 * @module
 */

/** Most bytes of a value. */
export const MAX_VALUE_BYTES: number = 8 * 1024 * 1024;
/** Most checks of a transaction. */
export const MAX_CHECKS = 64;
/** Most sets and deletes of a transaction, together. */
export const MAX_CHANGES = 32;
/** Most characters of a key; all are ASCII, so as many bytes. */
export const MAX_KEY_CHARS = 256;
/** Milliseconds after which an operation fails, unless its options say otherwise. */
export const DEADLINE_MS = 10_000;

/** A key with its value. */
export interface RegistryEntry {
  /** The whole key. */
  key: string;
  /** The value; empty where zero bytes were set. */
  value: Uint8Array;
  /** Revision of the transaction that set it. */
  version: number;
  /** Lease with which the key vanishes; undefined: it stays. */
  lease?: string;
}

/** How long to wait for one operation. */
export interface RegistryOptions {
  /** Milliseconds until it fails with `unavailable` or `outcome_unknown`. @default 10000 */
  deadlineMs?: number;
  /** Ends the wait; the operation rejects with its reason. */
  signal?: AbortSignal;
}

/** A condition: the key has this version; 0: there is no such key. */
export interface VersionCheck {
  /** The whole key. */
  key: string;
  /** See {@linkcode RegistryEntry.version}; 0 where the key must be absent. */
  version: number;
}

/** Changes that are made together, if every check holds, or not at all. */
export interface RegistryTransaction {
  /** Conditions on keys, changed here or not. @default none */
  checks?: VersionCheck[];
  /** New values. A key whose lease is left out belongs to none from now on. @default none */
  sets?: { key: string; value: Uint8Array; lease?: string }[];
  /** Keys to delete; one that does not exist is no error. @default none */
  deletes?: string[];
  /**
   * Unique name of this write, 8-64 letters, digits and dashes. A transaction with the id of one
   * that has landed is answered as that one was and changes nothing, so whoever got
   * `outcome_unknown` may send the same transaction with the same id again. How long an id is
   * remembered depends on the back end: 4,096 transactions in Deno KV; in etcd the last one of each
   * of its client's lanes and every one whose outcome is not known. @default a random one
   */
  id?: string;
}

/** What became of a transaction. */
export type TransactionResult =
  | {
    ok: true;
    /** Revision of this transaction, and version of every key that it set. */
    revision: number;
  }
  | {
    ok: false;
    /** Keys whose check failed, with the versions that they had instead. */
    conflicts: VersionCheck[];
  };

/** Entries as they were together at one revision. */
export interface RegistryListing {
  /** In the order of their keys' bytes. */
  entries: RegistryEntry[];
  /** A watch from here tells every later change. */
  revision: number;
}

/** What a watch tells: the outcome of the transactions up to a revision. */
export interface RegistryChanges {
  /** A watch that begins here tells every later change. */
  revision: number;
  /**
   * Keys with what they hold now; undefined: deleted. Changes of one key may be told as one, the
   * last; none is left out. Empty where only the revision advanced.
   */
  changes: { key: string; entry?: RegistryEntry }[];
}

/** A lease as it was granted. */
export interface LeaseGrant {
  /** Names the lease. */
  id: string;
  /** Milliseconds without a sign of life after which it lapses; at least what was asked for. */
  ttlMs: number;
}

/**
 * A small store that all nodes of a cluster share.
 *
 * Every operation throws `registry/unavailable` when no answer came by its deadline (nothing is
 * known to have changed), `registry/closed` after `close`, and `registry/refused` when the server
 * turns this client away. `transact` throws `registry/outcome_unknown` when it was sent and
 * neither an answer nor a later reading told whether it landed.
 */
export interface Registry {
  /** The entry of this key; undefined where there is none. Throws `invalid_key`. */
  get(key: string, options?: RegistryOptions): Promise<RegistryEntry | undefined>;
  /** Every entry whose key begins with this text; "" means all. Throws `invalid_key`. */
  list(prefix: string, options?: RegistryOptions): Promise<RegistryListing>;
  /**
   * Makes changes atomically if every check holds. Throws `invalid_key`, `invalid_transaction`,
   * `too_large`, or `lease_lost` when a set names a lease that has lapsed.
   */
  transact(
    transaction: RegistryTransaction,
    options?: RegistryOptions,
  ): Promise<TransactionResult>;
  /** A new lease. `ttlMs` is a length of time, 1 ms or more, never a date. */
  grant(ttlMs: number, options?: RegistryOptions): Promise<LeaseGrant>;
  /**
   * Begins the lease's time anew. It lapses no sooner than `ttlMs` after this call began. Throws
   * `lease_lost` when it has lapsed.
   */
  keepAlive(lease: string, options?: RegistryOptions): Promise<void>;
  /** Ends the lease now; its keys are deleted. One that has lapsed is no error. */
  revoke(lease: string, options?: RegistryOptions): Promise<void>;
  /**
   * Tells what happens to keys with this prefix after revision `from`, until `signal` aborts: then
   * the iteration ends. It reconnects by itself, without a gap. Throws `compacted` when changes
   * since `from` are no longer known one by one: list again and watch from there.
   */
  watch(
    prefix: string,
    options: { from: number; signal?: AbortSignal },
  ): AsyncIterable<RegistryChanges>;
  /** Ends every wait and connection. Leases are not revoked: they lapse. */
  close(): Promise<void>;
}
