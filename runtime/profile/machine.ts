/**
 * Which machine this is, as far as speed is concerned.
 *
 * A limit on processor time (a container, an emulated device) cannot be read without rights that a
 * node does not have, so its effect is measured: the share of a core that a loop which never waits
 * gets. Two nodes of one machine with different limits are told apart by it.
 *
 * @module
 */
import { cpus, hostname } from "node:os";
import process from "node:process";
import { z } from "zod";

/** Fixed facts of a machine; part of a profile's key. */
export const machineSchema = z.object({
  hostname: z.string(),
  /** Name of the processor. */
  cpu: z.string(),
  /** Cores that the process may use. */
  cores: z.number().int().positive(),
  memory_bytes: z.number().nonnegative(),
});

/** See {@linkcode machineSchema}. */
export type Machine = z.infer<typeof machineSchema>;

/** Shares of a core that differ by more than this factor are those of different devices. */
const SHARE_FACTOR = 1.25;
/**
 * A slice of the loop, so that whatever else the process does waits no longer than this.
 * Milliseconds.
 */
const SLICE_MS = 20;
const SLICES = 25;

/** This machine. */
export function thisMachine(): Machine {
  return {
    hostname: hostname(),
    cpu: cpus()[0]?.model?.trim() || "unknown",
    cores: navigator.hardwareConcurrency,
    memory_bytes: Deno.systemMemoryInfo().total,
  };
}

/**
 * Share of one core that this process gets when it never waits, 0 .. 1. Takes half a second, in
 * slices of 20 ms.
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

/** Is a share of a core that was measured then the same device as one measured now? */
export const sameShare = (a: number, b: number): boolean =>
  Math.max(a, b) <= SHARE_FACTOR * Math.min(a, b);
