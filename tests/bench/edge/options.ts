/**
 * What the benchmarks on emulated devices share: options, shapes of fleets and prompts.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- what is missing is told to the user
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Emulation } from "./emulation.ts";

/** Options of the command line that both benchmarks take, for `parseArgs`. */
export const EDGE_OPTIONS = {
  quick: { type: "boolean", default: false },
  /** Repeats of each measurement. @default 3, with `--quick` 1 */
  repeats: { type: "string" },
  /** Names of fleets, separated by commas. */
  fleet: { type: "string" },
  /** Path of edge-emulation.sh. */
  emulation: { type: "string" },
  /** Folder of the model store, which is kept for the next run. */
  data: { type: "string", default: join(tmpdir(), "orrery-edge") },
} as const;

/** Emulated devices and their links. */
export interface FleetShape {
  /** Name in the output. */
  name: string;
  /** Share of a processor core of each device, in cores. */
  cores: number[];
  /** Rate of each link in megabits a second. */
  mbit: number;
}

/** Ends the process with status 2 and one line if edge-emulation.sh is not there. */
export async function requireEmulation(script: string | undefined): Promise<void> {
  const missing = await Emulation.missing(script);
  if (missing === undefined) return;
  console.error(`error: ${missing}`);
  Deno.exit(2);
}

/**
 * Ids of a prompt of so many random tokens. Every prompt must be new: rows of one that was asked
 * before may still be in the KV cache, and then nothing would be measured.
 */
export function randomPrompt(random: () => number, length: number): number[] {
  return Array.from({ length }, () => 300 + Math.floor(random() * 3000));
}
