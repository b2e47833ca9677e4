/**
 * Which node may go on with the requests of another: one record of the registry for each node.
 *
 * | key             | value                      | who writes it                                  |
 * | --------------- | -------------------------- | ---------------------------------------------- |
 * | `journals/NODE` | {@linkcode JournalRecord}  | the node itself, and once the holder that it names |
 *
 * A node that chooses another holder, and a holder that goes on with the node's requests, both
 * compare the version that they have read: only one of them can win.
 *
 * @module
 */
import { z } from "zod";
import { readJson, type RegistryEntry } from "../registry/mod.ts";
import type { NodeId } from "../system/mod.ts";

/** First part of the keys of these records. */
export const JOURNALS = "journals/";

/** Key of a node's record. */
export const journalKey = (node: NodeId): string => `${JOURNALS}${node}`;

const node = z.string().min(1).max(128);

const recordSchema = z.object({
  /** The node whose requests it is about. */
  node,
  /** Number of the choice, larger each time. */
  term: z.number().int().positive(),
  /** The node with the copies; null: there is none. */
  holder: node.nullable(),
  /** The holder goes on with the requests. */
  taken: z.boolean(),
  /** Unix time in milliseconds at which it was written. */
  at_ms: z.number(),
});

/** See the module's text. */
export type JournalRecord = z.infer<typeof recordSchema>;

/** A record as the registry keeps it. */
export const encodeJournalRecord = (record: JournalRecord): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(record));

/** Reads a record. Throws `registry/wrong_data` for anything else. */
export function decodeJournalRecord({ key, value }: RegistryEntry): JournalRecord {
  return readJson(recordSchema, { key, value });
}
