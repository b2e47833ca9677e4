/**
 * How the registry's data lies in Deno KV.
 *
 *     [root, "head"]                 the last revision; each transaction checks and replaces it
 *     [root, "key", KEY]             value, version, lease
 *     [root, "log", REVISION]        which keys a transaction changed, and its write id
 *     [root, "id", WRITE_ID]         the revision of a transaction that landed
 *     [root, "lease", LEASE]         a lease's length, and how often it was renewed
 *     [root, "leased", LEASE, KEY]   the keys of a lease
 *
 * @module
 */
import { z } from "zod";
import { type RegistryEntry, wrongData } from "../../actors/mod.ts";
import { endOf } from "./store.ts";

/** What the code here needs of an open `Deno.Kv`; tests lose replies behind it. */
export type KvHandle = Pick<
  Deno.Kv,
  "get" | "getMany" | "atomic" | "list" | "watch" | "close"
>;

/** The first part of every key; a later layout has another. */
const ROOT = "orrery-registry-1";

export const headKey = [ROOT, "head"];
export const keyKey = (key: string): string[] => [ROOT, "key", key];
export const logKey = (revision: number): (string | number)[] => [ROOT, "log", revision];
export const idKey = (id: string): string[] => [ROOT, "id", id];
export const leaseKey = (lease: string): string[] => [ROOT, "lease", lease];
export const leasedKey = (lease: string, key: string): string[] => [ROOT, "leased", lease, key];
export const leasesPrefix = [ROOT, "lease"];
export const leasedPrefix = (lease: string): string[] => [ROOT, "leased", lease];

/** Selects the entries whose registry key begins with `prefix`. */
export function keysFrom(prefix: string): Deno.KvListSelector {
  return { start: keyKey(prefix), end: keyKey(endOf(prefix)) };
}

/** Selects the log of revisions `from` to `to`, both included. */
export function logFrom(from: number, to: number): Deno.KvListSelector {
  return { start: logKey(from), end: logKey(to + 1) };
}

const headSchema = z.object({
  revision: z.int().nonnegative(),
  /** The log holds all revisions after this one. */
  compacted: z.int().nonnegative(),
});
const entrySchema = z.object({
  value: z.instanceof(Uint8Array),
  version: z.int().positive(),
  lease: z.string().optional(),
});
const logSchema = z.object({ id: z.string(), keys: z.array(z.string()) });
const leaseSchema = z.object({
  ttlMs: z.number().positive(),
  /** How often its holder has renewed it. */
  beat: z.int().nonnegative(),
  /** Its keys are being deleted: no key can be added. */
  lapsing: z.boolean(),
});

export type HeadRecord = z.infer<typeof headSchema>;
export type LogRecord = z.infer<typeof logSchema>;
export type LeaseRecord = z.infer<typeof leaseSchema>;
/** What is stored of a {@linkcode RegistryEntry}. */
export type EntryRecord = Omit<RegistryEntry, "key">;

/** Parsers of what is stored; null stands for an absent key. Throw `wrong_data`. */
export const readHead = (entry: Deno.KvEntryMaybe<unknown>): HeadRecord =>
  parse(headSchema, entry) ?? { revision: 0, compacted: 0 };
export const readEntry = (entry: Deno.KvEntryMaybe<unknown>): EntryRecord | undefined =>
  parse(entrySchema, entry);
export const readLog = (entry: Deno.KvEntryMaybe<unknown>): LogRecord | undefined =>
  parse(logSchema, entry);
export const readLease = (entry: Deno.KvEntryMaybe<unknown>): LeaseRecord | undefined =>
  parse(leaseSchema, entry);
export const readRevision = (entry: Deno.KvEntryMaybe<unknown>): number | undefined =>
  parse(z.int().positive(), entry);

function parse<T>(schema: z.ZodType<T>, entry: Deno.KvEntryMaybe<unknown>): T | undefined {
  if (entry.versionstamp === null) return undefined;
  const parsed = schema.safeParse(entry.value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw wrongData(entry.key.join("/"), `${path.join(".")} ${message}`.trim());
}
