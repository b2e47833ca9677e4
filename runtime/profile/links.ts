/**
 * Links between members, measured over the mailbox that the frames will take: one end asks the
 * other to echo.
 *
 * @module
 */
import { ECHO_BYTES, type LinkReport } from "../../actors/mod.ts";
import { median } from "./tables.ts";

/** Asks the peer to echo: sends so many bytes, gets so many back. */
export type Echo = (sizes: { bytes: number; replyBytes: number }) => Promise<void>;

const PINGS = 9;
const SMALLEST_BLOB = 64 * 1024;
const BLOBS = 3;
/** A blob that takes so long is large enough. Milliseconds. */
const ENOUGH_MS = 60;

/**
 * Latency as half of the median time of a small echo; bytes a second of each direction from blobs
 * of 64 KiB to 1 MiB, the larger the faster the link. Takes well under a second on links of 10
 * Mbit/s and more.
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
  await timed(0, 0); // the first makes the connection
  const pings: number[] = [];
  for (let i = 0; i < PINGS; i++) pings.push(await timed(0, 0));
  const roundTrip = median(pings);
  const rate = async (of: (bytes: number) => Promise<number>) => {
    let bytes = SMALLEST_BLOB;
    let ms = await of(bytes);
    while (ms < ENOUGH_MS && bytes < ECHO_BYTES) ms = await of(bytes *= 4);
    const times = [ms];
    while (times.length < BLOBS && ms < 2 * ENOUGH_MS) times.push(await of(bytes));
    // No quicker than a tenth of a millisecond: clocks are not that good.
    return bytes / Math.max(1e-4, (median(times) - roundTrip) / 1000);
  };
  return {
    seconds: roundTrip / 2000,
    bytes_per_s: await rate((bytes) => timed(bytes, 0)),
    bytes_per_s_back: await rate((bytes) => timed(0, bytes)),
  };
}
