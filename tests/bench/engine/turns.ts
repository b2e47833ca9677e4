/**
 * What the two engines of `bench:engine --peer` are asked and answer, one line of JSON each, by
 * turns: while one of them measures, the other waits.
 *
 * @module
 */
import process from "node:process";

/** Rows in the cache before the frames that are measured. */
export const PAST_ROWS = 256;

/** What is measured in one turn. */
export type Turn =
  /** Frames of so many rows after {@linkcode PAST_ROWS}, a token wanted for each row. */
  | { kind: "decode"; rows: number; frames: number }
  /** A new prompt of so many rows, of whose last one a token is wanted. */
  | { kind: "prefill"; rows: number };

/** Milliseconds of a frame or prompt. */
export interface TurnFigures {
  ms: number;
  /** Processor time of the process. */
  cpuMs: number;
}

/** The first line that an engine prints. */
export interface Ready {
  /** Name and version. */
  engine: string;
}

/** The last line of an engine, when its input ends. */
export interface Farewell {
  /** Resident memory that the process gained by loading the model and by all turns, in bytes. */
  residentBytes: number;
}

/** Milliseconds of processor time of this process so far, all threads together. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
