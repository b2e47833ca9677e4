/**
 * A member on its way to be the first node: it makes an authority of its own, gathers votes, and
 * keeps the record of them. All that it needs is on its disk before anybody else believes it, so a
 * process that dies on the way leaves either a member or a first node (`install.ts`).
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { z } from "zod";
import type { NodeId } from "../../actors/mod.ts";
import {
  createKey,
  fileRecords,
  fingerprintOf,
  identityOf,
  isRollOf,
  knownIdentitySchema,
  type MailboxPlace,
  type NodeKey,
  RecordFile,
  type Roll,
  signAuthority,
  trustError,
} from "../trust/mod.ts";
import { askAll, askRecord, askStanding, askVote } from "./ask_members.ts";
import type { Standing } from "./protocol.ts";
import {
  type Ballot,
  checkVote,
  derOf,
  type KnownCluster,
  makeRecord,
  recordSchema,
  type Signer,
  type SuccessionRecord,
  verifyRecord,
  type Vote,
} from "./record.ts";
import type { Voter } from "./voter.ts";

/** Schema of a {@linkcode TrustState}. */
export const trustStateSchema = z.object({ identities: z.array(knownIdentitySchema) });
/**
 * What the first node knew of nodes, as members have it in their copy. Its tokens are not needed:
 * their texts name its authority, so they end with it.
 */
export type TrustState = z.infer<typeof trustStateSchema>;

const candidacySchema = z.object({
  candidacy: z.object({
    /** SHA-256 of the certificate of the authority that would be followed. */
    cluster: z.string(),
    /** The new authority's key and certificate, PEM. */
    key: z.string(),
    certificate: z.string(),
    /** Present once the votes are there: from then on this node is the first one. */
    won: z.object({ record: recordSchema, state: trustStateSchema }).optional(),
  }).optional(),
});
/** A candidacy as it is kept. */
export type StoredCandidacy = NonNullable<z.infer<typeof candidacySchema>["candidacy"]>;

/** The file of a node's candidacy, beside its key. */
export const candidacyFile = (
  key: Pick<NodeKey, "path">,
): RecordFile<z.infer<typeof candidacySchema>> =>
  new RecordFile(key.path.replace(/\.json$/, ".candidacy.json"), candidacySchema, () => ({}));

/** What a candidate needs of its node. */
export interface CandidacyNode {
  /** Folder of the model store. */
  data: string;
  node: NodeId;
  key: NodeKey;
  known(): KnownCluster | undefined;
  signer(): Signer;
  voter: Voter;
  /** Where this node's mailbox is reached. */
  address: MailboxPlace;
  /** The other members, without the first node. */
  members(): (MailboxPlace & { node: NodeId })[];
  /** Where the first node answers; undefined: it does not. */
  findFirst(signal: AbortSignal): Promise<string | undefined>;
  /** The last copy of what the first node knew; undefined: there is none. */
  state(): Promise<TrustState | undefined>;
  /** Last vote of this node in its cluster. */
  lastEpoch(cluster: string): Promise<number>;
  /** Milliseconds for which this node has not heard the first node, and needs to. */
  lostMs(): number;
  neededMs: number;
}

/**
 * Makes this node the first one, on its disk: gathers votes, and keeps the record with what is needed
 * to go on. Nothing has changed where it throws: `not_promoted` (group `trust`; metadata `wait_ms`
 * where it may succeed after that time).
 */
