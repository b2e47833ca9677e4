/**
 * Mailboxes over HTTP/2: the transport between the actor systems of several nodes.
 *
 * @module
 */
export { createMailbox } from "./mailbox.ts";
export type { Mailbox, MailboxOptions, MailboxStats, PeerListener } from "./mailbox.ts";
export type { MailboxTls } from "./connect.ts";
export type { MailboxLimits } from "./limits.ts";
export type { PeerState, PeerStats } from "./peer.ts";
export type { Hello } from "./wire.ts";
export { encodeCbor } from "./cbor.ts";
export { identify } from "./identify.ts";
