import { setTimeout as sleep } from "node:timers/promises";
import { modelError } from "../errors.ts";

/** Longest wait for another process, in milliseconds; what is done under a lock takes far less. */
const PATIENCE_MS = 60_000;
const POLL_MS = 20;

/**
 * Takes an advisory lock on a file, which is created if absent. Other processes and other callers
 * in this one wait for it. The lock ends when it is disposed of or the process ends. Throws
 * OrreryError `model/store_busy` after a minute.
 */
export async function lockFile(path: string): Promise<Disposable> {
  const file = await Deno.open(path, { create: true, write: true });
  try {
    const deadline = Date.now() + PATIENCE_MS;
    while (!await file.tryLock(true)) {
      if (Date.now() > deadline) {
        const message = `${path} has been locked by another process for ${
          PATIENCE_MS / 1000
        } s; try again`;
        throw modelError("store_busy", message, { file: path });
      }
      await sleep(POLL_MS);
    }
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}
