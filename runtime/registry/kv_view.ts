/**
 * What one attempt to write reads: each key once, and above it what earlier transactions of the
 * same attempt will have written.
 *
 * Nothing is locked. What was read is right if the head record has not changed when the attempt
 * commits, which the commit checks.
 *
 * @module
 */
import { headKey, type KvHandle } from "./kv_layout.ts";

/** Most keys that Deno KV reads at once. */
const MAX_KEYS = 10;
/** Entries that a listing reads at once. */
const BATCH = 500;

/** One change of the data in KV; a value of undefined deletes. */
export interface KvWrite {
  key: Deno.KvKey;
  value?: unknown;
}

/** See the module's text. */
export class KvView {
  readonly #kv: KvHandle;
  readonly #entries = new Map<string, Deno.KvEntryMaybe<unknown>>();

  constructor(kv: KvHandle) {
    this.#kv = kv;
  }

  /** Reads these keys in as few calls as there can be. */
  async prefetch(keys: Deno.KvKey[]): Promise<void> {
    const missing = keys.filter((key) => !this.#entries.has(nameOf(key)));
    for (let i = 0; i < missing.length; i += MAX_KEYS) {
      const entries = await this.#kv.getMany<unknown[]>(missing.slice(i, i + MAX_KEYS));
      for (const entry of entries) this.#entries.set(nameOf(entry.key), entry);
    }
  }

  async get(key: Deno.KvKey): Promise<Deno.KvEntryMaybe<unknown>> {
    await this.prefetch([key]);
    return this.#entries.get(nameOf(key))!;
  }

  /**
   * The entries of a range, at most `limit`, as the database has them with the changes on top; a
   * key that only the changes have is not listed.
   */
  async list(
    selector: Deno.KvListSelector,
    options: { limit?: number; reverse?: boolean } = {},
  ): Promise<Deno.KvEntryMaybe<unknown>[]> {
    const found: Deno.KvEntryMaybe<unknown>[] = [];
    const batchSize = Math.min(BATCH, options.limit ?? BATCH);
    for await (const entry of this.#kv.list<unknown>(selector, { ...options, batchSize })) {
      const known = this.#entries.get(nameOf(entry.key));
      if (!known) this.#entries.set(nameOf(entry.key), entry);
      found.push(known ?? entry);
    }
    return found.filter((entry) => entry.versionstamp !== null);
  }

  /** The head record as it was first read. */
  head(): Promise<Deno.KvEntryMaybe<unknown>> {
    return this.get(headKey);
  }

  /** Later reads of this view show these changes. */
  apply(writes: KvWrite[]): void {
    for (const { key, value } of writes) {
      this.#entries.set(
        nameOf(key),
        value === undefined
          ? { key, value: null, versionstamp: null }
          : { key, value, versionstamp: "changed here" },
      );
    }
  }
}

const nameOf = (key: Deno.KvKey): string => JSON.stringify(key);
