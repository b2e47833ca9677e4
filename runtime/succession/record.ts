/**
 * Succession records: what proves that a member has become the first node of a cluster, to whoever
 * was told who the members were.
 *
 * The new first node has an authority of its own, since nobody has the key of the old one. A record
 * names it, and has the votes of more than half of the members: each is a text that a member signed
 * with its node's key, and the certificate that the old authority gave it. All of it is public.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { z } from "zod";
import type { NodeId } from "../../actors/mod.ts";
import {
  fingerprintOf,
  identityOf,
  isRollOf,
  isSigned,
  MAX_MEMBERS,
  NODE_ID,
  nodeOf,
  type PrivateKey,
  type Roll,
  rollSchema,
  rollText,
  sha256,
  signText,
  trustError,
} from "../trust/mod.ts";

/** DER of a certificate in base64. Only one spelling of each certificate is taken. */
const certificateSchema = z.string().min(4).max(4096).refine(
  (text) => Buffer.from(text, "base64").toString("base64") === text,
  "no base64",
);

/** Schema of a {@linkcode NextFirstNode}. */
export const candidateSchema = z.strictObject({
  node: z.string().regex(NODE_ID),
  /** SHA-256 of its public key, hexadecimal. */
  identity: z.string().regex(/^[0-9a-f]{64}$/),
  /** Where its mailbox listens. */
  host: z.string().regex(/^[0-9A-Za-z.:_%-]{1,255}$/),
  port: z.int().min(1).max(65535),
});
/** The node that would be the first one. */
export type NextFirstNode = z.infer<typeof candidateSchema>;

/** Schema of a {@linkcode Vote}. */
export const voteSchema = z.strictObject({
  /** The one that the voter dials with, signed by the old authority. */
  certificate: certificateSchema,
  /** Signature of {@linkcode voteText} by the certificate's key, 64 bytes in base64. */
  signature: z.string().length(88),
});
/** A vote for what a {@linkcode Ballot} says. */
export type Vote = z.infer<typeof voteSchema>;

/** Schema of a {@linkcode Ballot}. */
export const ballotSchema = z.strictObject({
  /** Epoch that the cluster would have; greater than the roll's. */
  epoch: z.int().positive(),
  /** Certificate of the new authority. */
  authority: certificateSchema,
  /** The members, as the old authority signed them last, as far as the candidate knows. */
  roll: rollSchema,
  candidate: candidateSchema,
});
/** What is voted on. */
export type Ballot = z.infer<typeof ballotSchema>;

/** Schema of a {@linkcode SuccessionRecord}. */
export const recordSchema = ballotSchema.extend({
  version: z.literal(1),
  /** Sorted by the voters' identities, each once. */
  votes: z.array(voteSchema).min(1).max(MAX_MEMBERS),
});
/** See the module's text. */
export type SuccessionRecord = z.infer<typeof recordSchema>;

/** What somebody knows of a cluster, by which it judges a record. */
export interface KnownCluster {
  /** Certificate of its authority, PEM. */
  authority: string;
  /** Epoch of the cluster. @default that of the roll */
  epoch?: number;
  /**
   * The newest roll that it was told. Undefined only where the authority was found by an earlier
   * record: then the roll of the record counts.
   */
  roll?: Roll;
  /** Identities that were removed. */
  revoked: readonly string[];
}

/** What a record that holds says. */
export interface Succession {
  /** SHA-256 of the certificate of the authority that is followed. */
  from: string;
  epoch: number;
  /** Certificate of the new authority, PEM. */
  authority: string;
  /** SHA-256 of that certificate. */
  fingerprint: string;
  candidate: NextFirstNode;
}

/** A node with what it signs with. */
export interface Signer {
  key: PrivateKey;
  /** The newest certificate that it dials with, PEM. */
  certificate: string;
}

/** What a voter signs. */
export function voteText(ballot: Ballot, certificate: string): string {
  const { epoch, authority, roll, candidate } = ballot;
  return [
    "orrery succession vote 1",
    `cluster ${roll.authority}`,
    `epoch ${epoch}`,
    `roll ${sha256(rollText(roll))}`,
    `authority ${sha256(Buffer.from(authority, "base64"))}`,
    `candidate ${candidate.node} ${candidate.identity}`,
    `address ${candidate.host} ${candidate.port}`,
    `voter ${sha256(Buffer.from(certificate, "base64"))}`,
  ].join("\n");
}

/** Votes for what the ballot says. */
export async function signVote(ballot: Ballot, { key, certificate }: Signer): Promise<Vote> {
  const der = derOf(certificate);
  return { certificate: der, signature: await signText(key, voteText(ballot, der)) };
}

/** A certificate's DER, base64. */
export function derOf(pem: string): string {
  return Buffer.from(new X509Certificate(pem).raw).toString("base64");
}

