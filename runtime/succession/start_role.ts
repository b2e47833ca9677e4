/**
 * What a node is when it starts: its command line says so, unless another node has become the first
 * one since, or this one was promoted.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import type { NodeId } from "../../actors/mod.ts";
import {
  fetchAuthority,
  fileRecords,
  fingerprintOf,
  identityOfKey,
  type MailboxPlace,
  NodeKey,
  parseToken,
} from "../trust/mod.ts";
import { askAll, askRecord } from "./ask_members.ts";
import { authoritiesAside, finishPromotion, stepDown } from "./install.ts";
import { KnownRecords } from "./known_records.ts";
import { Places } from "./places.ts";
import type { KnownCluster, Succession } from "./record.ts";

/** Most successions that are followed at a start. */
const MAX_STEPS = 64;
/** Milliseconds that other nodes have to answer while a node starts. */
const ANSWER_MS = 2_000;

/** How a node was started. */
export interface RoleOptions {
  /** Folder of the model store. */
  data: string;
  /** Id of this life of the node. */
  node: NodeId;
  /** Where the node to join listens; undefined: the node is to be the first one. */
  join?: MailboxPlace | "discover";
  /** Token to join with, which names the cluster that is meant. */
  token?: string;
}

/** What a node is, where its command line alone does not say it. */
export interface StartRole {
  /** Joins here; undefined: it is the first node. */
  join?: MailboxPlace;
  /** It was promoted: SHA-256 of the certificate of its authority, and the name of its key. */
  promoted?: { authority: string; key: string };
  /** One line that says why; undefined: the command line says so too. */
  why?: string;
}

/**
 * What the node is; undefined: what its command line says. A promotion that was interrupted is
 * finished, and a first node that was followed puts its authority aside.
 */
export async function startRole(options: RoleOptions): Promise<StartRole | undefined> {
  const { data, node, join, token } = options;
  const key = await NodeKey.open(data, node);
  try {
    const records = await KnownRecords.open(data);
    await finishPromotion(data, key, records);
    const folder = { data, key, records, places: await new Places(data).list() };
    const stored = (await fileRecords(data).authority.read()).authority;
    const own = stored && fingerprintOf(new X509Certificate(stored.certificate));
    const meant = token === undefined ? undefined : parseToken(token).authority;
    const before = own === undefined ? undefined : records.before(own);
    // Several nodes may share a folder: the authority is that of one of them.
    const mine = before?.candidate.identity === await identityOfKey(key.key);
    const promoted = mine ? before : undefined;
    if (own !== undefined && (join === undefined || promoted)) {
      // With a token of another cluster, a node that was promoted in this one leaves it.
      if (promoted && meant !== undefined && meant !== promoted.from && meant !== own) return;
      const followed = await asFirst(folder, own);
      if (followed || !promoted) return followed;
      return {
        promoted: { authority: own, key: key.name },
        why: join && "this node was promoted: it is the first node, without --join",
      };
    }
    if (join === undefined) return await asBefore(folder);
    return meant === undefined ? await asMember(folder, join) : undefined;
  } finally {
    key.close();
  }
}

interface Folder {
  data: string;
  key: NodeKey;
  records: KnownRecords;
  places: readonly MailboxPlace[];
}

/** The folder has an authority, which may have been followed meanwhile. */
async function asFirst(folder: Folder, own: string): Promise<StartRole | undefined> {
  const { data, key, records, places } = folder;
  const { authority, roll, identities } = fileRecords(data);
  const known: KnownCluster = {
    authority: (await authority.read()).authority!.certificate,
    roll: (await roll.read()).roll,
    revoked: (await identities.read()).filter((i) => i.removed_ms !== undefined)
      .map((i) => i.identity),
  };
  await askForRecord(records, own, known, places);
  const succession = records.latest(own);
  if (!succession) return undefined;
  await stepDown(data, key, succession, [...known.revoked]);
  return await follow(folder, succession, "its own authority is not used again");
}

/** The folder has no authority: where it had one, the node was first, and was started so. */
async function asBefore(folder: Folder): Promise<StartRole | undefined> {
  for (const cluster of await authoritiesAside(folder.data)) {
    const succession = folder.records.latestOf(cluster);
    if (succession) {
      const other = `to start a new cluster, use another --data than ${folder.data}`;
      return await follow(folder, succession, other);
    }
  }
}

/** The node is a member. Where the node to join is no first node any more, another may be. */
async function asMember(
  folder: Folder,
  join: MailboxPlace | "discover",
): Promise<StartRole | undefined> {
  const { key, records, places } = folder;
  if (!key.cluster) return undefined;
  const own = fingerprintOf(new X509Certificate(key.cluster.authority));
  if (join !== "discover") {
    const found = await fetchAuthority(join, AbortSignal.timeout(ANSWER_MS))
      .catch(() => undefined);
    if (found && fingerprintOf(found.certificate) === own) return undefined;
  }
  await askForRecord(
    records,
    own,
    key.cluster,
    join === "discover" ? places : [join, ...places],
  );
  const succession = records.latest(own);
  return succession && await follow(folder, succession, "it needs no other --join from now on");
}

/** Where the present first node listens, after all successions that others know of. */
async function follow(
  { records, places, key }: Folder,
  succession: Succession,
  more: string,
): Promise<StartRole> {
  let last = succession;
  for (let step = 0; step < MAX_STEPS; step++) {
    await askForRecord(records, last.fingerprint, undefined, [last.candidate, ...places]);
    const next = records.latest(last.fingerprint);
    if (!next) break;
    last = next;
  }
  const { candidate: { node, host, port }, epoch, authority } = last;
  await key.setCluster({ authority, revoked: key.cluster?.revoked ?? [] });
  return {
    join: { host, port },
    why: `node ${node} is the first node of the cluster since epoch ${epoch}: this node joins it ` +
      `at ${host}:${port}; ${more}`,
  };
}

/** Asks nodes for the record by which an authority was followed, and keeps those that hold. */
async function askForRecord(
  records: KnownRecords,
  authority: string,
  known: KnownCluster | undefined,
  places: readonly MailboxPlace[],
): Promise<void> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  for (const result of await askAll(places, (place) => askRecord(place, authority, signal))) {
    const record = "answer" in result ? result.answer : undefined;
    if (record) await records.consider(record, known).catch(() => {}); // another may be better
  }
}
