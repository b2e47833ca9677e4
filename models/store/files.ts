/**
 * Files of the store: whole writes, hashes, and what need not exist.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** Bytes that are read from a file at a time. */
const READ_BYTES = 4 << 20;
/** The same while others need the processor: hashing holds up this process until it is through. */
const SMALL_READ_BYTES = 256 << 10;

/** Writes all of `bytes`. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/** Options of {@linkcode hashFile}. */
export interface HashOptions {
  signal?: AbortSignal;
  /** Hash only so many bytes from the beginning. @default all */
  bytes?: number;
  /**
   * Awaited after each 256 KiB with the milliseconds that they took. @default no pauses, and larger
   * reads
   */
  pause?: (ms: number) => Promise<void>;
}

/** sha256 of a file in hexadecimal; undefined when it does not exist. */
export async function hashFile(
  path: string,
  { signal, bytes = Infinity, pause }: HashOptions = {},
): Promise<string | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  using _closing = file;
  const hash = createHash("sha256");
  const buffer = new Uint8Array(pause ? SMALL_READ_BYTES : READ_BYTES);
  for (let left = bytes; left > 0;) {
    signal?.throwIfAborted();
    const began = performance.now();
    const count = await file.read(buffer);
    if (count === null) break;
    hash.update(buffer.subarray(0, Math.min(count, left)));
    left -= count;
    await pause?.(performance.now() - began);
  }
  return hash.digest("hex");
}

/** What is at this path; undefined: nothing. */
export async function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Deletes a file or folder, which need not exist. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
