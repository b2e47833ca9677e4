/**
 * Follows in the registry who owns the custom actors of a graph.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  decodeRecord,
  GRAPH,
  hasCode,
  ownerRecordKey,
  ownerRecordSchema,
  type Registry,
  type RegistryEntry,
} from "../../actors/mod.ts";
import type { KnownHomes } from "./hosted_actor.ts";

/** Pause before a registry that does not answer is asked again, milliseconds. */
const RETRY_MS = 500;

/** Tells `homes` what the registry holds, until the signal aborts. */
export async function followHomes(
  { registry, homes, signal }: { registry: Registry; homes: KnownHomes; signal: AbortSignal },
): Promise<void> {
  const prefix = ownerRecordKey(`${GRAPH}/`);
  const tell = (entry: RegistryEntry) => {
    const [name, key] = entry.key.slice(prefix.length).split("/");
    if (key !== "main") return;
    const { node, epoch } = decodeRecord(ownerRecordSchema, entry);
    if (node === null) homes.vacant(name, epoch);
    else homes.owned(name, { node, epoch });
  };
  while (!signal.aborted) {
    try {
      const { entries, revision } = await registry.list(prefix, { signal });
      for (const entry of entries) tell(entry);
      for await (const { changes } of registry.watch(prefix, { from: revision, signal })) {
        for (const { entry } of changes) if (entry) tell(entry);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!hasCode(error, "compacted")) {
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }
}
