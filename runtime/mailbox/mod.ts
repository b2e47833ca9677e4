/**
 * Mailboxes over HTTP/2: the transport between the actor systems of several nodes. A node has one
 * mailbox; it keeps one link to every peer and sends each message once, in order.
 *
 * @module
 */
export { createMailbox } from "./mailbox_transport.ts";
export type {
  MailboxOptions,
  MailboxStats,
  MailboxTransport,
  PeerListener,
} from "./mailbox_transport.ts";
export type { MailboxTls } from "./connect.ts";
export type { MailboxLimits } from "./limits.ts";
export type { PeerState, PeerStats } from "./peer_stats.ts";
export type { Hello } from "./wire.ts";
export { encodeCbor } from "./cbor.ts";
export { identify } from "./identify.ts";
