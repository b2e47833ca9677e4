/**
 * What one transaction would do to the data in Deno KV, given what a view shows.
 *
 * @module
 */
import { leaseLost, type OrreryError, type TransactionResult } from "../../actors/mod.ts";
import {
  type EntryRecord,
  idKey,
  keyKey,
  keysFrom,
  leasedKey,
  leasedPrefix,
  leaseKey,
  logKey,
  type LogRecord,
  readEntry,
  readLease,
  readRevision,
} from "./kv_layout.ts";
import type { KvView, KvWrite } from "./kv_view.ts";
import type { StoreTransaction } from "./store.ts";

/** Keys of a lapsed lease that one commit deletes: their names must fit one entry of the log. */
const LAPSE_KEYS = 150;

/** The end of a lease: its keys are deleted, then itself. */
export interface Lapse {
  /** The lease. */
  lapse: string;
  /** Write id of this step. */
  id: string;
  /**
   * Only if the lease's record is still this one, so that a renewal that comes first wins.
   * @default whatever it is
   */
  versionstamp?: string;
}

/** What becomes of a transaction if the commit succeeds. */
export interface KvPlan {
  result: TransactionResult | { error: OrreryError } | { lapsed: "whole" | "partly" | "renewed" };
  /** All that changes, the log included; none where nothing does. */
  writes: KvWrite[];
  /** Conditions beside that of the head. */
  checks: { key: Deno.KvKey; versionstamp: string | null }[];
}

const nothing = (result: KvPlan["result"]): KvPlan => ({ result, writes: [], checks: [] });

/** Plans a transaction that would have this revision. */
export async function planTransaction(
  view: KvView,
  { id, checks = [], sets = [], deletes = [], clears = [] }: StoreTransaction,
  revision: number,
): Promise<KvPlan> {
  const leases = [...new Set(sets.flatMap(({ lease }) => lease ?? []))];
  const touched = [...checks, ...sets].map(({ key }) => key).concat(deletes);
  await view.prefetch([
    idKey(id),
    ...touched.map(keyKey),
    ...leases.map(leaseKey),
  ]);
  const landed = readRevision(await view.get(idKey(id)));
  if (landed !== undefined) return nothing({ ok: true, revision: landed });

  const conflicts = [];
  for (const { key, version } of checks) {
    const found = readEntry(await view.get(keyKey(key)))?.version ?? 0;
    if (found !== version) conflicts.push({ key, version: found });
  }
  if (conflicts.length) return nothing({ ok: false, conflicts });
  for (const lease of leases) {
    const record = readLease(await view.get(leaseKey(lease)));
    if (!record || record.lapsing) return nothing({ error: leaseLost(lease) });
  }

  const writes: KvWrite[] = [];
  for (const { prefix, except } of clears) {
    for (const entry of await view.list(keysFrom(prefix))) {
      const key = String(entry.key.at(-1));
      if (except !== undefined && key.startsWith(except)) continue;
      writes.push(...removal(key, readEntry(entry)));
    }
  }
  const changed = sets.map(({ key }) => key);
  for (const key of deletes) {
    const old = readEntry(await view.get(keyKey(key)));
    if (!old) continue;
    changed.push(key);
    writes.push(...removal(key, old));
  }
  for (const { key, value, lease } of sets) {
    const old = readEntry(await view.get(keyKey(key)));
    if (old?.lease !== undefined && old.lease !== lease) {
      writes.push({ key: leasedKey(old.lease, key) });
    }
    if (lease !== undefined && old?.lease !== lease) {
      writes.push({ key: leasedKey(lease, key), value: true });
    }
    // A view would be stored with all of the buffer behind it.
    const record: EntryRecord = { value: value.slice(), version: revision };
    if (lease !== undefined) record.lease = lease;
    writes.push({ key: keyKey(key), value: record });
  }
  writes.push(...logged(revision, { id, keys: changed }));
  return { result: { ok: true, revision }, writes, checks: [] };
}

/** Plans a step of a lease's end, which would have this revision. */
export async function planLapse(
  view: KvView,
  { lapse, id, versionstamp }: Lapse,
  revision: number,
): Promise<KvPlan> {
  const stored = await view.get(leaseKey(lapse));
  const record = readLease(stored);
  if (!record) return nothing({ lapsed: "whole" });
  const renewed = versionstamp !== undefined && !record.lapsing &&
    stored.versionstamp !== versionstamp;
  if (renewed) return nothing({ lapsed: "renewed" });

  // From the end, so that an entry goes before the chunks of its value ("v/" after "c/").
  const listed = await view.list({ prefix: leasedPrefix(lapse) }, {
    limit: LAPSE_KEYS,
    reverse: true,
  });
  const keys = listed.map((entry) => String(entry.key.at(-1)));
  await view.prefetch(keys.map(keyKey));
  const writes: KvWrite[] = [];
  const changed: string[] = [];
  for (const key of keys) {
    const entry = readEntry(await view.get(keyKey(key)));
    if (entry?.lease !== lapse) writes.push({ key: leasedKey(lapse, key) });
    else {
      changed.push(key);
      writes.push(...removal(key, entry));
    }
  }
  const whole = keys.length < LAPSE_KEYS;
  writes.push({
    key: leaseKey(lapse),
    value: whole ? undefined : { ...record, lapsing: true },
  });
  writes.push(...logged(revision, { id, keys: changed }));
  return {
    result: { lapsed: whole ? "whole" : "partly" },
    writes,
    checks: [{ key: leaseKey(lapse), versionstamp: stored.versionstamp }],
  };
}

function removal(key: string, old?: EntryRecord): KvWrite[] {
  const entry = { key: keyKey(key) };
  return old?.lease === undefined ? [entry] : [entry, { key: leasedKey(old.lease, key) }];
}

function logged(revision: number, record: LogRecord): KvWrite[] {
  return [{ key: logKey(revision), value: record }, { key: idKey(record.id), value: revision }];
}
