/**
 * How much memory this process may use: the machine's, or that of the container it runs in.
 *
 * @module
 */
import process from "node:process";

/** What the operating system tells of memory, in bytes; tests replace it. */
export interface MemoryFacts {
  /** Memory of the machine. */
  total: number;
  /** Free, or freed when somebody needs it. 0 on Windows, where Deno does not know it. */
  available: number;
  /** Used for nothing at all. */
  free: number;
  /** Limit of the control group, version 1 or 2; 0 or more than any machine has: there is none. */
  limit: number;
  /** Resident memory of this process. */
  resident: number;
}

function memoryFacts(): MemoryFacts {
  const { total, available, free } = Deno.systemMemoryInfo();
  const { rss: resident } = Deno.memoryUsage();
  return { total, available, free, limit: process.constrainedMemory(), resident };
}

/** Bytes that this process may have in all: the machine's memory, or its container's. */
export function memoryOfMachine(facts = memoryFacts()): number {
  return Math.min(facts.total, facts.limit || Infinity);
}

/**
 * Bytes that this process may still take. In a container it counts as the only process: what others
 * of the container use is not known.
 */
export function availableMemory(facts = memoryFacts()): number {
  const { available, free, limit, resident } = facts;
  return Math.min(available || free, Math.max(0, (limit || Infinity) - resident));
}
