/**
 * Goes on with the requests of a node that is gone, if the registry still names this node as their
 * holder.
 *
 * @module
 */
import type { Registry } from "../registry/mod.ts";
import type { Clock, NodeId } from "../system/mod.ts";
import type { JournalEntry } from "./entry.ts";
import type { HeldJournals } from "./held.ts";
import { decodeJournalRecord, encodeJournalRecord, journalKey } from "./record.ts";
import { writeForCertain } from "./write_for_certain.ts";

/** Milliseconds between two tries while the registry is away. */
const PAUSE_MS = 250;

/** Options of {@linkcode takeOver}. */
export interface JournalTakeoverOptions {
  /** This node. */
  node: NodeId;
  held: HeldJournals;
  registry(): Registry;
  clock: Clock;
  /** Unix time, milliseconds. */
  date(): number;
  /** Uniform in [0, 1); names writes. */
  random(): number;
  /** Milliseconds after which it is given up, if the registry does not answer. */
  withinMs: number;
  /** Ends it. */
  signal: AbortSignal;
}

/**
 * Seals what `origin` has sent, and resolves to its entries once this node may go on with them;
 * none where it may not. From the beginning on `origin` is told that it is sealed.
 */
export async function takeOver(
  origin: NodeId,
  { node, held, registry, clock, date, random, withinMs, signal }: JournalTakeoverOptions,
): Promise<JournalEntry[]> {
  const term = held.seal(origin);
  if (term === undefined) return [];
  const key = journalKey(origin);
  const since = clock.now();
  const within = () => clock.now() - since < withinMs && !signal.aborted;
  /** It has chosen another holder, or has been given up. */
  const giveUp = () => {
    if (held.termOf(origin) === term) held.drop(origin);
    return [];
  };
  while (within()) {
    try {
      const entry = await registry().get(key, { signal });
      if (!entry) return giveUp();
      const record = decodeJournalRecord(entry);
      if (record.holder !== node || record.term !== term || record.taken) return giveUp();
      const value = encodeJournalRecord({ ...record, taken: true, at_ms: date() });
      const write = { checks: [{ key, version: entry.version }], sets: [{ key, value }] };
      const result = await writeForCertain(registry(), write, { clock, random, within });
      if (!result.ok) continue;
      return held.termOf(origin) === term ? held.take(origin) : [];
    } catch {
      // The registry is away, or changed meanwhile.
    }
    await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
  }
  return giveUp();
}
