/**
 * Errors of the mailbox, group `mailbox`.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/mod.ts";

/**
 * Codes of group `mailbox`.
 *
 * - `unknown_peer`: a message for, or a hello from, a node that this mailbox does not know.
 * - `unreachable`: nobody answers as a mailbox at an address.
 * - `too_large`: an encoded message is over the limit.
 * - `peer_lost`: the link to a peer broke, or the peer left, restarted or was removed.
 * - `closed`: this mailbox is closed.
 * - `protocol`: the other side sent what the protocol does not allow.
 * - `version`: the two nodes speak no common version of the protocol.
 * - `untrusted`: the other side showed no certificate, or one of another node.
 * - `unencodable`: a message holds a value that CBOR, as used here, does not carry.
 */
export type MailboxErrorCode =
  | "unknown_peer"
  | "unreachable"
  | "too_large"
  | "peer_lost"
  | "closed"
  | "protocol"
  | "version"
  | "untrusted"
  | "unencodable";

/** An {@linkcode OrreryError} of group `mailbox`. */
export function mailboxError(
  code: MailboxErrorCode,
  message: string,
  metadata?: Record<string, unknown>,
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "mailbox", code, message, metadata, cause });
}
