/**
 * The two changes of a node's folder: a member's becomes that of a first node, and a first node's
 * that of a member. Each is made in steps that may be made again, so that a process that dies between
 * two of them goes on when it is started again.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import {
  fileRecords,
  fingerprintOf,
  type KnownIdentity,
  type NodeKey,
  trustFolder,
} from "../trust/mod.ts";
import { candidacyFile } from "./candidacy.ts";
import type { KnownRecords } from "./known_records.ts";
import type { KnownCluster, Succession } from "./record.ts";

/** Files of a first node that are put aside together; the first one decides what the node is. */
const FILES = ["authority", "identities", "tokens", "roll", "first"];

/**
 * Finishes a promotion whose votes are there: the new authority becomes that of the folder. Returns
 * undefined where there is none to finish.
 */
export async function finishPromotion(
  data: string,
  key: NodeKey,
  records: KnownRecords,
  known: KnownCluster | undefined = key.cluster,
): Promise<Succession | undefined> {
  const file = candidacyFile(key);
  const { candidacy } = await file.read();
  if (!candidacy?.won) return undefined;
  const { record, state } = candidacy.won;
  const { candidate: { identity } } = record;
  await records.consider(record, known); // it may be known, from an attempt that ended later
  const succession = records.latest(record.roll.authority);
  if (succession?.candidate.identity !== identity) {
    // Others have chosen another node in a later epoch, while this process was away.
    await file.update((value) => void delete value.candidacy);
    return undefined;
  }
  const stored = fileRecords(data);
  const current = (await stored.authority.read()).authority;
  if (current?.certificate !== candidacy.certificate) {
    if (current) await putAside(data, current.certificate);
    await stored.tokens.update((tokens) => void tokens.splice(0));
    await stored.identities.update((all) =>
      void all.splice(0, Infinity, ...state.identities.map((known) => succeed(known, identity)))
    );
    await stored.authority.update((value) =>
      void (value.authority = {
        key: candidacy.key,
        certificate: candidacy.certificate,
        epoch: record.epoch,
      })
    );
  }
  await file.update((value) => void delete value.candidacy);
  return succession;
}

/** An identity as the new first node keeps it. */
function succeed(known: KnownIdentity, first: string): KnownIdentity {
  const { token, ...rest } = known;
  if (known.identity === first) return rest; // a first node has come by no token
  if (token !== undefined) return known;
  // The old first node is a member once it comes back, and has no certificate until then.
  return { ...rest, token: "first node before", lives: [] };
}

/**
 * Puts the authority of a first node aside, which becomes a member of the cluster of another one. It
 * stays on the disk under another name, and is never used again.
 */
export async function stepDown(
  data: string,
  key: NodeKey,
  { authority }: Pick<Succession, "authority">,
  revoked: string[],
): Promise<void> {
  await key.setCluster({ authority, revoked });
  const stored = (await fileRecords(data).authority.read()).authority;
  if (stored) await putAside(data, stored.certificate);
}

async function putAside(data: string, certificate: string): Promise<void> {
  const folder = trustFolder(data);
  const name = fingerprintOf(new X509Certificate(certificate)).slice(0, 16);
  for (const file of FILES) {
    await Deno.rename(join(folder, `${file}.json`), join(folder, asideName(file, name)))
      .catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
  }
}

const asideName = (file: string, cluster: string) => `${file}-before-${cluster}.json`;

/** Beginnings of the SHA-256 of the authorities that were put aside in this folder. */
export async function authoritiesAside(data: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of Deno.readDir(trustFolder(data))) {
      const [, cluster] = /^authority-before-([0-9a-f]{16})\.json$/.exec(name) ?? [];
      if (cluster !== undefined) found.push(cluster);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}
