/**
 * The header `traceparent` of W3C Trace Context.
 *
 * @module
 */

import { z } from "zod";

/** Most spans that one frame names: those of further requests are not told of it. */
export const MOST_SPANS = 16;

/** What a `traceparent` says. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** 16 hexadecimal digits. */
  spanId: string;
  /** Bit 0: the trace is recorded. */
  traceFlags: number;
}

/** Reads it; undefined: it is none, as when an id is all zeros. A later version may have more fields. */
export function traceparentOf(text: string): TraceParent | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text);
  if (!match) return undefined;
  const [, version, traceId, spanId, flags, more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: parseInt(flags, 16) };
}

/** Contexts of the spans that a message's work is a part of. */
export const spansSchema = z.array(
  z.string().refine((text) => traceparentOf(text) !== undefined, "this is no traceparent"),
).max(MOST_SPANS);
