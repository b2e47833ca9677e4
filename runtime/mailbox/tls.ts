/**
 * Mutual TLS as the mailbox sees it: what this node shows, and who a certificate says that the
 * other side is. Whoever makes the mailbox says how certificates are issued and judged.
 *
 * @module
 */
import type { NodeId } from "../../actors/system/mod.ts";
import type { HeaderFields, Http2Stream } from "../http2/mod.ts";

/** The only version of TLS that mailboxes speak, on both ends. */
export const TLS_VERSION = "TLSv1.3";

/** PEM texts that one side of a connection needs. */
export interface Credentials {
  /** Private key of `cert`, PKCS #8. */
  key: string;
  /** Certificate that is shown. */
  cert: string;
  /** Certificate of the authority that must have signed the other side's certificate. */
  ca: string;
}

/** Who showed a certificate. */
export interface CertifiedNode {
  /** Id of this life of the node. */
  node: NodeId;
  /** SHA-256 of the node's public key, hexadecimal: the same in each of its lives. */
  identity: string;
}

/** A request of the mailbox's port that is none of the mailbox itself. */
export interface OtherRequest {
  /** The request's stream, to which nothing was written yet. */
  stream: Http2Stream;
  /** The request's headers. */
  headers: HeaderFields;
  /** Who asks; undefined: whoever asks has shown no certificate. */
  from?: CertifiedNode;
  /** IP address and port of the other side, for the log. */
  remote: string;
}

/** Certificates of a node, and the judgement of others' certificates. */
export interface MailboxTls {
  /** What this node shows when it dials. The current one is read for each connection. */
  readonly client: Credentials;
  /** What this node shows when it is dialled. */
  readonly server: Credentials;
  /**
   * DNS name in the server certificate of node `to`; undefined: of the node that takes joins. It
   * gives nothing away of the node's id.
   */
  serverName(to?: NodeId): string;
  /**
   * Checks the certificate, in DER, of a server whose chain was found good. Throws if it is not that
   * of node `to`, or revoked.
   */
  checkServer(certificate: Uint8Array, to?: NodeId): void;
  /**
   * The node that showed this certificate, in DER, when it dialled. Throws if the certificate is not
   * valid, expired or revoked.
   */
  certified(certificate: Uint8Array): CertifiedNode;
  /**
   * Answers a request that is none of the mailbox itself, such as that of a node that wants to join.
   * Returns false if there is no such request.
   */
  answer(request: OtherRequest): boolean;
  /**
   * Calls `listener` when there are new credentials, with the nodes that are revoked since the last
   * call. Returns the function that ends the subscription.
   */
  subscribe(listener: (change: { revoked: NodeId[] }) => void): () => void;
}
