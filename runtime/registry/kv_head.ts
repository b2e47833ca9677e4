/**
 * Tells those who wait when the revision in Deno KV has advanced, whoever wrote.
 *
 * @module
 */
import { headKey, type HeadRecord, type KvHandle, readHead } from "./kv_layout.ts";
import { orAborted, Patience, pause } from "./patience.ts";

/** A watch that is silent is not trusted for longer than this, milliseconds: the head is read. */
const LOOK_MS = 1_000;

/** See the module's text. */
export class KvHead {
  readonly #kv: KvHandle;
  readonly #closed: AbortSignal;
  readonly #waiting = new Set<() => void>();
  #stream: ReadableStreamDefaultReader<unknown> | undefined;

  constructor(kv: KvHandle, closed: AbortSignal) {
    this.#kv = kv;
    this.#closed = closed;
  }

  /** The head is another one now. */
  changed(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** The head as soon as its revision is not this one. Rejects with the signal's reason. */
  async after(revision: number, signal: AbortSignal): Promise<HeadRecord> {
    for (let failures = 0;; failures++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve); // before reading, so that no change falls between the two
      this.#follow();
      try {
        const head = readHead(await orAborted(this.#kv.get(headKey), signal));
        if (head.revision !== revision) return head;
        failures = 0;
        using patience = new Patience(LOOK_MS, () => undefined, signal);
        await orAborted(promise, patience.signal).catch(() => {});
      } catch (error) {
        if (signal.aborted) throw error;
        await pause(Math.min(LOOK_MS, 50 * 2 ** failures), signal);
      } finally {
        this.#waiting.delete(resolve);
      }
      signal.throwIfAborted();
    }
  }

  /** Ends the stream on which the database tells of changes. */
  async close(): Promise<void> {
    this.changed();
    await this.#stream?.cancel().catch(() => {});
  }

  /** Listens to the database, unless it does so already. */
  #follow(): void {
    if (this.#stream || this.#closed.aborted) return;
    const reader = this.#kv.watch([headKey]).getReader();
    this.#stream = reader;
    const read = async () => {
      try {
        while (!(await reader.read()).done) this.changed();
      } catch {
        // Whoever waits reads the head by himself, and then listens again.
      } finally {
        this.#stream = undefined;
      }
    };
    void read();
  }
}
