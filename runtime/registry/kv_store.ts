/**
 * A registry in Deno KV: embedded (an SQLite file of this node), or a denokv server. See
 * `kv_layout.ts` for what lies where.
 *
 * @module
 */
import {
  type Clock,
  compacted,
  type LeaseGrant,
  noAnswer,
  type RegistryChanges,
  registryClosed,
  type RegistryEntry,
  type RegistryListing,
  type RegistryOptions,
  systemClock,
  type TransactionResult,
} from "../../actors/mod.ts";
import {
  headKey,
  keyKey,
  keysFrom,
  type KvHandle,
  logFrom,
  type LogRecord,
  readEntry,
  readHead,
  readLog,
} from "./kv_layout.ts";
import { KvHead } from "./kv_head.ts";
import { KvLeases } from "./kv_leases.ts";
import { KvView } from "./kv_view.ts";
import { KvWriter } from "./kv_writer.ts";
import { retrying } from "./patience.ts";
import type { Store, StoreTransaction } from "./store.ts";

/** Revisions whose keys a watch reads at once. */
const WATCH_REVISIONS = 200;

/** How a {@linkcode KvStore} is opened. */
export interface KvStoreOptions {
  /** Does no other process write to this database? Then leases are judged in memory. */
  alone: boolean;
  /** Times leases. @default the real clock */
  clock?: Clock;
}

/** See the module's text. It owns the handle, and closes it. */
export class KvStore implements Store {
  readonly #kv: KvHandle;
  readonly #closing = new AbortController();
  readonly #head: KvHead;
  readonly #writer: KvWriter;
  readonly #leases: KvLeases;

  constructor(kv: KvHandle, { alone, clock = systemClock }: KvStoreOptions) {
    const closed = this.#closing.signal;
    this.#kv = kv;
    this.#head = new KvHead(kv, closed);
    this.#writer = new KvWriter(kv, { closed, onCommit: () => this.#head.changed() });
    this.#leases = new KvLeases({ kv, writer: this.#writer, clock, alone, closed });
  }

  get(key: string, options: RegistryOptions = {}): Promise<RegistryEntry | undefined> {
    return this.#try("get", options, async () => {
      const record = readEntry(await this.#kv.get(keyKey(key)));
      return record && { key, ...record };
    });
  }

  list(prefix: string, options: RegistryOptions = {}): Promise<RegistryListing> {
    return this.#try("list", options, async (signal) => {
      for (;;) {
        signal.throwIfAborted();
        const before = readHead(await this.#kv.get(headKey));
        const entries: RegistryEntry[] = [];
        for await (const entry of this.#kv.list(keysFrom(prefix), { batchSize: 500 })) {
          entries.push({ key: String(entry.key.at(-1)), ...readEntry(entry)! });
        }
        // Several reads belong together if nothing was written between the first and the last.
        const after = readHead(await this.#kv.get(headKey));
        if (before.revision === after.revision) return { entries, revision: before.revision };
      }
    });
  }

  transact(
    transaction: StoreTransaction,
    options?: RegistryOptions,
  ): Promise<TransactionResult> {
    return this.#writer.transact(transaction, options);
  }

  grant(ttlMs: number, options: RegistryOptions = {}): Promise<LeaseGrant> {
    const id = crypto.randomUUID(); // one for all tries: a lost reply makes no second lease
    return this.#try("grant", options, () => this.#leases.grant(id, ttlMs));
  }

  keepAlive(lease: string, options: RegistryOptions = {}): Promise<void> {
    return this.#try("keepAlive", options, () => this.#leases.keepAlive(lease));
  }

  async revoke(lease: string, options: RegistryOptions = {}): Promise<void> {
    await this.#writer.lapse(lease, options);
  }

  async *watch(
    prefix: string,
    { from, signal }: { from: number; signal?: AbortSignal },
  ): AsyncIterable<RegistryChanges> {
    const ended = AbortSignal.any([this.#closing.signal, ...signal ? [signal] : []]);
    let cursor = from;
    let told = from;
    while (!ended.aborted) {
      let changes: RegistryChanges["changes"];
      try {
        const head = await this.#head.after(cursor, ended);
        // A smaller revision: another database is in the place of the one that was listed.
        if (head.compacted > cursor || head.revision < cursor) {
          throw compacted(cursor, head.compacted);
        }
        const to = Math.min(head.revision, cursor + WATCH_REVISIONS);
        const found = await this.#try(
          "watch",
          { signal: ended },
          () => this.#changes(prefix, cursor, to),
        );
        if (!found) throw compacted(cursor, to); // while it was read
        changes = found;
        cursor = to;
      } catch (error) {
        if (signal?.aborted) return;
        throw error;
      }
      if (changes.length === 0 && cursor - told < WATCH_REVISIONS) continue;
      told = cursor;
      yield { revision: cursor, changes };
    }
    if (!signal?.aborted) throw this.#closing.signal.reason;
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(registryClosed());
    await this.#leases.close();
    await this.#writer.idle();
    await this.#head.close();
    this.#kv.close();
  }

  /** What the log says changed in these revisions; undefined when it is no longer whole. */
  async #changes(
    prefix: string,
    from: number,
    to: number,
  ): Promise<RegistryChanges["changes"] | undefined> {
    const logs: LogRecord[] = [];
    for await (const entry of this.#kv.list(logFrom(from + 1, to), { batchSize: 500 })) {
      logs.push(readLog(entry)!);
    }
    if (logs.length < to - from) return undefined;
    // In the order of last changes.
    const keys = [...new Set(logs.flatMap(({ keys }) => keys).reverse())].reverse()
      .filter((key) => key.startsWith(prefix));
    const view = new KvView(this.#kv);
    await view.prefetch(keys.map(keyKey));
    const changes: RegistryChanges["changes"] = [];
    for (const key of keys) {
      const record = readEntry(await view.get(keyKey(key)));
      changes.push({ key, entry: record && { key, ...record } });
    }
    return changes;
  }

  #try<T>(
    what: string,
    options: RegistryOptions,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return retrying({
      ...options,
      closed: this.#closing.signal,
      late: (deadlineMs, cause) => noAnswer(what, deadlineMs, cause),
    }, attempt);
  }
}
