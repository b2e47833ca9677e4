/**
 * Errors of trust between nodes, group `trust`.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/mod.ts";

/**
 * Codes of group `trust`.
 *
 * - `bad_token`: a text that is no join token, such as one that was cut.
 * - `token_required`: a node that the cluster does not know came without a token.
 * - `token_unknown`: no such token, or another secret: it was revoked, or never made.
 * - `token_expired`, `token_used_up`: the token was good once.
 * - `wrong_authority`: the other side's certificate authority is not the one that was expected.
 * - `bad_certificate`: a certificate that this cluster's authority did not sign, or that expired, or
 *   that names another node.
 * - `revoked`: the node was removed from the cluster.
 * - `node_taken`: another node has the id that a node asks a certificate for.
 * - `unknown_node`, `ambiguous_node`, `first_node`: nodes that cannot be removed.
 * - `bad_request`: a request to join that cannot be read.
 * - `no_authority`: no cluster was started with this folder.
 * - `not_first`: the node that was asked is not the first one of its cluster.
 * - `bad_succession`: a proof that another node is the first one now does not hold.
 * - `no_vote`: a member does not vote for another first node now.
 * - `not_promoted`: this node does not become the first one; the text says why.
 * - `file_broken`, `file_busy`: a file of the folder `trust` cannot be read, or is locked for long.
 * - `bad_answer`: a node does not say who coordinates.
 * - `record_busy`: what the registry holds of trust is changed by others again and again.
 */
export type TrustErrorCode =
  | "bad_token"
  | "token_required"
  | "token_unknown"
  | "token_expired"
  | "token_used_up"
  | "wrong_authority"
  | "bad_certificate"
  | "revoked"
  | "node_taken"
  | "unknown_node"
  | "ambiguous_node"
  | "first_node"
  | "bad_request"
  | "no_authority"
  | "not_first"
  | "bad_succession"
  | "no_vote"
  | "not_promoted"
  | "file_broken"
  | "file_busy"
  | "bad_answer"
  | "record_busy";

/** An {@linkcode OrreryError} of group `trust`. */
export function trustError(
  code: TrustErrorCode,
  message: string,
  metadata?: Record<string, unknown>,
  cause?: unknown,
): OrreryError {
  return new OrreryError({ group: "trust", code, message, metadata, cause });
}
