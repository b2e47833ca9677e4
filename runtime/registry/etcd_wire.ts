/**
 * The part of etcd's JSON that is used: int64 comes as text, bytes come in base64, and what is zero
 * or empty is left out.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { z } from "zod";
import { type RegistryEntry, wrongData } from "../../actors/mod.ts";
import { endOf } from "./store.ts";

const number = z.union([z.string(), z.number()]).transform(Number).pipe(z.int()).default(0);
const id = z.string().default("0");
const header = z.object({ revision: number });

export const pairSchema = z.object({
  key: z.string(),
  value: z.string().default(""),
  mod_revision: number,
  lease: id,
});
export type EtcdPair = z.infer<typeof pairSchema>;

export const rangeSchema = z.object({
  header,
  kvs: z.array(pairSchema).default([]),
  more: z.boolean().default(false),
});
export const txnSchema = z.object({
  header,
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({
    response_range: z.object({ kvs: z.array(pairSchema).default([]) }).optional(),
  })).default([]),
});
export const grantSchema = z.object({ ID: id, TTL: number });
export const emptySchema = z.object({});
export const watchSchema = z.object({
  header,
  created: z.boolean().default(false),
  canceled: z.boolean().default(false),
  compact_revision: number,
  cancel_reason: z.string().default(""),
  events: z.array(z.object({ type: z.string().default("PUT"), kv: pairSchema })).default([]),
});

/** A condition of a transaction on a key's last change; 0: there is no such key. */
export const revisionIs = (key: string, revision: number) => ({
  key: encodeKey(key),
  target: "MOD",
  result: "EQUAL",
  mod_revision: String(revision),
});

/** The keys from `from` up to `to`, which is not one of them. */
export const keysBetween = (from: string, to: string) => ({
  key: encodeKey(from),
  range_end: encodeKey(to),
});
/** The keys that begin with `prefix`. */
export const keysWith = (prefix: string) => keysBetween(prefix, endOf(prefix));

export const encodeKey = (key: string): string => Buffer.from(key).toString("base64");
export const encodeValue = (value: Uint8Array): string =>
  Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
export const decodeText = (key: string): string => Buffer.from(key, "base64").toString();

/** An entry whose key is what follows `root`. Throws `wrong_data`. */
export function entryOf(pair: EtcdPair, root: string): RegistryEntry {
  const key = decodeText(pair.key);
  if (!key.startsWith(root)) throw wrongData(key, "its name is not one of ours");
  const entry: RegistryEntry = {
    key: key.slice(root.length),
    value: Uint8Array.from(Buffer.from(pair.value, "base64")),
    version: pair.mod_revision,
  };
  if (pair.lease !== "0") entry.lease = pair.lease;
  return entry;
}
