/**
 * Parses command lines and checks the values of options.
 *
 * @module
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { didYouMean, OrreryError } from "../../actors/mod.ts";
import { checkRegistryAddress } from "../registry/mod.ts";
import type { Command, FlagValues } from "./commands/mod.ts";
import { UsageError } from "./fail.ts";

/** A command line, read by a command's description. */
export interface CommandLine<C extends Command> {
  /** Values of the options; undefined where `--help` was given. */
  values: FlagValues<C> | undefined;
  /** What is no option. */
  positionals: string[];
}

/**
 * Reads a command line by the command's description. Throws {@linkcode UsageError} for an option
 * that it does not have, with the one that may be meant, for a missing value and for arguments
 * that the command takes none of.
 */
export function readFlags<const C extends Command>(command: C, args: string[]): CommandLine<C> {
  const flags = Object.entries(command.flags);
  const options: ParseArgsConfig["options"] = { help: { type: "boolean", short: "h" } };
  for (const [name, { value, preset, multiple }] of flags) {
    options[name] = value === undefined ? { type: "boolean", default: false } : {
      type: "string",
      multiple: multiple ?? false,
      ...(preset !== undefined && { default: preset }),
    };
  }
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (values.help) return { values: undefined, positionals };
    if (positionals.length > 0 && command.usage.every((form) => form === "[options]")) {
      throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
    }
    return { values: values as FlagValues<C>, positionals };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(mistake(error as Error & { code?: string }, flags.map(([name]) => name)));
  }
}

/** What is wrong with a command line, in one sentence. */
function mistake({ message, code }: { message: string; code?: string }, names: string[]): string {
  const [, unknown] = /^Unknown option '(-[^']*)'/.exec(message) ?? [];
  if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION" || unknown === undefined) {
    return message.split(/\. |\n/)[0];
  }
  const known = [...names, "help"].map((name) => `--${name}`);
  return `unknown option ${unknown}: ${didYouMean(unknown, known)}`;
}

/**
 * Takes `--name` out of a command line where no value follows it: at the end, or before another
 * option. With a value it stays, for {@linkcode readFlags}, whose options always or never have one.
 */
export function takeBare(name: string, all: string[]): { args: string[]; bare: boolean } {
  const end = all.indexOf("--"); // what follows are no options
  const args = all.filter((arg, i) => {
    if (arg !== `--${name}` || (end >= 0 && i > end)) return true;
    return i + 1 < all.length && !all[i + 1].startsWith("-");
  });
  return { args, bare: args.length < all.length };
}

/** Bounds of a number. */
export interface NumberRange {
  /** Smallest number allowed. */
  min: number;
  /** Largest number allowed. */
  max: number;
  /** Whole numbers only. @default false */
  integer?: boolean;
}

/**
 * The number given for option `--name`; undefined: the option was left out. Throws
 * {@linkcode UsageError} for a text that is no number or a number outside the range.
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

/** Bytes of a unit of memory. */
const SIZES: Record<string, number> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  MB: 1e6,
  GB: 1e9,
};

/**
 * The bytes given for option `--name` as `4GiB`, `512MiB`, `1048576KiB`, `4GB` or `500MB`; a number
 * without a unit is in MiB. Undefined: the option was left out. Throws {@linkcode UsageError} for
 * any other text and for a size outside the range, which is in bytes.
 */
export function sizeOption(
  name: string,
  text: string | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit = "MiB"] = /^(\d{1,16}(?:\.\d{1,9})?)([KMG]iB|[MG]B)?$/.exec(text) ?? [];
  const bytes = Math.floor(Number(count) * SIZES[unit]);
  if (bytes >= min && bytes <= max) return bytes;
  const shown = (n: number) => n >= SIZES.GiB ? `${n / SIZES.GiB}GiB` : `${n / SIZES.MiB}MiB`;
  throw new UsageError(
    `--${name} takes a size from ${shown(min)} to ${shown(max)} such as 4GiB, 512MiB or 4GB (a ` +
      `number alone is in MiB), got ${JSON.stringify(text)}`,
  );
}

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 24 * 3600e3 };

/**
 * The milliseconds given for option `--name` as `90s`, `30m`, `24h` or `7d`; undefined: the option
 * was left out. Throws {@linkcode UsageError} for any other text and for a time outside the range,
 * which is in milliseconds.
 */
export function durationOption(
  name: string,
  text: string | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const value = Number(count) * UNITS[unit];
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `--${name} takes a time from ${min / 1e3}s to ${max / UNITS.d}d such as 30m, 24h or 7d, got ${
      JSON.stringify(text)
    }`,
  );
}

/**
 * The http or https URL given for option `--name`, without a final slash. Throws
 * {@linkcode UsageError} for any other text.
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

/** The value of `--registry`. Throws {@linkcode UsageError} for an address that is none. */
export function registryOption(where: string | undefined): string | undefined {
  try {
    if (where !== undefined) checkRegistryAddress(where);
  } catch (error) {
    throw error instanceof OrreryError ? new UsageError(`--registry: ${error.message}`) : error;
  }
  return where;
}
