/**
 * Times and names of a simulated world.
 *
 * @module
 */

/** Milliseconds of a lease. */
export const TTL_MS = 300;
/** Milliseconds in which faults happen. */
export const FAULTS_MS = 2_000;
/** Most milliseconds after them until all have come to agree, as nothing fails any more. */
export const SETTLE_MS = 1_500;

/** The ledger that nodes claim. */
export const CLAIMED = "g/ledger/claimed";
/** The ledger of the coordinator. */
export const COORDINATED = "g/ledger/coordinated";
/** Both. */
export const LEDGER_ADDRESSES = [CLAIMED, COORDINATED];

/** What happens to messages of one node on their way to the registry and back. */
export interface LineState {
  /** Nothing arrives. */
  cut: boolean;
  /** Chance of a request, and of a reply, to be lost. */
  lossy: number;
  /** Chance of a request to land late: up to `lateMs`. */
  late: number;
  /** Milliseconds. */
  lateMs: number;
}
