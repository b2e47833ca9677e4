/**
 * Where a cluster keeps what its authority needs: in the files of the first node, or in a registry
 * that several nodes open, each of which may then sign certificates.
 *
 * | what                                              | file              | key                |
 * | ------------------------------------------------- | ----------------- | ------------------ |
 * | the authority's key and certificate               | `authority.json`  | `trust/authority`  |
 * | nodes that were taken in, and those removed       | `identities.json` | `trust/identities` |
 * | join tokens, with hashes of their secrets         | `tokens.json`     | `trust/tokens`     |
 * | the list of members that was signed last          | `roll.json`       | `trust/roll`       |
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import type { Registry } from "../../actors/mod.ts";
import { trustFolder } from "./folder.ts";
import { type KnownIdentity, knownIdentitySchema } from "./identities.ts";
import { RecordFile } from "./record_file.ts";
import type { RecordStore } from "./record_store.ts";
import { RegistryRecord } from "./registry_record.ts";
import { type Roll, rollSchema } from "./roll.ts";
import { type StoredToken, storedTokenSchema } from "./tokens.ts";

/** Key of the list of nodes that were taken in, which members may read. */
export const IDENTITIES_KEY = "trust/identities";

const authoritySchema = z.object({
  /** The authority's key and certificate, PEM. */
  authority: z.object({
    key: z.string(),
    certificate: z.string(),
    /** Epoch of the cluster, see {@linkcode Roll}. */
    epoch: z.int().positive().default(1),
  }).optional(),
});

const rollRecordSchema = z.object({ roll: rollSchema.optional() });

/** The records of an authority; see the module's text. */
export interface TrustRecords {
  authority: RecordStore<z.infer<typeof authoritySchema>>;
  identities: RecordStore<KnownIdentity[]>;
  tokens: RecordStore<StoredToken[]>;
  roll: RecordStore<{ roll?: Roll }>;
}

const identities = z.array(knownIdentitySchema);
const tokens = z.array(storedTokenSchema);

/** The records in the folder `trust` below `data`. */
export function fileRecords(data: string): TrustRecords {
  const path = (name: string) => join(trustFolder(data), `${name}.json`);
  return {
    authority: new RecordFile(path("authority"), authoritySchema, () => ({})),
    identities: new RecordFile(path("identities"), identities, () => []),
    tokens: new RecordFile(path("tokens"), tokens, () => []),
    roll: new RecordFile(path("roll"), rollRecordSchema, () => ({})),
  };
}

/** The records in a registry. */
export function registryRecords(registry: Pick<Registry, "get" | "transact">): TrustRecords {
  return {
    authority: new RegistryRecord(registry, "trust/authority", authoritySchema, () => ({})),
    identities: new RegistryRecord(registry, IDENTITIES_KEY, identities, () => []),
    tokens: new RegistryRecord(registry, "trust/tokens", tokens, () => []),
    roll: new RegistryRecord(registry, "trust/roll", rollRecordSchema, () => ({})),
  };
}