export async function standAsFirst(
  self: CandidacyNode,
  signal: AbortSignal,
): Promise<SuccessionRecord> {
  const known = self.known();
  if (!known?.roll) {
    throw refused("it was never told who the members of its cluster are");
  }
  const cluster = fingerprintOf(new X509Certificate(known.authority));
  const here = (await fileRecords(self.data).authority.read()).authority;
  if (here && fingerprintOf(new X509Certificate(here.certificate)) === cluster) {
    throw refused(
      `its folder ${self.data} is that of the first node too: start the first node again with it`,
    );
  }
  const state = await self.state();
  if (!state) {
    throw refused("it has no copy of what the first node knew; promote a member that has one");
  }
  const first = await self.findFirst(signal);
  if (first !== undefined) {
    throw refused(`the first node answers at ${first}: stop it before another takes its place`);
  }
  const lostMs = self.lostMs();
  if (lostMs < self.neededMs) {
    throw refused(
      `the first node was here ${Math.round(lostMs / 1000)} s ago, and members vote after ${
        self.neededMs / 1000
      } s of silence: try again in ${Math.ceil((self.neededMs - lostMs) / 1000)} s`,
      { wait_ms: self.neededMs - lostMs },
    );
  }
  const members = self.members();
  const standings = await askAll(
    members,
    (place) => askStanding(place, cluster, self.signer(), signal),
  );
  await refuseIfFollowed(self, members, cluster, signal);

  const roll = await newestRoll(known, standings.flatMap((s) => "answer" in s ? [s.answer] : []));
  const ready = standings.flatMap((s) =>
    "answer" in s && s.answer.lost_ms >= s.answer.needed_ms ? [s.place] : []
  );
  const counted = roll.members.filter((identity) => !known.revoked.includes(identity)).length;
  if (2 * (ready.length + 1) <= counted) {
    const later = standings.flatMap((s) =>
      "answer" in s ? [s.answer.needed_ms - s.answer.lost_ms] : []
    )
      .filter((ms) => ms > 0);
    // Where the members that answer would be enough, it is only a matter of time.
    const wait_ms = 2 * (ready.length + later.length + 1) > counted
      ? Math.max(...later)
      : undefined;
    throw tooFew(1 + ready.length, counted, standings.flatMap(whyNot), wait_ms);
  }
  const epochs = standings.map((s) => "answer" in s ? s.answer.voted?.epoch ?? 0 : 0);
  const stored = await openCandidacy(self.key, cluster);
  const ballot: Ballot = {
    epoch: 1 + Math.max(roll.epoch, await self.lastEpoch(cluster), ...epochs),
    authority: derOf(stored.certificate),
    roll,
    candidate: { node: self.node, identity: identityOf(certificateOf(self)), ...self.address },
  };
  const own = await self.voter.vote(ballot);
  const votes = new Map([[ballot.candidate.identity, own]]);
  const refusals: string[] = [];
  const authority = new X509Certificate(known.authority);
  for (
    const result of await askAll(ready, async (place) => {
      const vote = await askVote(place, ballot, own, signal);
      return { vote, ...await checkVote(ballot, vote, authority) };
    })
  ) {
    if ("answer" in result) votes.set(result.answer.identity, result.answer.vote);
    else refusals.push(`${result.place.node}: ${result.error.message}`);
  }
  if (2 * votes.size <= counted) throw tooFew(votes.size, counted, refusals);
  return await keep(self, known, ballot, [...votes.values()], state);
}

/** Checks the record as others will, and keeps it: from here on this node is the first one. */
async function keep(
  { key }: CandidacyNode,
  known: KnownCluster,
  ballot: Ballot,
  votes: Vote[],
  state: TrustState,
): Promise<SuccessionRecord> {
  const record = makeRecord(ballot, votes);
  await verifyRecord(record, known);
  await candidacyFile(key).update((value) => {
    if (value.candidacy && derOf(value.candidacy.certificate) === record.authority) {
      value.candidacy.won = { record, state };
    } else throw refused("another process has begun to promote this node: try again");
  });
  return record;
}

/** Somebody may have been promoted already, whom this node has not heard. */
async function refuseIfFollowed(
  { voter }: CandidacyNode,
  members: readonly MailboxPlace[],
  cluster: string,
  signal: AbortSignal,
): Promise<void> {
  for (const result of await askAll(members, (place) => askRecord(place, cluster, signal))) {
    const record = "answer" in result ? result.answer : undefined;
    if (!record) continue;
    const holds = await voter.heard(record).then(() => true, () => false);
    if (!holds) continue;
    throw refused(
      `${record.candidate.node} is the first node already, and this one follows it now`,
    );
  }
}

/** The newest roll of this cluster that anybody has. */
async function newestRoll(known: KnownCluster, standings: Standing[]): Promise<Roll> {
  const authority = new X509Certificate(known.authority);
  let newest = known.roll!;
  for (const { roll } of standings) {
    if (roll.number > newest.number && await isRollOf(roll, authority)) newest = roll;
  }
  return newest;
}

/** The candidacy of this node in its cluster; it is the same at each try. */
async function openCandidacy(key: NodeKey, cluster: string): Promise<StoredCandidacy> {
  return await candidacyFile(key).update(async (value) => {
    if (value.candidacy?.cluster === cluster) return value.candidacy;
    const made = await createKey();
    return value.candidacy = { cluster, key: made.pem, certificate: await signAuthority(made) };
  });
}

const certificateOf = (self: CandidacyNode) => new X509Certificate(self.signer().certificate);

/** Why a member does not vote, as a list of one; empty: it would. */
function whyNot(
  result: { place: { node: NodeId } } & ({ answer: Standing } | { error: Error }),
): string[] {
  const { node } = result.place;
  if ("error" in result) return [`${node}: ${result.error.message}`];
  const { lost_ms, needed_ms } = result.answer;
  if (lost_ms >= needed_ms) return [];
  return [`${node}: it heard the first node ${Math.round(lost_ms / 1000)} s ago`];
}

function tooFew(votes: number, members: number, reasons: string[], wait_ms?: number): Error {
  const needed = Math.floor(members / 2) + 1;
  const why = reasons.length > 0 ? ` (${reasons.join("; ")})` : "";
  return refused(
    `${votes} of ${members} members vote for it, and ${needed} must${why}. Start the members that ` +
      "are off, or promote the one that the others have voted for",
    { votes, members, needed, ...(wait_ms === undefined ? {} : { wait_ms }) },
  );
}

function refused(why: string, metadata: Record<string, unknown> = {}): Error {
  return trustError("not_promoted", `this node does not become the first one: ${why}`, metadata);
}
