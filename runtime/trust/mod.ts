/**
 * Who belongs to a cluster: its certificate authority on the first node, join tokens, the keys and
 * certificates of nodes, and the way by which a node joins. It answers the mailbox's questions about
 * certificates (`MailboxTls`).
 *
 * Everything lies in the folder `trust` below `--data`, readable by its owner alone.
 *
 * @module
 */
export { askMailbox, type MailboxRequest } from "./ask_mailbox.ts";
export { Authority, type AuthorityOptions, type SignRequest } from "./authority.ts";
export type { MailboxPlace } from "./belonging.ts";
export { fingerprintOf, identityOf, type Issued, NODE_ID, nodeOf, sha256 } from "./certificates.ts";
export { trustError } from "./errors.ts";
export {
  Identities,
  type KnownIdentity,
  knownIdentitySchema,
  type RemovedIdentity,
} from "./identities.ts";
export {
  type FindFirst,
  NodeTrust,
  type NodeTrustOptions,
  openTrust,
  type TrustOptions,
} from "./node_trust.ts";
export { RecordFile } from "./record_file.ts";
export { signRegistryServer } from "./registry_certificate.ts";
export { formatToken, type JoinToken, parseToken } from "./token.ts";
export { type StoredToken, Tokens } from "./tokens.ts";
export type { RecordStore } from "./record_store.ts";
export { fileRecords, IDENTITIES_KEY, registryRecords, type TrustRecords } from "./records.ts";
export { askCoordinator, type CoordinatorPlace } from "./ask_coordinator.ts";
export { fetchAuthority } from "./join_client.ts";
export { readJson, sendJson } from "./json_stream.ts";
export { NodeKey, type OwnCluster } from "./node_key.ts";
export { isRollOf, MAX_MEMBERS, type Roll, rollSchema, rollText, signRoll } from "./roll.ts";
export {
  createKey,
  identityOfKey,
  isSigned,
  type PrivateKey,
  readKey,
  signAuthority,
  signText,
} from "./sign.ts";
export {
  findCoordinator,
  type FindCoordinatorOptions,
  type FoundCoordinator,
  type KnownPlace,
} from "./find_coordinator.ts";
export { readFirstNode, trustFolder } from "./folder.ts";
