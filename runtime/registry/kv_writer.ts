/**
 * Writes to Deno KV, in one order.
 *
 * Whoever writes waits in a queue; all that wait go into one commit, since a commit costs a write
 * to disk whatever is in it. Each commit checks and replaces the head record, so of two programs
 * that write at once one commits and the other reads again.
 *
 * A commit whose reply is lost is not assumed to have landed or to have failed: the next attempt
 * looks for the write ids. If they are there, it landed. If they are not, the attempt commits the
 * same again; should the lost commit arrive late, its head is out of date and it fails.
 *
 * @module
 */
import {
  DEADLINE_MS,
  noAnswer,
  OrreryError,
  outcomeUnknown,
  registryError,
  type RegistryOptions,
  type TransactionResult,
} from "../../actors/mod.ts";
import { headKey, idKey, type KvHandle, logFrom, readHead, readLog } from "./kv_layout.ts";
import { type KvPlan, type Lapse, planLapse, planTransaction } from "./kv_plan.ts";
import { KvView, type KvWrite } from "./kv_view.ts";
import { orAborted, Patience, pause, pauseAfter } from "./patience.ts";
import type { StoreTransaction } from "./store.ts";

/** Transactions whose ids and changed keys are kept. */
export const KEPT_REVISIONS = 4096;
/** Beyond these, old ones are forgotten, so many at a time. */
const COMPACT_EVERY = 512;
/** Bounds of one commit, below Deno KV's own: 1000 changes, 800 KiB, 80 KiB of keys. */
const MAX_WRITES = 900;
const MAX_BYTES = 700_000;
const MAX_KEY_BYTES = 75_000;
/** Milliseconds that one attempt to commit may take. */
const ATTEMPT_MS = 3_000;

/** Somebody who waits for a write. */
interface Pending {
  what: StoreTransaction | Lapse;
  resolve(result: KvPlan["result"]): void;
  reject(error: unknown): void;
  /** Nobody waits any more. */
  done: boolean;
  /** A commit with it was sent. */
  sent: boolean;
}

/** See the module's text. */
export class KvWriter {
  readonly #kv: KvHandle;
  readonly #closed: AbortSignal;
  readonly #onCommit: () => void;
  readonly #queue = new Set<Pending>();
  #running: Promise<void> | undefined;
  #cause: unknown;
  /** Versionstamp of the head on which a commit was sent that nobody answered; null: no head. */
  #unanswered: string | null | undefined;

  /** `onCommit` is called after each commit that succeeded. */
  constructor(kv: KvHandle, options: { closed: AbortSignal; onCommit: () => void }) {
    this.#kv = kv;
    this.#closed = options.closed;
    this.#onCommit = options.onCommit;
  }

  /** See `Registry.transact`. */
  async transact(
    transaction: StoreTransaction,
    options: RegistryOptions = {},
  ): Promise<TransactionResult> {
    const result = await this.#enqueue(transaction, options);
    if ("error" in result) throw result.error;
    return result as TransactionResult;
  }

  /** Ends a lease; false: it was renewed meanwhile. */
  async lapse(
    lapse: string,
    { versionstamp, ...options }: RegistryOptions & { versionstamp?: string } = {},
  ): Promise<boolean> {
    for (;;) {
      const step: Lapse = { lapse, id: crypto.randomUUID(), versionstamp };
      const result = await this.#enqueue(step, options);
      if ("lapsed" in result && result.lapsed === "partly") continue;
      return "lapsed" in result && result.lapsed === "whole";
    }
  }

