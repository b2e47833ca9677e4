/**
 * Follows one key of the registry: what it holds now, and every later change.
 *
 * @module
 */
import type { Registry, RegistryEntry } from "../registry/mod.ts";
import { hasCode } from "../system/mod.ts";
import { asError, backOff, type Timing } from "./waiting.ts";

/** What {@linkcode followKey} needs. */
export interface FollowKeyOptions extends Timing {
  registry: Registry;
  /** The whole key. */
  key: string;
  /** Ends the following. */
  signal: AbortSignal;
  /** Told what the key holds as of this revision; may be told the same twice. */
  onValue(entry: RegistryEntry | undefined, revision: number): void;
  /** Told of each try that failed. */
  onFailure?: (error: Error) => void;
}

/** Resolves when the signal aborts. A registry that does not answer is asked again. */
export async function followKey(options: FollowKeyOptions): Promise<void> {
  const { registry, key, signal, onValue, onFailure } = options;
  for (let failures = 0; !signal.aborted;) {
    try {
      const { entries, revision } = await registry.list(key, { signal });
      onValue(entries.find((entry) => entry.key === key), revision);
      failures = 0;
      for await (const told of registry.watch(key, { from: revision, signal })) {
        const change = told.changes.findLast((change) => change.key === key);
        if (change) onValue(change.entry, told.revision);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (hasCode(error, "compacted")) continue; // list again
      onFailure?.(asError(error));
      await backOff(options, failures++, signal);
    }
  }
}
