/**
 * Values of any size over a store of small ones.
 *
 * A value that is large is cut into chunks, which are written first, under keys that nobody reads
 * yet. The transaction then sets a header that names them, checks that they are still there, and
 * deletes the chunks of the value before: so a reader sees the old value or the new one, whole.
 * Chunks whose header never came (their writer died) are deleted with the key's next change.
 *
 *     v/KEY               one byte 0, then the value; or one byte 1, then the header as JSON
 *     c/KEY!ID/NUMBER     a chunk of the value that was written with this id
 *
 * @module
 */
import { z } from "zod";
import {
  checkKey,
  checkPrefix,
  checkTransaction,
  checkTtl,
  DEADLINE_MS,
  hasCode,
  type LeaseGrant,
  noAnswer,
  type Registry,
  type RegistryChanges,
  type RegistryEntry,
  type RegistryListing,
  type RegistryOptions,
  type RegistryTransaction,
  type TransactionResult,
  wrongData,
} from "../../actors/mod.ts";
import { MAX_STORED_BYTES, type Store } from "./store.ts";

/**
 * Values up to so many bytes are stored as they are: 32 of them fit into one transaction of every
 * back end.
 */
export const INLINE_BYTES = 16_384;
/** Chunks that one transaction writes. */
const CHUNKS_AT_ONCE = 10;

const [INLINE, CHUNKED] = [0, 1];
const headerSchema = z.object({
  id: z.string(),
  chunks: z.int().positive(),
  bytes: z.int().positive(),
});
type ChunkHeader = z.infer<typeof headerSchema>;

const valueKey = (key: string): string => `v/${key}`;
const chunksOf = (key: string): string => `c/${key}!`;
const chunksWith = (key: string, id: string): string => `${chunksOf(key)}${id}/`;
const chunkKey = (key: string, id: string, n: number): string =>
  chunksWith(key, id) + String(n).padStart(5, "0");

/** See the module's text. Closing it closes the store. */
export class ChunkedRegistry implements Registry {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async get(key: string, options?: RegistryOptions): Promise<RegistryEntry | undefined> {
    checkKey(key);
    const until = new Budget(options);
    for (;;) {
      const stored = await this.#store.get(valueKey(key), until.left("get"));
      const entry = stored && await this.#whole(stored, until);
      if (entry !== "replaced") return entry;
    }
  }

  async list(prefix: string, options?: RegistryOptions): Promise<RegistryListing> {
    checkPrefix(prefix);
    const until = new Budget(options);
    listing: for (;;) {
      const stored = await this.#store.list(valueKey(prefix), until.left("list"));
      const entries: RegistryEntry[] = [];
      for (const one of stored.entries) {
        const entry = await this.#whole(one, until);
        if (entry === "replaced") continue listing;
        entries.push(entry);
      }
      return { entries, revision: stored.revision };
    }
  }

  async transact(
    { checks = [], sets = [], deletes = [], id = crypto.randomUUID() }: RegistryTransaction,
    options?: RegistryOptions,
  ): Promise<TransactionResult> {
    checkTransaction({ checks, sets, deletes, id });
    const until = new Budget(options);
    const large = sets.filter(({ value }) => value.byteLength > INLINE_BYTES);
    const stored = sets.map((set) => ({
      ...set,
      key: valueKey(set.key),
      value: large.includes(set) ? header(set.value, id) : inline(set.value),
    }));
    const clears = [
      ...sets.map((set) => ({
        prefix: chunksOf(set.key),
        except: large.includes(set) ? chunksWith(set.key, id) : undefined,
      })),
      ...deletes.map((key) => ({ prefix: chunksOf(key) })),
    ];
    for (;;) {
      const there = [];
      for (const { key, value, lease } of large) {
        const last = chunkKey(key, id, countOf(value) - 1);
        there.push({ key: last, version: await this.#upload(key, id, value, lease, until) });
      }
      let result: TransactionResult;
      try {
        result = await this.#store.transact({
          id,
          checks: [...checks.map((c) => ({ ...c, key: valueKey(c.key) })), ...there],
          sets: stored,
          deletes: deletes.map(valueKey),
          clears,
        }, until.left("transact"));
      } catch (error) {
        // After any other failure an earlier call with this id may have landed with these chunks.
        if (hasCode(error, "lease_lost")) await this.#drop(large, id);
        throw error;
      }
      if (result.ok) return result;
      const conflicts = result.conflicts.filter(({ key }) => key.startsWith("v/"));
      if (conflicts.length > 0) {
        await this.#drop(large, id);
        return {
          ok: false,
          conflicts: conflicts.map(({ key, version }) => ({ key: key.slice(2), version })),
        };
      }
      // Somebody else changed the key and deleted our chunks with the old ones: write them again.
    }
  }

  grant(ttlMs: number, options?: RegistryOptions): Promise<LeaseGrant> {
    checkTtl(ttlMs);
    return this.#store.grant(ttlMs, options);
  }

  keepAlive(lease: string, options?: RegistryOptions): Promise<void> {
    return this.#store.keepAlive(lease, options);
  }

