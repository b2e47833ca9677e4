/**
 * Small JSON files that several processes change: each change is made under a lock, and lands as a
 * whole or not at all. Only their owner may read them.
 *
 * @module
 */
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { trustError } from "./errors.ts";
import type { RecordStore } from "./record_store.ts";

/** Longest wait for another process, milliseconds; what is done under a lock takes far less. */
const PATIENCE_MS = 10_000;
const POLL_MS = 10;

/** A value in a file, see the module's text. */
export class RecordFile<T> implements RecordStore<T> {
  readonly path: string;
  readonly #schema: z.ZodType<T>;
  readonly #initial: () => T;

  /** `initial` makes the value where there is no file yet. */
  constructor(path: string, schema: z.ZodType<T>, initial: () => NoInfer<T>) {
    this.path = path;
    this.#schema = schema;
    this.#initial = initial;
  }

  /** The value. Throws `file_broken` (group `trust`). */
  async read(): Promise<T> {
    let text: string;
    try {
      text = await Deno.readTextFile(this.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return this.#initial();
      throw error;
    }
    try {
      return this.#schema.parse(JSON.parse(text));
    } catch (error) {
      throw trustError(
        "file_broken",
        `${this.path} is damaged; restore it from a copy, or remove it and let every node join anew`,
        { file: this.path },
        error,
      );
    }
  }

  /**
   * Lets `change` change the value in place, and stores it unless `change` throws. Returns what
   * `change` returns. Throws `file_broken` and `file_busy` (group `trust`).
   */
  async update<R>(change: (value: T) => R | Promise<R>): Promise<R> {
    await Deno.mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    using _lock = await lockFile(`${this.path}.lock`);
    const value = await this.read();
    const result = await change(value);
    const fresh = `${this.path}.new`;
    await Deno.remove(fresh).catch(() => {}); // of a process that ended while it wrote
    {
      using file = await Deno.open(fresh, { write: true, createNew: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(JSON.stringify(value, null, 2) + "\n");
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.syncData(); // a power cut leaves the old value or the new one
    }
    await Deno.rename(fresh, this.path);
    return result;
  }

  /** When the file was changed last, in milliseconds since 1970; 0: there is none. */
  async version(): Promise<number> {
    try {
      return (await Deno.stat(this.path)).mtime?.getTime() ?? 0;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  }
}

/** Takes a lock that ends when it is disposed of, or with the process. Throws `file_busy`. */
async function lockFile(path: string): Promise<Disposable> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const lock = await tryLock(path);
    if (lock) return lock;
    if (performance.now() > deadline) {
      throw trustError(
        "file_busy",
        `${path} has been locked by another process for ${PATIENCE_MS / 1000} s; try again`,
        { file: path },
      );
    }
    await sleep(POLL_MS);
  }
}

/**
 * Takes a lock on a file, which is created if absent; undefined: another process, or another caller
 * in this one, has it. The lock ends when it is disposed of, or with the process.
 */
export async function tryLock(path: string): Promise<Disposable | undefined> {
  const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  try {
    if (await file.tryLock(true)) return file;
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return undefined;
}
