/**
 * Measures the way to another node: the round trip of a small message, and how far the two clocks
 * are apart.
 *
 * @module
 */
import { type PeerReach, toOrreryError } from "../../actors/mod.ts";

/** Messages that are sent; the one with the shortest round trip counts. */
const ROUNDS = 5;
/** `Date.now` tells whole milliseconds. */
const CLOCK_STEP_MS = 1;

/** The clocks of this node. */
export interface ReachClocks {
  /** Milliseconds since 1970. @default Date.now */
  wall: () => number;
  /** Milliseconds since any fixed point; never set. @default performance.now */
  monotonic: () => number;
}

const SYSTEM_CLOCKS: ReachClocks = { wall: Date.now, monotonic: () => performance.now() };

/**
 * Asks node `node` for its clock several times (`ask` resolves to what it shows, or to null where the
 * node has none to show). Its answer is taken to have been written halfway through the round trip,
 * so the difference is right to half of it.
 */
export async function measureReach(
  node: string,
  ask: () => Promise<unknown>,
  { wall, monotonic }: ReachClocks = SYSTEM_CLOCKS,
): Promise<PeerReach> {
  let best: { trip: number; difference: number | null } | undefined;
  try {
    for (let i = 0; i < ROUNDS; i++) {
      const sent = wall(), start = monotonic();
      const shown = await ask();
      const trip = monotonic() - start;
      if (shown !== null && !Number.isFinite(shown)) throw new Error("its clock shows no time");
      if (best && trip >= best.trip) continue;
      best = { trip, difference: shown === null ? null : Number(shown) - (sent + trip / 2) };
    }
  } catch (error) {
    return { state: "unreachable", node, why: toOrreryError(error).message.slice(0, 2048) };
  }
  const { trip, difference } = best!;
  return {
    state: "reached",
    node,
    round_trip_ms: trip,
    clock_ms: difference,
    clock_error_ms: trip / 2 + CLOCK_STEP_MS,
  };
}
