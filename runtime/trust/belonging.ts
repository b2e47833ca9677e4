/**
 * How a node gets its certificates: it signs them itself, or gets them at another node.
 *
 * @module
 */
import { hasCode, type NodeId } from "../../actors/system/mod.ts";
import type { ProtocolRange } from "../mailbox/mod.ts";
import type { Authority } from "./authority.ts";
import type { Issued } from "./certificates.ts";
import { trustError } from "./errors.ts";
import { joinFirstNode, type JoinOptions } from "./join_client.ts";
import type { MembershipNews } from "./join_protocol.ts";
import type { NodeKey } from "./node_key.ts";
import type { JoinToken } from "./token.ts";

/** Where a mailbox listens. */
export interface MailboxPlace {
  host: string;
  port: number;
}

/** What a node has in a cluster, and where it gets new certificates. */
export interface Belonging {
  /** Certificate of the cluster's authority, PEM. */
  authorityPem: string;
  /** The first certificates. */
  issued: Issued;
  /** Who belongs to the cluster, as the node was told with its certificates. */
  news: MembershipNews;
  /** Gets new ones, from a node at one of these places where this node cannot sign them. */
  renew: (places: readonly MailboxPlace[]) => Promise<{ issued: Issued; news: MembershipNews }>;
  /** On nodes that have the authority's key. */
  authority?: Authority;
  /** Where the node listens that was joined; undefined on nodes that have the authority's key. */
  first?: MailboxPlace;
  /** Version of the protocol that the first node and this one speak. @default the newest */
  version?: () => number;
}

/** A node that has the authority's key signs its certificates itself. */
export async function asAuthority(
  authority: Authority,
  csr: string,
  node: NodeId,
): Promise<Belonging> {
  const renew = async () => ({
    issued: await authority.issue({ csr, node }, true),
    news: await authority.news(),
  });
  return { ...await renew(), authorityPem: authority.certificate, renew, authority };
}

/** Any other node gets its certificates at one of these places. */
export async function asMember(
  { key, csr, node, fingerprint, protocol }: {
    key: NodeKey;
    csr: string;
    node: NodeId;
    /** SHA-256 of the authority's certificate. */
    fingerprint: string;
    protocol?: ProtocolRange;
  },
  at: readonly MailboxPlace[],
  token?: JoinToken,
): Promise<Belonging> {
  let common = 0;
  const get = async (places: readonly MailboxPlace[], secret?: JoinToken) => {
    const request = { csr, node, token: secret && { id: secret.id, secret: secret.secret } };
    const { authority, client, server, revoked, roll, version } = await joinOneOf(
      places,
      (first) => ({ first, fingerprint, request, protocol }),
    );
    common = version;
    await key.setCluster({ authority, revoked, roll });
    return { authorityPem: authority, issued: { client, server }, news: { revoked, roll } };
  };
  return { ...await get(at, token), renew: get, first: at[0], version: () => common };
}

/**
 * Joins at the first of these places that answers. Throws what the last one threw, and at once where
 * one says that this node was removed.
 */
async function joinOneOf(
  places: readonly MailboxPlace[],
  optionsFor: (place: MailboxPlace) => JoinOptions,
): ReturnType<typeof joinFirstNode> {
  for (const [i, place] of places.entries()) {
    try {
      return await joinFirstNode(optionsFor(place));
    } catch (error) {
      if (i === places.length - 1 || hasCode(error, "revoked")) throw error;
    }
  }
  throw trustError("not_first", "no place is known where this node could get certificates");
}
