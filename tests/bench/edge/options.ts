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
  /**
   * Period of the devices' processor quota in microseconds: a device of 0.45 core computes for at
   * most 0.45 of each period. The shorter it is, the more such a device resembles a slow processor.
   */
  period: { type: "string", default: "10000" },
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

/** Repeats of each measurement. Throws an Error where `--repeats` is no whole number from 1. */
export function repeatsOf({ repeats, quick }: { repeats?: string; quick: boolean }): number {
  const count = Number(repeats ?? (quick ? 1 : 3));
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`--repeats takes a whole number from 1, got "${repeats}"`);
}

/**
 * What `read` returns; where it throws, one line says why and the process ends with status 2.
 */
export function orUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exit(2);
  }
}

/** The names in a list that an option gives. Throws an Error that says which one is not known. */
export function someOf(option: string, given: string, known: string[]): string[] {
  return given.split(",").map((name) => oneOf(option, name, known));
}

/** A name that an option gives. Throws an Error that lists the names that it takes. */
export function oneOf(option: string, given: string, known: string[]): string {
  if (known.includes(given)) return given;
  throw new Error(`${option} takes ${known.join(", ")}, got "${given}"`);
}

/** The period of `--period` in microseconds. Throws an Error where Linux would refuse it. */
export function periodOf(option: string): number {
  const period = Number(option);
  // Linux takes quotas from 1 ms, and the least device here has 0.3 core or more.
  if (!(Number.isInteger(period) && period >= 1000 && period <= 1_000_000)) {
    throw new Error(`--period takes 1000 to 1000000 microseconds, got "${option}"`);
  }
  return period;
}

/**
 * The fleet of `--cores` and `--mbit`, the fastest device first, since it is the one that the
 * others must beat. Throws an Error that says which value is wrong.
 */
export function customFleet(cores: string, mbit: string): FleetShape {
  const shares = cores.split(",").map(Number);
  if (!shares.every((share) => share >= 0.1 && share <= 64) || shares.length > 64) {
    throw new Error(`--cores takes up to 64 numbers from 0.1 to 64, as in 0.6,0.3, got "${cores}"`);
  }
  const rate = Number(mbit);
  if (!(rate >= 1 && rate <= 100_000)) {
    throw new Error(`--mbit takes 1 to 100000 megabits a second, got "${mbit}"`);
  }
  return { name: "own", cores: shares.sort((a, b) => b - a), mbit: rate };
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
