/**
 * Measures a link between two nodes over their mailboxes, which carry the frames too: one node asks
 * the other to echo.
 *
 * @module
 */
import { ECHO_BYTES, type LinkReport } from "../../actors/mod.ts";
import { makeCold } from "./cold_caches.ts";
import { median } from "./tables.ts";

/**
 * Asks the peer to echo: sends `bytes` bytes and gets `replyBytes` bytes back. With `cold` the peer
 * empties its caches afterwards, for the next one.
 */
export type Echo = (
  echo: { bytes: number; replyBytes: number; cold?: boolean },
) => Promise<void>;

/** Small echoes that a round trip is the median of. */
const PINGS = 9;
/**
 * Milliseconds between two small echoes with cold caches, in which both nodes empty theirs: a stage
 * that decodes for one lane waits about as long.
 */
const REST_MS = 30;
/** Bytes of the first blob. */
const SMALLEST_BLOB = 64 * 1024;
/** A blob is followed by one so many times as large while it takes too little time. */
const BLOB_FACTOR = 4;
/** Blobs of one size that the bandwidth is the median of. */
const BLOBS = 3;
/** A blob that takes this long is large enough. Milliseconds. */
const ENOUGH_MS = 60;
/** Least time that is believed for a blob, since clocks are no better. Seconds. */
const CLOCK_S = 1e-4;

/** How time passes; tests give a virtual one. */
export interface ProbeTime {
  /** A clock in milliseconds. */
  now(): number;
  /** Empties this node's caches and waits so many milliseconds. */
  rest(ms: number): Promise<void>;
}

const REAL_TIME: ProbeTime = {
  now: () => performance.now(),
  rest(ms) {
    makeCold();
    return new Promise((resolve) => setTimeout(resolve, ms));
  },
};

/**
 * Measures latency, as half of the median time of a small echo, and the bandwidth of each direction
 * in bytes a second, from blobs of 64 KiB to 1 MiB: a faster link gets larger ones. Takes about a
 * second on links of 10 Mbit/s and more.
 *
 * The echoes of the latency find cold caches at both ends, as frames do: between two of them a
 * stage's weights have passed through the processor.
 */
export async function probeLink(
  echo: Echo,
  { now, rest }: ProbeTime = REAL_TIME,
): Promise<LinkReport> {
  const timed = async (bytes: number, replyBytes: number, cold = false) => {
    const start = now();
    await echo({ bytes, replyBytes, ...(cold && { cold }) });
    return now() - start;
  };
  await timed(0, 0); // the first echo also opens the connection
  const warm: number[] = [];
  for (let i = 0; i < PINGS; i++) warm.push(await timed(0, 0));
  const roundTrip = median(warm);
  const rate = async (of: (bytes: number) => Promise<number>) => {
    let bytes = SMALLEST_BLOB;
    let ms = await of(bytes);
    while (ms < ENOUGH_MS && bytes < ECHO_BYTES) ms = await of(bytes *= BLOB_FACTOR);
    const times = [ms];
    while (times.length < BLOBS && ms < 2 * ENOUGH_MS) times.push(await of(bytes));
    return bytes / Math.max(CLOCK_S, (median(times) - roundTrip) / 1000);
  };
  const there = await rate((bytes) => timed(bytes, 0));
  const back = await rate((bytes) => timed(0, bytes));
  // Last, since the peer empties its caches after each of these.
  const cold: number[] = [];
  await timed(0, 0, true);
  for (let i = 0; i < PINGS; i++) {
    await rest(REST_MS);
    cold.push(await timed(0, 0, true));
  }
  return { seconds: median(cold) / 2000, bytes_per_s: there, bytes_per_s_back: back };
}
