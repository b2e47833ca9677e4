/**
 * Bounds of a mailbox, and the settings of its HTTP/2 connections.
 *
 * @module
 */
import { z } from "zod";

const count = z.number().int().positive();
const ms = z.number().positive();

/** Schema of the bounds of a mailbox; bytes, milliseconds or counts, as the names say. */
export const mailboxLimitsSchema = z.object({
  /** Longest encoded message. @default 256 MiB */
  maxMessageBytes: count.max(0xffffffff).default(256 * 1024 * 1024),
  /**
   * Most bytes of unacknowledged messages to one peer; beyond them `send` waits. A single message
   * always fits. @default 64 MiB
   */
  windowBytes: count.default(64 * 1024 * 1024),
  /** Most unacknowledged messages to one peer; beyond them `send` waits. @default 4096 */
  windowMessages: count.default(4096),
  /** A peer that cannot be reached for this time is reported as lost. @default 10 s */
  peerTimeoutMs: ms.default(10_000),
  /** Longest wait for a connection and its hello or welcome, on both sides. @default 5 s */
  helloTimeoutMs: ms.default(5000),
  /** Time between HTTP/2 pings. @default 2 s */
  pingIntervalMs: ms.default(2000),
  /**
   * A connection whose ping is not answered in this time is ended and opened again. @default 6 s
   */
  pingTimeoutMs: ms.default(6000),
  /**
   * A connection is ended and opened again if messages wait for an acknowledgement on it and none
   * comes in this time. @default 10 s
   */
  ackTimeoutMs: ms.default(10_000),
  /** First pause before reconnecting; it doubles with each failed attempt. @default 50 ms */
  backoffMinMs: ms.default(50),
  /** Longest pause before reconnecting. @default 2 s */
  backoffMaxMs: ms.default(2000),
  /**
   * An acknowledgement is sent at the latest this long after a message came. The default is several
   * times the time between two frames of plain decoding, since each acknowledgement wakes both
   * ends, which with cold caches costs a third of a frame's overhead. @default 250 ms
   */
  ackDelayMs: ms.default(250),
  /** An acknowledgement is sent at the latest after this many messages. @default 256 */
  ackMessages: count.default(256),
  /** An acknowledgement is sent at the latest after this many bytes of messages. @default 1 MiB */
  ackBytes: count.default(1024 * 1024),
  /** Most connections open at a time; further ones are cut. @default 1024 */
  maxConnections: count.default(1024),
  /**
   * With mutual TLS: most connections that have not shown a good certificate, so that they cannot
   * take the place of nodes. For a further one, the oldest of the address that has the most of them
   * is cut. @default 64
   */
  maxStrangers: count.default(64),
  /**
   * With mutual TLS: a connection that has not shown a good certificate is cut after this time; a
   * node has joined by then. @default 10 s
   */
  strangerTimeoutMs: ms.default(10_000),
});

/** Bounds of a mailbox, see {@linkcode mailboxLimitsSchema}. */
export type MailboxLimits = z.infer<typeof mailboxLimitsSchema>;

/**
 * HTTP/2 settings of both ends, in bytes. A few tensors fit into the window of a stream, so that a
 * stream does not wait for window updates.
 */
export const HTTP2_SETTINGS = {
  streamWindow: 16 * 1024 * 1024,
  sessionWindow: 32 * 1024 * 1024,
  frameBytes: 1024 * 1024,
};
