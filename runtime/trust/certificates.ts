/**
 * What certificates of nodes say, and whether they are to be believed.
 *
 * A node has two for each of its lives, with the same key. The one that it shows when it dials names
 * its id (`URI:orrery:node:ID`). The one that it shows when it is dialled goes to whoever connects,
 * also to strangers, so it has a hash of the id alone (`DNS:HASH.node.orrery`), which whoever knows
 * the id can check. The first node's has `DNS:join.orrery` besides: only there a secret is sent.
 *
 * @module
 */
import { createHash, X509Certificate } from "node:crypto";
import type { NodeId } from "../../actors/system/mod.ts";
import type { CertifiedNode } from "../mailbox/mod.ts";
import { trustError } from "./errors.ts";

/** DNS name of the node that takes joins. */
export const JOIN_NAME = "join.orrery";
/** What a node id in a certificate begins with. */
export const NODE_URI = "orrery:node:";

/** The ids that are put into certificates: name, port and four hexadecimal digits. */
export const NODE_ID = /^[A-Za-z0-9.-]{1,64}:\d{1,5}:[0-9a-f]{4}$/;

/** The certificates of one life of a node, PEM. */
export interface Issued {
  /** Shown when it dials. */
  client: string;
  /** Shown when it is dialled. */
  server: string;
}

/** SHA-256, hexadecimal. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/** DNS name in the server certificate of a node. */
export function serverNameOf(node: NodeId): string {
  return `${sha256(node).slice(0, 40)}.node.orrery`;
}

/** SHA-256 of the public key in a certificate: the node's identity. */
export function identityOf(certificate: X509Certificate): string {
  return sha256(certificate.publicKey.export({ type: "spki", format: "der" }) as Uint8Array);
}

/** SHA-256 of a certificate, by which tokens name the authority. */
export function fingerprintOf(certificate: X509Certificate): string {
  return sha256(certificate.raw);
}

/**
 * Throws `bad_certificate` (group `trust`) unless the authority signed the certificate and it is
 * valid now.
 */
function check(certificate: X509Certificate, authority: X509Certificate, now: number): void {
  if (!certificate.verify(authority.publicKey)) {
    const by = certificate.verify(certificate.publicKey)
      ? "it is signed by itself"
      : "another authority than this cluster's signed it";
    throw trustError("bad_certificate", by);
  }
  const from = Date.parse(certificate.validFrom), to = Date.parse(certificate.validTo);
  if (now < from || now >= to) {
    throw trustError(
      "bad_certificate",
      now < from
        ? `it is valid from ${clock(from)} by the clock of the node that signed it, and this ` +
          `node's clock says ${clock(now)}: set the one that is wrong`
        : `it expired at ${clock(to)} by the clock of the node that signed it, and this node's ` +
          `clock says ${clock(now)}: where that is wrong, set it`,
    );
  }
}

const clock = (ms: number) => new Date(ms).toISOString();

/** The certificate with this DER. Throws `bad_certificate`. */
function parse(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (error) {
    throw trustError("bad_certificate", "it cannot be read", {}, error);
  }
}

/** The alternative names of one kind, such as `DNS`. */
function names(certificate: X509Certificate, kind: string): string[] {
  return (certificate.subjectAltName ?? "").split(", ").filter((n) => n.startsWith(`${kind}:`))
    .map((n) => n.slice(kind.length + 1));
}

/** The node that showed this certificate, in DER, as a client. Throws `bad_certificate`. */
export function checkClient(
  der: Uint8Array,
  authority: X509Certificate,
  now: number,
): CertifiedNode {
  const certificate = parse(der);
  check(certificate, authority, now);
  const node = nodeOf(certificate);
  if (node === undefined) {
    throw trustError("bad_certificate", "it is not one that a node dials with");
  }
  return { node, identity: identityOf(certificate) };
}

/** The node that dials with this certificate; undefined: it is none that a node dials with. */
export function nodeOf(certificate: X509Certificate): NodeId | undefined {
  const ids = names(certificate, "URI").filter((uri) => uri.startsWith(NODE_URI))
    .map((uri) => uri.slice(NODE_URI.length));
  return ids.length === 1 && NODE_ID.test(ids[0]) ? ids[0] : undefined;
}

/**
 * The identity of the server that showed this certificate, in DER, which must have this DNS name.
 * Throws `bad_certificate`.
 */
export function checkServer(
  der: Uint8Array,
  authority: X509Certificate,
  { name, now, what }: { name: string; now: number; what: string },
): string {
  const certificate = parse(der);
  try {
    check(certificate, authority, now);
  } catch (error) {
    throw trustError(
      "bad_certificate",
      `the certificate of ${what} is refused: ${(error as Error).message}`,
      {},
      error,
    );
  }
  if (!names(certificate, "DNS").includes(name)) {
    throw trustError("bad_certificate", `whoever answers is not ${what}`);
  }
  return identityOf(certificate);
}

/** When a PEM certificate ends, in milliseconds since 1970. */
export function expiryMs(pem: string): number {
  return Date.parse(new X509Certificate(pem).validTo);
}
