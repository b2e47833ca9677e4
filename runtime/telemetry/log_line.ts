/**
 * A record of the log as one object, and as one line of JSON.
 *
 * @module
 */
import type { LogRecord } from "@logtape/logtape";
import { OrreryError } from "../../actors/mod.ts";

/** Most characters of a text in a record: what others send must not fill the log. */
const MOST_CHARS = 8_192;

/** A record of the log. */
export interface LogLine {
  /** ISO 8601, UTC, with milliseconds. */
  time: string;
  level: "trace" | "debug" | "info" | "warning" | "error" | "fatal";
  /** Part of the program, such as `api` or `cluster`. */
  part: string;
  /** Id of the node; undefined: it has none yet. */
  node?: string;
  /** The line for people. */
  message: string;
  /** Id of the request that it is about, as its answer's header `x-request-id` says. */
  request?: string;
  /** Id of the request's trace, 32 hexadecimal digits; undefined: it has none. */
  trace_id?: string;
  /** What the message tells, by name: numbers, texts, truth values, and errors as objects. */
  fields?: Record<string, unknown>;
}

/** The record as an object that JSON can write. `node`: id of this node. */
export function logLine(record: LogRecord, { node }: { node?: string } = {}): LogLine {
  const { request, trace_id, ...rest } = record.properties;
  const fields = Object.entries(rest).map(([name, value]) => [name, plain(value)]);
  const message = record.message.map((part, i) => i % 2 === 0 ? part : textOf(part)).join("");
  return {
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    part: record.category.slice(1).join(".") || record.category.join("."),
    ...(node !== undefined && { node }),
    message: short(message),
    ...(typeof request === "string" && { request }),
    ...(typeof trace_id === "string" && { trace_id }),
    ...(fields.length > 0 && { fields: Object.fromEntries(fields) }),
  };
}

/** The record as a line of JSON, with its end. */
export const jsonLine = (record: LogRecord, options?: { node?: string }): string =>
  `${JSON.stringify(logLine(record, options))}\n`;

/** A value that JSON can write. */
function plain(value: unknown): unknown {
  if (typeof value === "string") return short(value);
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  if (value === undefined) return null;
  if (value instanceof Error) return errorFields(value);
  if (Array.isArray(value)) return value.slice(0, 100).map(plain);
  try {
    const text = JSON.stringify(value);
    return text.length <= MOST_CHARS ? JSON.parse(text) : short(text);
  } catch {
    return short(String(value)); // it names itself, or has a bigint
  }
}

function errorFields(error: Error): Record<string, unknown> {
  const { name, message, stack } = error;
  return {
    ...(error instanceof OrreryError ? { group: error.group, code: error.code } : { name }),
    message: short(message),
    ...(stack !== undefined && { stack: short(stack) }),
  };
}

const textOf = (value: unknown): string =>
  typeof value === "string"
    ? value
    : value instanceof Error
    ? value.message
    : typeof value === "object" && value !== null
    ? JSON.stringify(plain(value))
    : String(value);

const short = (text: string): string =>
  text.length <= MOST_CHARS ? text : `${text.slice(0, MOST_CHARS)}...`;
