import { OrreryError } from "../../actors/system/mod.ts";

/** Codes of group `mailbox`. */
export type MailboxErrorCode =
  | "unknown_peer"
  | "unreachable"
  | "too_large"
  | "peer_lost"
  | "closed"
  | "protocol"
  | "unencodable";

/** An error of group `mailbox`. */
export function mailboxError(
  code: MailboxErrorCode,
  message: string,
  metadata?: Record<string, unknown>,
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "mailbox", code, message, metadata, cause });
}
