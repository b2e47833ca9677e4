/**
 * Measures a link between two nodes over their mailboxes, which carry the frames too: one node asks
 * the other to echo.
 *
 * @module
 */
import { ECHO_BYTES, type LinkReport } from "../../actors/mod.ts";
import { median } from "./tables.ts";

/** Asks the peer to echo: sends `bytes` bytes and gets `replyBytes` bytes back. */
export type Echo = (sizes: { bytes: number; replyBytes: number }) => Promise<void>;

/** Small echoes that the latency is the median of. */
const PINGS = 9;
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

/**
 * Measures latency, as half of the median time of a small echo, and the bandwidth of each direction
 * in bytes a second, from blobs of 64 KiB to 1 MiB: a faster link gets larger ones. Takes well
 * under a second on links of 10 Mbit/s and more.
 *
 * @param now A clock in milliseconds; tests give a virtual one.
 */
export async function probeLink(
  echo: Echo,
  now: () => number = () => performance.now(),
): Promise<LinkReport> {
  const timed = async (bytes: number, replyBytes: number) => {
    const start = now();
    await echo({ bytes, replyBytes });
    return now() - start;
  };
  await timed(0, 0); // the first echo also opens the connection
  const pings: number[] = [];
  for (let i = 0; i < PINGS; i++) pings.push(await timed(0, 0));
  const roundTrip = median(pings);
  const rate = async (of: (bytes: number) => Promise<number>) => {
    let bytes = SMALLEST_BLOB;
    let ms = await of(bytes);
    while (ms < ENOUGH_MS && bytes < ECHO_BYTES) ms = await of(bytes *= BLOB_FACTOR);
    const times = [ms];
    while (times.length < BLOBS && ms < 2 * ENOUGH_MS) times.push(await of(bytes));
    return bytes / Math.max(CLOCK_S, (median(times) - roundTrip) / 1000);
  };
  return {
    seconds: roundTrip / 2000,
    bytes_per_s: await rate((bytes) => timed(bytes, 0)),
    bytes_per_s_back: await rate((bytes) => timed(0, bytes)),
  };
}
