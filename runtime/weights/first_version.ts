/**
 * What a node of version 1 of the protocol has: it does not answer `have`, so it is asked for single
 * bytes of each blob. Goes when version 1 is no longer spoken.
 *
 * @module
 */
import { hasCode } from "../../actors/mod.ts";
import type { BlobRequest } from "./blob_request.ts";

/** Most bytes of a blob whose size is not stated, as an exponent of 2. */
const MOST_BITS = 28;

/**
 * The blobs that are there, whole, with their sizes. `reaches` answers whether a blob has a byte at
 * this offset, and throws `blob_missing` or `not_served` for one that is not there.
 */
export async function holdingsByBytes(
  blobs: readonly BlobRequest[],
  reaches: (sha256: string, offset: number) => Promise<boolean>,
): Promise<{ sha256: string; bytes: number; whole: boolean }[]> {
  const there: { sha256: string; bytes: number; whole: boolean }[] = [];
  for (const { sha256, bytes } of blobs) {
    try {
      if (bytes === undefined) {
        there.push({ sha256, bytes: await sizeOf((at) => reaches(sha256, at)), whole: true });
      } else if (bytes === 0 || await reaches(sha256, bytes - 1)) {
        there.push({ sha256, bytes, whole: true });
      }
    } catch (error) {
      if (!hasCode(error, "blob_missing") && !hasCode(error, "not_served")) throw error;
    }
  }
  return there;
}

/** The number of bytes, found by halving. */
async function sizeOf(reaches: (offset: number) => Promise<boolean>): Promise<number> {
  let size = 0;
  for (let bit = MOST_BITS; bit >= 0; bit--) {
    if (await reaches(size + 2 ** bit - 1)) size += 2 ** bit;
  }
  return size;
}
