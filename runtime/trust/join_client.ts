/**
 * A node's side of joining: gets the authority's certificate, checks it, and only then sends what
 * nobody else may see.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { OrreryError } from "../../actors/system/mod.ts";
import {
  authorityOf,
  commonVersion,
  FIRST_PROTOCOL,
  PROTOCOL,
  type ProtocolRange,
  speaks,
} from "../mailbox/mod.ts";
import { askMailbox } from "./ask_mailbox.ts";
import { fingerprintOf } from "./certificates.ts";
import { trustError } from "./errors.ts";
import {
  AUTHORITY_PATH,
  authorityAnswerSchema,
  CERTIFICATE_PATH,
  type JoinAnswer,
  joinAnswerSchema,
  type JoinRequest,
  MAX_ANSWER_CHARS,
} from "./join_protocol.ts";

/** Milliseconds that the whole exchange may take. */
const JOIN_MS = 10_000;

/** What a node needs to join. */
export interface JoinOptions {
  /** Where the first node's mailbox listens. */
  first: { host: string; port: number };
  /** SHA-256 of the certificate of the authority that must be there. */
  fingerprint: string;
  /** What is sent once the authority is checked. */
  request: Omit<JoinRequest, "protocol">;
  /** Versions of the protocol to speak. @default those that this program knows */
  protocol?: ProtocolRange;
  /** Ends the exchange. */
  signal?: AbortSignal;
}

/**
 * Gets certificates from the first node. Throws `wrong_authority` and `bad_certificate` (group
 * `trust`), with which nothing was sent; `version` (group `mailbox`); what the first node refuses with; and `join_failed` (group
 * `cluster`) where nobody answers.
 */
export async function joinFirstNode(
  { first, fingerprint, request, protocol = PROTOCOL, signal }: JoinOptions,
): Promise<JoinAnswer & { authority: string; version: number }> {
  const { host, port } = first;
  const where = authorityOf(host, port);
  const timeout = AbortSignal.timeout(JOIN_MS);
  const within = signal ? AbortSignal.any([signal, timeout]) : timeout;

  const { certificate, protocol: spoken } = await fetchAuthority(first, within);
  const found = fingerprintOf(certificate);
  if (found !== fingerprint) {
    throw trustError(
      "wrong_authority",
      `the cluster at ${where} is another one: its authority's certificate has the hash ${
        found.slice(0, 16)
      }..., expected was ${fingerprint.slice(0, 16)}...; nothing was sent to it. ` +
        "Join with the command that its first node printed",
      { host, port, found, expected: fingerprint },
    );
  }
  // A first node that is told the versions refuses by itself, and then its log says so too.
  const told = spoken && speaks("range", protocol.highest);
  const here = { node: request.node, protocol };
  const there = { node: `at ${where}`, protocol: spoken ?? FIRST_PROTOCOL };
  const version = spoken ? 0 : commonVersion(here, there);
  const authority = certificate.toString();
  const answer = await askMailbox({
    place: first,
    maxChars: MAX_ANSWER_CHARS,
    signal: within,
    failed: joinFailed,
    authority,
    path: CERTIFICATE_PATH,
    body: told ? { ...request, protocol } : request,
    schema: joinAnswerSchema,
  });
  return { ...answer, authority, version: version || commonVersion(here, there) };
}

/**
 * What the first node at a place says of itself, which nothing proves: the certificate of its
 * authority, and the versions of the protocol that it speaks. Throws as {@linkcode joinFirstNode}.
 */
export async function fetchAuthority(
  place: JoinOptions["first"],
  signal: AbortSignal,
): Promise<{ certificate: X509Certificate; protocol?: ProtocolRange }> {
  const { authority, protocol } = await askMailbox({
    place,
    maxChars: MAX_ANSWER_CHARS,
    signal,
    failed: joinFailed,
    path: AUTHORITY_PATH,
    schema: authorityAnswerSchema,
  });
  try {
    return { certificate: new X509Certificate(authority), protocol };
  } catch (error) {
    const where = authorityOf(place.host, place.port);
    throw trustError("wrong_authority", `${where} sent no certificate`, { ...place }, error);
  }
}

/** The error of a node that finds no first node at an address. */
export function joinFailed(where: string, why: string): OrreryError {
  return new OrreryError({
    group: "cluster",
    code: "join_failed",
    message: `no node answers at ${where} (${why}); ` +
      "start the first node there, and name its mailbox port (8421), not its API port",
  });
}
