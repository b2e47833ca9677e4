/**
 * Seconds of collective operations over links that are all alike.
 *
 * @module
 */
import type { LinkSpeed } from "../hardware.ts";

/**
 * `all-reduce`: every board has a tensor and gets the sum of all. `reduce-scatter`: every board has
 * a tensor and gets its part of the sum. `all-gather`: every board has a part and gets them all.
 */
export type Operation = "all-reduce" | "reduce-scatter" | "all-gather";

/**
 * How a collective is carried out. `ring`: in N - 1 steps each board sends one N-th of the tensor
 * to the next (twice that for an all-reduce), as NCCL and Galaxy do (Patarasuk and Yuan, 2009).
 * `doubling`: in log2 N steps boards exchange with partners at distance 1, 2, 4 ..., the whole
 * tensor in an all-reduce, halves of what is left otherwise (Thakur, Rabenseifner and Gropp, 2005).
 * `root`: all send to one board, which answers all; its link carries one message after the other.
 */
export type Way = "ring" | "doubling" | "root";

/** All {@linkcode Way}s. */
export const WAYS: readonly Way[] = ["ring", "doubling", "root"];

/** Messages one after the other, and how many times the tensor's bytes they hold together. */
export interface Traffic {
  messages: number;
  tensors: number;
}

/** What the busiest link of a collective carries, for so many boards. */
export function trafficOf(operation: Operation, way: Way, boards: number): Traffic {
  if (boards === 1) return { messages: 0, tensors: 0 };
  const others = boards - 1;
  if (way === "ring") {
    const rounds = operation === "all-reduce" ? 2 : 1;
    return { messages: rounds * others, tensors: rounds * others / boards };
  }
  if (way === "doubling") {
    const steps = Math.ceil(Math.log2(boards));
    return { messages: steps, tensors: operation === "all-reduce" ? steps : others / boards };
  }
  // Parts of all other boards are others / boards of a tensor, whole tensors are `others` of them.
  const tensors = operation === "all-reduce" ? 2 * others : others + others / boards;
  return { messages: 2 * others, tensors };
}

/** Boards, their links and the way of their collectives. */
export interface Network {
  boards: number;
  link: LinkSpeed;
  way: Way;
}

/** Seconds of one collective on a tensor of so many bytes. */
export function collectiveSeconds(
  operation: Operation,
  bytes: number,
  { boards, link, way }: Network,
): number {
  const { messages, tensors } = trafficOf(operation, way, boards);
  return messages * link.message_s + tensors * bytes / link.bytesPerS;
}