/** Who cast a vote. Throws `bad_succession` unless it was cast for this by a node of the authority. */
export async function checkVote(
  ballot: Ballot,
  vote: Vote,
  authority: X509Certificate,
): Promise<{ node: NodeId; identity: string }> {
  const certificate = parseCertificate(vote.certificate, "a voter");
  const node = nodeOf(certificate);
  if (node === undefined || !isSignedBy(certificate, authority)) {
    throw bad("a voter's certificate is not one that this cluster's authority gave a node");
  }
  // Both times are of the first node's clock.
  if (Date.parse(certificate.validTo) <= ballot.roll.at_ms) {
    throw bad(`the certificate of ${node} had expired when the roll was signed`);
  }
  if (!await isSigned(certificate, voteText(ballot, vote.certificate), vote.signature)) {
    throw bad(`the vote of ${node} is for something else, or not signed by it`);
  }
  return { node, identity: identityOf(certificate) };
}

/**
 * Checks a ballot against what is known of the cluster: that the roll is this cluster's, and the
 * new authority one. Returns the members that count: those of the newer roll of both, without those
 * that were removed. Throws `bad_succession` (group `trust`).
 */
export async function checkBallot(ballot: Ballot, known: KnownCluster): Promise<Set<string>> {
  const authority = new X509Certificate(known.authority);
  const { roll, epoch } = ballot;
  if (roll.authority !== fingerprintOf(authority)) {
    throw bad("it is about another cluster, or another epoch of this one");
  }
  if (!await isRollOf(roll, authority)) throw bad("its roll is not signed by the authority");
  if (roll.epoch !== (known.epoch ?? known.roll?.epoch ?? roll.epoch)) {
    throw bad(`its roll is of epoch ${roll.epoch}, and the cluster is not`);
  }
  if (epoch <= roll.epoch) throw bad(`epoch ${epoch} does not follow epoch ${roll.epoch}`);
  const next = parseCertificate(ballot.authority, "the new authority");
  if (!next.ca || !isSignedBy(next, next) || fingerprintOf(next) === roll.authority) {
    throw bad("the new authority's certificate is not one");
  }
  const newest = known.roll && known.roll.number > roll.number ? known.roll : roll;
  const members = new Set(newest.members);
  for (const identity of known.revoked) members.delete(identity);
  if (!members.has(ballot.candidate.identity)) {
    throw bad(`${ballot.candidate.node} is no member of this cluster`);
  }
  return members;
}

/**
 * Checks a succession record. Throws `bad_succession` (group `trust`) with the reason.
 *
 * @param value A {@linkcode SuccessionRecord}, as it came from anybody.
 */
export async function verifyRecord(value: unknown, known: KnownCluster): Promise<Succession> {
  const parsed = recordSchema.safeParse(value);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw bad(`its field ${path.join(".") || "(all)"} is wrong: ${message}`);
  }
  const { version: _, votes, ...ballot } = parsed.data;
  const members = await checkBallot(ballot, known);
  const authority = new X509Certificate(known.authority);
  const voters = votes.map(({ certificate }) =>
    identityOf(parseCertificate(certificate, "a voter"))
  );
  if (voters.some((identity, i) => i > 0 && voters[i - 1] >= identity)) {
    throw bad("its votes are not sorted, or a member votes twice");
  }
  const onRoll = new Set(ballot.roll.members);
  if (!voters.every((identity) => onRoll.has(identity))) {
    throw bad("somebody has voted who is not on its roll");
  }
  const counted = voters.filter((identity) => members.has(identity));
  if (2 * counted.length <= members.size) {
    throw bad(
      `${counted.length} of ${members.size} members voted for it, which is not more than half`,
    );
  }
  if (!counted.includes(ballot.candidate.identity)) throw bad("the candidate has not voted for it");
  // Signatures cost the most: they are checked last. There are no more than members on the roll.
  for (const vote of votes) {
    const { node, identity } = await checkVote(ballot, vote, authority);
    if (identity === ballot.candidate.identity && node !== ballot.candidate.node) {
      throw bad("the candidate's certificate names another node");
    }
  }
  const next = new X509Certificate(Buffer.from(ballot.authority, "base64"));
  return {
    from: ballot.roll.authority,
    epoch: ballot.epoch,
    authority: next.toString(),
    fingerprint: fingerprintOf(next),
    candidate: ballot.candidate,
  };
}

/** Puts votes, each of another member, and what they are for together. */
export function makeRecord(ballot: Ballot, votes: Vote[]): SuccessionRecord {
  const identity = ({ certificate }: Vote) =>
    identityOf(new X509Certificate(Buffer.from(certificate, "base64")));
  const sorted = votes.map((vote) => ({ vote, by: identity(vote) }))
    .sort((a, b) => a.by < b.by ? -1 : 1);
  return { version: 1, ...ballot, votes: sorted.map(({ vote }) => vote) };
}

function parseCertificate(der: string, whose: string): X509Certificate {
  try {
    const certificate = new X509Certificate(Buffer.from(der, "base64"));
    identityOf(certificate); // throws where its key is of no kind that is known here
    return certificate;
  } catch {
    throw bad(`the certificate of ${whose} cannot be read`);
  }
}

/** Did this authority sign the certificate? Keys of unknown kinds make the check throw. */
function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    return certificate.verify(authority.publicKey);
  } catch {
    return false;
  }
}

function bad(why: string): Error {
  return trustError("bad_succession", `a succession of the first node is refused: ${why}`);
}
