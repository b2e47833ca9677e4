/**
 * Mailboxes over HTTP/2: the transport between the actor systems of several nodes. A node has one
 * mailbox; it keeps one link to every peer and sends each message once, in order.
 *
 * Start with `wire.ts`, what goes over a link; then `mailbox_transport.ts`, and `peer.ts`, the state
 * of one link. A link has two halves, one stream each: this node dials its own (`dialer.ts`), the
 * peer's comes to the server (`server.ts`, `inbound.ts`).
 *
 * - what is sent again after a break: `window.ts`
 * - connections, and whether they still work: `connect.ts`, `keepalive.ts`, `link_meter.ts`
 * - frames and their bytes: `frame_reader.ts`, `cbor.ts`, `cbor_scan.ts`, `protocol.ts`
 * - who may connect: `tls.ts`, `strangers.ts`, `line_budget.ts`
 * - asking before there is a link: `identify.ts`, `knock.ts`
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
export { authorityOf, connect, cut, type SecureTarget } from "./connect.ts";
export { keepalive, type KeepaliveOptions } from "./keepalive.ts";
export {
  type CertifiedNode,
  type Credentials,
  type MailboxTls,
  type OtherRequest,
  TLS_VERSION,
} from "./tls.ts";
export type { MailboxLimits } from "./limits.ts";
export { LineBudget } from "./line_budget.ts";
export type { LinkFigures } from "./link_meter.ts";
export type { PeerState, PeerStats } from "./peer_stats.ts";
export type { Hello } from "./wire.ts";
export {
  commonVersion,
  FIRST_PROTOCOL,
  PROTOCOL,
  type ProtocolRange,
  protocolSchema,
  type Speaker,
  speaks,
} from "./protocol.ts";
export { encodeCbor } from "./cbor.ts";
export { LEFT, REMOVED } from "./peer.ts";
export { identify } from "./identify.ts";
