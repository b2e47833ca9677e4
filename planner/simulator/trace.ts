/**
 * What happened when: spans in lanes. Simulations write them; traces of real runs can be brought
 * into the same form.
 *
 * @module
 */

/** What kind of work a span is. */
export type SpanKind = "prefill" | "decode" | "draft" | "branch" | "transfer" | "wasted" | "idle";

/** One piece of work. Spans of one lane do not overlap, except in lanes of requests. */
export interface TraceSpan {
  /** Who, e.g. `stage 0 · nx1`. Lanes are shown in the order in which they first come. */
  lane: string;
  /** What sort of work. */
  kind: SpanKind;
  /** What, e.g. `request 0, piece 2 (64 rows)`. */
  label: string;
  /** Seconds since the simulation, or whatever was recorded, began. */
  start_s: number;
  /** Not before `start_s`. */
  end_s: number;
}

/**
 * Busy share of each lane between two moments, in order of the lanes' first spans; idle spans do
 * not count.
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
