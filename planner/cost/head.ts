/**
 * What shares of the LM head cost: the head is cut by vocabulary rows into parts, and several
 * devices compute some each.
 *
 * @module
 */
import type { CostModel } from "./cost_model.ts";

/** Parts into which the LM head is cut. */
export const HEAD_PARTS = 8;

/** How many parts of the LM head a device computes. */
export interface HeadParts {
  /** Index of the device. */
  device: number;
  /** 1 to {@linkcode HEAD_PARTS}. */
  parts: number;
}

/** Where the rows of a head come from and its answers go. */
export interface HeadPlace {
  /** Index of the device with the last stage. */
  last: number;
  /** Index of the device where answers go. */
  coordinator: number;
  /** The shares; undefined: the last stage has the whole head. */
  head?: readonly HeadParts[];
}

/**
 * Seconds for which a share occupies its device: its part of the head's time, and the fixed time of
 * a frame.
 */
export function shareSeconds(cost: CostModel, share: HeadParts, wanted: number): number {
  if (!(wanted > 0)) return 0;
  const { device, parts } = share;
  return cost.devices[device].frameSeconds +
    parts / HEAD_PARTS * cost.headSeconds(device, wanted);
}

/** Bytes of so many parts of the head in memory. */
export function shareBytes(headBytes: number, parts: number): number {
  return Math.ceil(headBytes * parts / HEAD_PARTS);
}

/**
 * Seconds from the end of the last layer until the tokens of `wanted` rows are at the coordinator.
 * With shares: normed rows travel to all of them at once, and the slowest one's answer counts.
 */
export function headSeconds(
  cost: CostModel,
  { last, coordinator, head }: HeadPlace,
  wanted: number,
): number {
  if (!head) {
    return cost.headSeconds(last, wanted) +
      cost.hopSeconds(last, coordinator, cost.answerBytes(wanted));
  }
  return Math.max(
    ...head.map((share) =>
      cost.hopSeconds(last, share.device, cost.headRowBytes(wanted)) +
      shareSeconds(cost, share, wanted) +
      cost.hopSeconds(share.device, coordinator, cost.answerBytes(wanted))
    ),
  );
}
