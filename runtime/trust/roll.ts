/**
 * The roll of a cluster: the list of its members, signed by its authority. When the first node is
 * gone for good, more than half of the members on the roll decide who follows it
 * (`runtime/succession`), and whoever has the roll can check that they did.
 *
 * Each change of the list has a number of its own, so that of two rolls everybody knows the newer
 * one. All times in it are of the first node's clock; no two machines' clocks are compared.
 *
 * @module
 */
import type { X509Certificate } from "node:crypto";
import { z } from "zod";
import { fingerprintOf } from "./certificates.ts";
import type { KnownIdentity } from "./identities.ts";
import { isSigned, type PrivateKey, signText } from "./sign.ts";

/** Most members of a roll; a larger cluster has none, and its first node no successor. */
export const MAX_MEMBERS = 4096;

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

/** Schema of a {@linkcode Roll}. */
export const rollSchema = z.strictObject({
  /** SHA-256 of the certificate of the authority that signed it. */
  authority: sha256Schema,
  /** Epoch of the cluster: 1, and more after each first node that was followed by another. */
  epoch: z.int().positive(),
  /** Grows with each change of the list. */
  number: z.int().positive(),
  /** When it was signed, milliseconds since 1970 by the first node's clock. */
  at_ms: z.int().nonnegative(),
  /** Identities of the members, sorted, without the first node's. */
  members: z.array(sha256Schema).max(MAX_MEMBERS),
  /** ECDSA signature of {@linkcode rollText}, 64 bytes in base64. */
  signature: z.string().length(88),
});
/** A signed list of members. */
export type Roll = z.infer<typeof rollSchema>;

/** What the authority signs. */
export function rollText(roll: Omit<Roll, "signature">): string {
  const { authority, epoch, number, at_ms, members } = roll;
  return [
    "orrery roll of members 1",
    `cluster ${authority}`,
    `epoch ${epoch}`,
    `number ${number}`,
    `at ${at_ms}`,
    ...members,
  ].join("\n");
}

/** Signs a list of members. */
export async function signRoll(
  key: PrivateKey,
  roll: Omit<Roll, "signature">,
): Promise<Roll> {
  return { ...roll, signature: await signText(key, rollText(roll)) };
}

/** Did this authority sign the roll? Its members must be sorted, each once. */
export async function isRollOf(roll: Roll, authority: X509Certificate): Promise<boolean> {
  const { members } = roll;
  return roll.authority === fingerprintOf(authority) &&
    members.every((member, i) => i === 0 || members[i - 1] < member) &&
    await isSigned(authority, rollText(roll), roll.signature);
}

/**
 * The members among the nodes that were ever taken in: those that were not removed, have not left,
 * and had a certificate when the newest one of all was made. So a node that is silent counts for a
 * day more: those whom the first node cannot reach must not become fewer by that.
 *
 * @param certificateMs How long certificates are valid, milliseconds.
 */
export function membersOf(known: KnownIdentity[], certificateMs: number): string[] {
  const untilMs = ({ lives }: KnownIdentity) => Math.max(0, ...lives.map((life) => life.until_ms));
  const here = known.filter((i) =>
    i.token !== undefined && i.removed_ms === undefined && i.left_ms === undefined
  );
  const newest = Math.max(0, ...here.map(untilMs));
  return here.filter((i) => untilMs(i) > newest - certificateMs).map((i) => i.identity).sort();
}
