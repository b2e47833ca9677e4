/**
 * What a mailbox tells about a peer.
 *
 * @module
 */
import type { NodeId } from "../../actors/system/mod.ts";
import type { LinkFigures } from "./link_meter.ts";

/**
 * State of the link to a peer. `connecting`: sends are queued; `up`: sends flow; `lost`: sends are
 * refused until the peer is back.
 */
export type PeerState = "connecting" | "up" | "lost";

/** State and counters of a peer, as {@linkcode MailboxTransport.peers} lists them. */
export interface PeerStats {
  /** Name of the peer. */
  node: NodeId;
  /** State of the link to it. */
  state: PeerState;
  /** Host dialled now or next; undefined while it is not known where the peer listens. */
  host?: string;
  /** Port that goes with `host`. */
  port?: number;
  /** Life of the peer that was seen last; undefined before the first contact. */
  incarnation?: number;
  /** Round trip of the last HTTP/2 ping, milliseconds; undefined before the first one. */
  rttMs?: number;
  /** What the traffic so far shows of the link. */
  link: LinkFigures;
  /** Version of the protocol that the link uses; undefined before it was up. */
  version?: number;
  /** Envelopes accepted for sending. */
  sent: number;
  /** Envelopes received, each counted once. */
  received: number;
  /** Bytes of messages written; framing and repeated messages count. */
  bytesSent: number;
  /** Bytes of messages read; framing and duplicates count. */
  bytesReceived: number;
  /** Envelopes sent or waiting to be sent that the peer has not acknowledged. */
  queued: number;
  /** Encoded bytes of the `queued` envelopes. */
  queuedBytes: number;
  /** Calls of `send` that wait for room in the window. */
  waiting: number;
  /** Messages of the peer that it was not allowed to send: nobody handled them. */
  refused: number;
  /** Envelopes sent again after a reconnection. */
  resent: number;
  /** Envelopes that came a second time and were dropped. */
  duplicates: number;
  /** How often an established connection was opened again. */
  reconnects: number;
  /** Why the link is not up, or did not come up; undefined while it is up. */
  lastError?: string;
}
