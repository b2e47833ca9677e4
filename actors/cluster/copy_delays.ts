/**
 * When a copy of a deployment is placed again.
 *
 * @module
 */

/** Codes of errors after which a placement is tried again. */
export const PASSING: readonly string[] = [
  "peer_lost",
  "unknown_peer",
  "deadline_exceeded",
  "cancelled",
];
/** Milliseconds until then. */
export const PLACE_AGAIN_MS: number = 5_000;
/** The same after any other error, while nothing serves: memory may be free by then, or a disk. */
export const MENDED_MS: number = 60_000;
/**
 * Milliseconds after which layers are placed anew where a deployment was repaired: the backup may be
 * a slow place for them.
 */
export const REPAIRED_MS: number = 60_000;
/** Milliseconds for which a member has answered again before it gets unplanned layers back. */
export const BACK_MS: number = 10_000;
