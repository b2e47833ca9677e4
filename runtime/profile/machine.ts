/**
 * The facts of a machine that decide how fast it computes.
 *
 * A limit on CPU time (of a container or an emulated device) cannot be read without rights that a
 * node does not have. So its effect is measured: the share of a core that a loop gets which never
 * waits. Two nodes on one machine with different limits are told apart by this share.
 *
 * @module
 */
import { cpus, hostname } from "node:os";
import process from "node:process";
import { z } from "zod";

/** Fixed facts of a machine; part of a profile's key. */
export const machineSchema = z.object({
  /** Network name of the machine. */
  hostname: z.string(),
  /** Name of the processor. */
  cpu: z.string(),
  /** Cores that the process may use. */
  cores: z.number().int().positive(),
  /** Memory of the machine. */
  memory_bytes: z.number().nonnegative(),
});

/** See {@linkcode machineSchema}. */
export type Machine = z.infer<typeof machineSchema>;

/** Shares of a core that differ by more than this factor count as different CPU limits. */
const SHARE_FACTOR = 1.25;
/** Length of a slice of the loop: other work of the process waits no longer. Milliseconds. */
const SLICE_MS = 20;
/** Slices of one measurement. */
const SLICES = 25;

/** The facts of the machine that this process runs on. */
export function thisMachine(): Machine {
  return {
    hostname: hostname(),
    cpu: cpus()[0]?.model?.trim() || "unknown",
    cores: navigator.hardwareConcurrency,
    memory_bytes: Deno.systemMemoryInfo().total,
  };
}

/**
 * The share of one core that this process gets when it never waits, 0 to 1. The measurement takes
 * half a second, in slices of 20 ms.
 */
export async function measureCpuShare(): Promise<number> {
  let wall = 0;
  let busy = 0;
  for (let i = 0; i < SLICES; i++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    while (performance.now() - start < SLICE_MS);
    wall += performance.now() - start;
    const used = process.cpuUsage(cpu);
    busy += (used.user + used.system) / 1000;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return Math.min(1, busy / wall);
}

/** true if two measured shares of a core are near enough to stand for the same CPU limit. */
export const sameShare = (a: number, b: number): boolean =>
  Math.max(a, b) <= SHARE_FACTOR * Math.min(a, b);
