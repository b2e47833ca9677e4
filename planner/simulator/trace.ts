/**
 * Traces: spans of work in lanes. Simulations write them; traces of real runs can be converted to
 * the same form.
 *
 * @module
 */

/** The kind of work of a span. */
export type SpanKind = "prefill" | "decode" | "draft" | "branch" | "transfer" | "wasted" | "idle";

/** One span of work. Spans of one lane do not overlap, except in the lanes of requests. */
export interface TraceSpan {
  /**
   * Lane: who does the work, e.g. `stage 0 · nx1`. Lanes are shown in the order of their first
   * spans.
   */
  lane: string;
  /** Kind of work. */
  kind: SpanKind;
  /** The work as text, e.g. `request 0, piece 2 (64 rows)`. */
  label: string;
  /** When it began, in seconds since the simulation or the recording began. */
  start_s: number;
  /** When it ended; not before `start_s`. */
  end_s: number;
}

/**
 * Busy share, 0 to 1, of each lane between two moments, in the order of the lanes' first spans.
 * Idle spans do not count.
 */
export function utilisation(
  trace: TraceSpan[],
  window: { start_s: number; end_s: number },
): Map<string, number> {
  const busy = new Map<string, number>();
  const length = window.end_s - window.start_s;
  for (const span of trace) {
    const seconds = Math.min(span.end_s, window.end_s) - Math.max(span.start_s, window.start_s);
    const share = span.kind === "idle" || length <= 0 ? 0 : Math.max(0, seconds) / length;
    busy.set(span.lane, (busy.get(span.lane) ?? 0) + share);
  }
  return busy;
}
