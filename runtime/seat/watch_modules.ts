/**
 * Watches the files of custom actors' modules, for `--watch`: a changed module takes over without a
 * restart.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";

const log = getLogger(["orrery", "custom"]);

/** Milliseconds of quiet after which files count as written. */
const QUIET_MS = 150;

/** Options of {@linkcode watchModules}. */
export interface ModuleWatchOptions {
  /** Folders whose files are watched, those below included. */
  folders: readonly string[];
  /** Ends the watching. */
  signal: AbortSignal;
  /** Called once files have changed, one call after the other. It says itself what is wrong. */
  onChange: () => Promise<void>;
}

/** Watches until the signal aborts. */
export async function watchModules(
  { folders, signal, onChange }: ModuleWatchOptions,
): Promise<void> {
  if (folders.length === 0 || signal.aborted) return;
  let watcher: Deno.FsWatcher;
  try {
    watcher = Deno.watchFs([...new Set(folders)]);
  } catch (error) {
    return log.error("--watch: the modules of custom actors cannot be watched: {error}", { error });
  }
  signal.addEventListener("abort", () => watcher.close(), { once: true });
  let running = Promise.resolve();
  let changes = 0;
  for await (const { kind } of watcher) {
    if (kind === "access") continue;
    const change = ++changes;
    void sleep(QUIET_MS, undefined, { signal }).then(() => {
      if (change === changes) running = running.then(onChange);
    }, () => {});
  }
}
