/**
 * Reading a command line.
 *
 * @module
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { UsageError } from "./fail.ts";

/** `util.parseArgs` with its errors as one-line {@linkcode UsageError}s. */
export function readArgs<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError((error as Error).message.split(/\. |\n/)[0]);
  }
}

/** Bounds of a number, both allowed. */
export interface NumberRange {
  min: number;
  max: number;
  /** Whole numbers only. @default false */
  integer?: boolean;
}

/**
 * The number that an option names, undefined when it is left out; throws {@linkcode UsageError}
 * outside the range.
 */
export function numberOption(
  name: string,
  text: string | undefined,
  range: NumberRange,
): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? NaN : Number(text);
  const { min, max, integer = false } = range;
  if (!(value >= min && value <= max) || (integer && !Number.isInteger(value))) {
    throw new UsageError(
      `--${name} takes a ${integer ? "whole " : ""}number from ${min} to ${max}, got ${
        JSON.stringify(text)
      }`,
    );
  }
  return value;
}

/**
 * The http(s) URL that an option names, without a final slash; throws {@linkcode UsageError} for
 * anything else.
 */
export function urlOption(name: string, text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(
      `--${name} takes a URL such as http://127.0.0.1:8420, got ${JSON.stringify(text)}`,
    );
  }
  return url.href.replace(/\/+$/, "");
}
