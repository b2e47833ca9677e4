/**
 * Versions of what nodes say to each other: over mailbox streams, in the messages of the actors of
 * this program, and when they join.
 *
 * | version | what is new in it                                                                       |
 * | ------- | --------------------------------------------------------------------------------------- |
 * | 1       | the first one                                                                           |
 * | 2       | hellos, requests to join and their answers name a lowest and a highest version; the first node tells members the roll too (`/join/v1/membership` in place of `/join/v1/revoked`); member actors answer `examine`, `clock` and `links`, cluster actors `check_up` and `fetching`; weights actors answer `have`, and `blob` with how busy they are; deployments name the hash of the manifest; nodes ask who coordinates (`/join/v1/coordinator`), and messages to the coordinator's actors carry the number of its term |
 *
 * A node speaks the newest version and the one before, so that a cluster can be brought up to date
 * node by node. A link uses the highest version that both ends speak; nodes without a common one are
 * refused by name (`version`). `v` in a hello is the lowest version, since a node of version 1 reads
 * it as the only one.
 *
 * Frames with masks or given tokens need no version: an earlier program does not read their `strict_samplers`,
 * and so refuses their rows.
 *
 * Whoever changes what is said adds a row and raises `highest`. What is new may be said to a peer
 * only where the common version allows it (`speaks`): that of its link is `PeerStats.version`.
 *
 * @module
 */
import { z } from "zod";
import type { OrreryError } from "../../actors/system/mod.ts";
import { mailboxError } from "./errors.ts";

/** The versions that a program speaks, both ends inclusive. */
export interface ProtocolRange {
  /** The oldest version. */
  readonly lowest: number;
  /** The newest version. */
  readonly highest: number;
}

/** The versions that this program speaks. */
export const PROTOCOL: ProtocolRange = { lowest: 1, highest: 2 };

/** The version since which something is said. */
const SINCE = { range: 2, roll: 2, clock: 2, terms: 2 } as const;

const version = z.number().int().nonnegative().max(1_000_000);

/** Schema of a range in JSON. */
export const protocolSchema = z.object({ lowest: version, highest: version })
  .refine(({ lowest, highest }) => lowest <= highest, "the highest version is below the lowest");

/** What a node of version 1 speaks, which names no range. */
export const FIRST_PROTOCOL: ProtocolRange = { lowest: 1, highest: 1 };

/** Whether a node of this version says this, and understands it. */
export const speaks = (what: keyof typeof SINCE, version: number): boolean =>
  version >= SINCE[what];

/** A node and the versions that it speaks. */
export interface Speaker {
  /** The node, or where it is. */
  node: string;
  /** The versions that it speaks. */
  protocol: ProtocolRange;
}

/** The version for a link of these two nodes. Throws `version` (group `mailbox`). */
export function commonVersion(here: Speaker, there: Speaker): number {
  const highest = Math.min(here.protocol.highest, there.protocol.highest);
  if (highest >= Math.max(here.protocol.lowest, there.protocol.lowest)) return highest;
  throw versionError(here, there);
}

function versionError(here: Speaker, there: Speaker): OrreryError {
  const older = here.protocol.highest < there.protocol.highest ? here : there;
  return mailboxError(
    "version",
    `node ${there.node} speaks ${text(there.protocol)} of the protocol between nodes, and node ` +
      `${here.node} ${text(here.protocol)}; bring ${older.node} up to date and start it again`,
    { here: { ...here.protocol }, there: { ...there.protocol } },
  );
}

const text = ({ lowest, highest }: ProtocolRange): string =>
  lowest === highest ? `version ${highest}` : `versions ${lowest} to ${highest}`;