  /** Resolves when no attempt is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #enqueue(
    what: Pending["what"],
    { deadlineMs = DEADLINE_MS, signal }: RegistryOptions,
  ): Promise<KvPlan["result"]> {
    const { promise, resolve, reject } = Promise.withResolvers<KvPlan["result"]>();
    const pending: Pending = { what, resolve, reject, done: false, sent: false };
    const late = () =>
      pending.sent
        ? outcomeUnknown(what.id, deadlineMs, this.#cause)
        : noAnswer("a write", deadlineMs, this.#cause);
    using patience = new Patience(deadlineMs, late, signal, this.#closed);
    patience.signal.throwIfAborted();
    this.#queue.add(pending);
    this.#running ??= this.#run();
    try {
      return await orAborted(promise, patience.signal);
    } finally {
      pending.done = true;
      this.#queue.delete(pending);
    }
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // whoever writes in the same turn takes part in the first commit
    let failures = 0;
    while (this.#queue.size > 0 && !this.#closed.aborted) {
      const batch = [...this.#queue];
      const abandoned = new AbortController();
      try {
        const silent = () => new Error(`no answer for ${ATTEMPT_MS} ms`);
        using patience = new Patience(ATTEMPT_MS, silent, this.#closed);
        const committed = await orAborted(
          this.#attempt(batch, abandoned.signal),
          patience.signal,
        );
        failures = committed ? 0 : failures + 1;
        if (committed) continue;
      } catch (error) {
        if (error instanceof OrreryError) {
          // Trying again reads the same: those who wait must know.
          for (const pending of batch) pending.reject(error);
          for (const pending of batch) this.#queue.delete(pending);
          continue;
        }
        this.#cause = error;
        failures++;
      } finally {
        abandoned.abort();
      }
      await pause(pauseAfter(Math.min(failures, 8)), this.#closed).catch(() => {});
    }
    // In the turn in which the queue was found empty: a write that comes later starts another run.
    this.#running = undefined;
  }

  /** One try to write as much of the batch as fits; false: somebody else wrote meanwhile. */
  async #attempt(batch: Pending[], abandoned: AbortSignal): Promise<boolean> {
    const view = new KvView(this.#kv);
    const stored = await view.head();
    const head = readHead(stored);
    const commit = this.#kv.atomic().check(stored);
    const planned: { pending: Pending; result: KvPlan["result"] }[] = [];
    const room = new CommitRoom();
    let revision = head.revision;
    for (const pending of batch) {
      const { what } = pending;
      const plan = await ("lapse" in what ? planLapse : planTransaction)(
        view,
        what as Lapse & StoreTransaction,
        revision + 1,
      );
      if (!room.take(plan.writes)) {
        if (planned.length > 0) break; // the next commit has room for it
        pending.reject(tooManyChanges());
        this.#queue.delete(pending);
        continue;
      }
      planned.push({ pending, result: plan.result });
      if (plan.writes.length === 0) continue;
      revision++;
      view.apply(plan.writes);
      for (const check of plan.checks) {
        if (check.versionstamp !== "changed here") commit.check(check);
      }
      for (const { key, value } of plan.writes) {
        value === undefined ? commit.delete(key) : commit.set(key, value);
      }
    }
    if (abandoned.aborted) return false;
    if (revision === head.revision && this.#unanswered === stored.versionstamp) {
      // An earlier commit may land yet. What is said now must stay true, so it must not.
      const { ok } = await this.#kv.atomic().check(stored).set(headKey, head).commit();
      if (!ok) return false;
      this.#unanswered = undefined;
    } else if (revision === head.revision) {
      // What was read belongs together only if nothing, an earlier attempt say, came between.
      const again = await this.#kv.get(headKey);
      if (again.versionstamp !== stored.versionstamp) return false;
    } else {
      const late = revision - head.compacted >= KEPT_REVISIONS + COMPACT_EVERY;
      const compacted = late ? revision - KEPT_REVISIONS : head.compacted;
      // Whoever was told that nothing had been sent must stay right.
      if (planned.some(({ pending }) => pending.done && !pending.sent)) return false;
      commit.set(headKey, { revision, compacted });
      for (const { pending } of planned) pending.sent = true;
      this.#unanswered = stored.versionstamp;
      const { ok } = await commit.commit();
      this.#unanswered = undefined;
      if (!ok) return false;
      this.#onCommit();
      if (late) void this.#forget(compacted).catch(() => {}); // the next compaction does it
    }
    for (const { pending, result } of planned) {
      pending.resolve(result);
      this.#queue.delete(pending);
    }
    return true;
  }

  /** Deletes the log up to this revision, and the write ids in it. */
  async #forget(compacted: number): Promise<void> {
    let commit = this.#kv.atomic();
    let count = 0;
    for await (const entry of this.#kv.list(logFrom(0, compacted), { batchSize: 200 })) {
      if (this.#closed.aborted) return;
      commit.delete(entry.key).delete(idKey(readLog(entry)?.id ?? ""));
      if (++count % 100 > 0) continue;
      await commit.commit();
      commit = this.#kv.atomic();
    }
    await commit.commit();
  }
}

/** How much more fits into a commit. */
class CommitRoom {
  #writes = 0;
  #bytes = 0;
  #keyBytes = 0;

  /** Takes room for these changes, if there is enough. */
  take(writes: KvWrite[]): boolean {
    let [bytes, keyBytes] = [0, 0];
    for (const { key, value } of writes) {
      // Each part is written with two bytes around it.
      keyBytes += key.reduce<number>((sum, part) => sum + String(part).length + 2, 8);
      bytes += sizeOf(value);
    }
    const fits = this.#writes + writes.length <= MAX_WRITES &&
      this.#bytes + bytes + keyBytes <= MAX_BYTES && this.#keyBytes + keyBytes <= MAX_KEY_BYTES;
    if (!fits) return false;
    this.#writes += writes.length;
    this.#bytes += bytes + keyBytes;
    this.#keyBytes += keyBytes;
    return true;
  }
}

/** At least the bytes of a record, encoded. */
function sizeOf(value: unknown): number {
  if (value === undefined || typeof value !== "object" || value === null) return 16;
  const { value: bytes, keys } = value as { value?: Uint8Array; keys?: string[] };
  return 128 + (bytes?.byteLength ?? 0) +
    (keys ?? []).reduce((sum, key) => sum + key.length + 8, 0);
}

function tooManyChanges(): OrreryError {
  return registryError(
    "invalid_transaction",
    `this transaction replaces more large values than one commit of Deno KV takes; ` +
      `change them one at a time`,
  );
}
