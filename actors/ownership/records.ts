/**
 * What the registry holds of ownership: under which keys, and as which values.
 *
 * | key                 | value                | meaning                                                      |
 * | ------------------- | -------------------- | ------------------------------------------------------------ |
 * | `owners/node/NODE`  | {@linkcode NodeRecord}, with the node's lease | the node's lease lives, and is its lease number `epoch` |
 * | `owners/ADDRESS`    | {@linkcode OwnerRecord}, without a lease | who owns the address; its epochs only grow |
 * | `coordinator`       | {@linkcode Term}, with the coordinator's lease | who coordinates, and where it listens |
 * | `PREFIX/ADDRESS/EPOCH/NAME` | anything | what the owner with this epoch wrote                          |
 *
 * @module
 */
import { z } from "zod";
import { readJson, type RegistryEntry } from "../registry/mod.ts";

/** Key of the coordinator's {@linkcode Term}. */
export const COORDINATOR_KEY = "coordinator";

const epoch = z.int().positive();
const node = z.string().min(1);

/** One node's time as coordinator. */
export const termSchema = z.object({
  /** The coordinator. */
  node,
  /** Where its mailbox listens, as other nodes reach it. */
  host: z.string().min(1),
  port: z.int().min(1).max(65_535),
  /** Number of the term; a later one has a larger number. */
  epoch,
});

/** See {@linkcode termSchema}. */
export type Term = z.infer<typeof termSchema>;

/** That a node's lease lives. */
export const nodeRecordSchema = z.object({
  /** How many leases the node has taken, this one counted. */
  epoch,
});

/** See {@linkcode nodeRecordSchema}. */
export type NodeRecord = z.infer<typeof nodeRecordSchema>;

/** Who owns an address. */
export const ownerRecordSchema = z.object({
  /** Number of the ownership. */
  epoch,
  /** The owner; null: released, and anybody may claim it. */
  node: node.nullable(),
  /** Number of the owner's lease, see {@linkcode NodeRecord}; without that lease it is void. */
  lease_epoch: epoch,
  /** Which claim wrote this, so that one whose answer was lost knows its own. */
  claim: z.string(),
});

/** See {@linkcode ownerRecordSchema}. */
export type OwnerRecord = z.infer<typeof ownerRecordSchema>;

/** Key of the {@linkcode OwnerRecord} of an address. */
export const ownerRecordKey = (address: string): string => `owners/${address}`;

/** Digits of an epoch in a key: enough for every number up to 2^53, so that keys sort. */
const EPOCH_DIGITS = 16;

/**
 * Key of what the owner with this epoch writes. Whoever reads looks only under the epoch that is
 * in force, so what an earlier owner writes late lands where nobody reads. `epoch`: that of the
 * activation (`ctx.epoch`) or of the claim; `name`: may have slashes.
 */
export function ownerKey(prefix: string, address: string, epoch: number, name: string): string {
  return `${prefix}/${address}/${String(epoch).padStart(EPOCH_DIGITS, "0")}/${name}`;
}

/** A record as the registry keeps it. */
export const encodeRecord = (record: Term | NodeRecord | OwnerRecord): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(record));

/** Reads a record. Throws `registry/wrong_data` for anything else. */
export function decodeRecord<T>(schema: z.ZodType<T>, { key, value }: RegistryEntry): T {
  return readJson(schema, { key, value });
}
