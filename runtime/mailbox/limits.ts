import { z } from "zod";

const count = z.number().int().positive();
const ms = z.number().positive();

/** Bounds of a mailbox. */
export const mailboxLimitsSchema = z.object({
  /** Longest message, encoded. @default 256 MiB */
  maxMessageBytes: count.max(0xffffffff).default(256 * 1024 * 1024),
  /**
   * Bytes of one peer's unacknowledged messages before `send` waits; one message always fits.
   * @default 64 MiB
   */
  windowBytes: count.default(64 * 1024 * 1024),
  /** Number of one peer's unacknowledged messages before `send` waits. @default 4096 */
  windowMessages: count.default(4096),
  /** A peer that cannot be reached for so long is lost. @default 10 s */
  peerTimeoutMs: ms.default(10_000),
  /** Deadline for connecting and for the hello, on both sides. @default 5 s */
  helloTimeoutMs: ms.default(5000),
  /** Time between HTTP/2 pings. @default 2 s */
  pingIntervalMs: ms.default(2000),
  /**
   * A connection whose ping stays unanswered for so long is given up and made again. @default 6 s
   */
  pingTimeoutMs: ms.default(6000),
  /**
   * A connection on which messages wait for an acknowledgement and none comes for so long is made
   * again. @default 10 s
   */
  ackTimeoutMs: ms.default(10_000),
  /** First pause before reconnecting; it doubles. @default 50 ms */
  backoffMinMs: ms.default(50),
  /** Longest pause before reconnecting. @default 2 s */
  backoffMaxMs: ms.default(2000),
  /**
   * An acknowledgement is sent at the latest after this time ... Longer than the time between two
   * frames of plain decoding: each acknowledgement wakes both ends, which costs a slow device as
   * much as a third of a frame's way through it. @default 50 ms
   */
  ackDelayMs: ms.default(50),
  /** ... or this many messages. @default 256 */
  ackMessages: count.default(256),
  /** ... or this many bytes. @default 1 MiB */
  ackBytes: count.default(1024 * 1024),
  /** Connections accepted at a time. @default 1024 */
  maxConnections: count.default(1024),
});

/** See {@linkcode mailboxLimitsSchema}. */
export type MailboxLimits = z.infer<typeof mailboxLimitsSchema>;

/**
 * HTTP/2 settings of both ends: room for a few tensors in flight, so that the stream never waits
 * for a window update.
 */
export const HTTP2_SETTINGS = {
  initialWindowSize: 16 * 1024 * 1024,
  maxFrameSize: 1024 * 1024,
  enablePush: false,
};

/** HTTP/2 connection-level receive window in bytes. */
export const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;