  revoke(lease: string, options?: RegistryOptions): Promise<void> {
    return this.#store.revoke(lease, options);
  }

  async *watch(
    prefix: string,
    options: { from: number; signal?: AbortSignal },
  ): AsyncIterable<RegistryChanges> {
    checkPrefix(prefix);
    // A watch goes on until its signal aborts: so long it waits for the chunks of a value.
    const patient = { signal: options.signal, deadlineMs: 0x7fffffff };
    for await (const told of this.#store.watch(valueKey(prefix), options)) {
      const changes: RegistryChanges["changes"] = [];
      try {
        for (const { key, entry: stored } of told.changes) {
          let entry = stored && await this.#whole(stored, new Budget(patient));
          // What it holds now is told here; the change that made it so comes later, once more.
          if (entry === "replaced") entry = await this.get(key.slice(2), patient);
          changes.push({ key: key.slice(2), entry });
        }
      } catch (error) {
        if (options.signal?.aborted) return;
        throw error;
      }
      yield { revision: told.revision, changes };
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** The entry with its value, whole; "replaced": its chunks are another value's by now. */
  async #whole(stored: RegistryEntry, until: Budget): Promise<RegistryEntry | "replaced"> {
    const key = stored.key.slice(2);
    const head = readHeader(key, stored.value);
    if (head instanceof Uint8Array) return { ...stored, key, value: head };
    const { entries } = await this.#store.list(chunksWith(key, head.id), until.left("get"));
    const value = new Uint8Array(head.bytes);
    let at = 0;
    for (const chunk of entries) {
      if (at + chunk.value.byteLength > head.bytes) break;
      value.set(chunk.value, at);
      at += chunk.value.byteLength;
    }
    if (entries.length === head.chunks && at === head.bytes) return { ...stored, key, value };
    const now = await this.#store.get(stored.key, until.left("get"));
    if (now?.version !== stored.version) return "replaced";
    throw wrongData(key, `${at} of ${head.bytes} bytes are there`);
  }

  /** Writes the chunks of a value; gives the version of the last one. */
  async #upload(
    key: string,
    id: string,
    value: Uint8Array,
    lease: string | undefined,
    until: Budget,
  ): Promise<number> {
    const sets = Array.from({ length: countOf(value) }, (_, n) => ({
      key: chunkKey(key, id, n),
      value: value.subarray(n * MAX_STORED_BYTES, (n + 1) * MAX_STORED_BYTES),
      lease,
    }));
    let version = 0;
    for (let i = 0; i < sets.length; i += CHUNKS_AT_ONCE) {
      const part = { id: crypto.randomUUID(), sets: sets.slice(i, i + CHUNKS_AT_ONCE) };
      const result = await this.#store.transact(part, until.left("transact"))
        .catch((error) => {
          // The value itself was not sent: that its chunks may have landed changes nothing.
          if (hasCode(error, "outcome_unknown")) throw noAnswer("chunks", until.ms, error);
          throw error;
        });
      if (result.ok) version = result.revision;
    }
    return version;
  }

  /** Deletes the chunks of values that were not set, if it can. */
  async #drop(values: { key: string }[], id: string): Promise<void> {
    if (values.length === 0) return;
    const clears = values.map(({ key }) => ({ prefix: chunksWith(key, id) }));
    await this.#store.transact({ id: crypto.randomUUID(), clears }).catch(() => {});
  }
}

const countOf = (value: Uint8Array): number => Math.ceil(value.byteLength / MAX_STORED_BYTES);

function inline(value: Uint8Array): Uint8Array {
  const stored = new Uint8Array(value.byteLength + 1);
  stored[0] = INLINE;
  stored.set(value, 1);
  return stored;
}

function header(value: Uint8Array, id: string): Uint8Array {
  const head: ChunkHeader = { id, chunks: countOf(value), bytes: value.byteLength };
  return Uint8Array.of(CHUNKED, ...new TextEncoder().encode(JSON.stringify(head)));
}

/** The value of a stored entry, or where its chunks are. Throws `wrong_data`. */
function readHeader(key: string, stored: Uint8Array): Uint8Array | ChunkHeader {
  if (stored[0] === INLINE) return stored.subarray(1);
  if (stored[0] !== CHUNKED) throw wrongData(key, `it begins with byte ${stored[0]}`);
  try {
    return headerSchema.parse(JSON.parse(new TextDecoder().decode(stored.subarray(1))));
  } catch (error) {
    throw wrongData(key, `its header cannot be read: ${(error as Error).message}`);
  }
}

/** One deadline for several calls of the store. */
class Budget {
  readonly ms: number;
  readonly #signal: AbortSignal | undefined;
  readonly #end: number;

  constructor({ deadlineMs = DEADLINE_MS, signal }: RegistryOptions = {}) {
    this.ms = deadlineMs;
    this.#signal = signal;
    this.#end = performance.now() + deadlineMs;
  }

  /** Options of the next call. Throws `unavailable` when no time is left. */
  left(what: string): RegistryOptions {
    const deadlineMs = this.#end - performance.now();
    if (deadlineMs <= 0) throw noAnswer(what, this.ms);
    return { deadlineMs, signal: this.#signal };
  }
}
