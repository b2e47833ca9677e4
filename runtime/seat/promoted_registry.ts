/**
 * The registry of a member that was promoted: it goes on from the copy that the member kept of the
 * first node's.
 *
 * @module
 */
import {
  CLUSTER,
  COORDINATOR_KEY,
  decodeRecord,
  ownerRecordKey,
  type Registry,
  termSchema,
} from "../../actors/mod.ts";
import { memberKey, membersOf } from "./cluster_contents.ts";
import type { CopiedRegistry } from "./registry_copy.ts";

/** Says from which copy the registry came: SHA-256 of the authority of the promoted node. */
const MARK = "trust/promoted";

/** What goes on; leases and who coordinates do not. */
const KEPT = ["deployments/", "graphs/"];
const KEPT_KEYS = ["serving", ownerRecordKey(CLUSTER)];

/**
 * Milliseconds for which the members are taken to live. Each of them writes itself again as soon as
 * it has come to this node.
 */
const MEMBERS_MS = 15_000;

/** Keys that are deleted in one transaction. */
const BATCH = 32;

/** What a registry goes on from. */
export interface PromotedFrom {
  /** SHA-256 of the certificate of the promoted node's authority. */
  authority: string;
  copy: Pick<CopiedRegistry, "entries">;
}

/**
 * Fills the registry from the copy, unless that was done before. What it held of an earlier cluster
 * is deleted. A process that dies meanwhile begins again at its next start.
 */
export async function fillFromCopy(
  registry: Registry,
  { authority, copy: { entries } }: PromotedFrom,
): Promise<void> {
  const value = new TextEncoder().encode(authority);
  const mark = await registry.get(MARK);
  if (mark && new TextDecoder().decode(mark.value) === authority) return;
  const old = (await registry.list("")).entries.map(({ key }) => key);
  for (let at = 0; at < old.length; at += BATCH) {
    await registry.transact({ deletes: old.slice(at, at + BATCH) });
  }
  for (const { key, value } of entries) {
    if (!KEPT_KEYS.includes(key) && !KEPT.some((prefix) => key.startsWith(prefix))) continue;
    await registry.transact({ sets: [{ key, value }] });
  }
  const first = entries.find(({ key }) => key === COORDINATOR_KEY);
  const gone = first && memberKey(decodeRecord(termSchema, first).node);
  const members = membersOf(entries.filter(({ key }) => key.startsWith("members/")))
    .map(({ node }) => memberKey(node));
  const { id: lease } = await registry.grant(MEMBERS_MS);
  for (const { key, value } of entries) {
    if (key === gone || !members.includes(key)) continue;
    await registry.transact({ sets: [{ key, value, lease }] });
  }
  await registry.transact({ sets: [{ key: MARK, value }] });
}
