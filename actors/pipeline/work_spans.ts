/**
 * What a stage, a shard or a drafter tells of its work: spans for requests whose traces are recorded,
 * and reports for metrics.
 *
 * @module
 */
import type { ActorContext, SpanAttributes } from "../system/mod.ts";
import type { StageReport } from "./reports.ts";

/** Something that is done. Times are milliseconds of the actor's clock. */
export interface DoneWork {
  name: string;
  start: number;
  end: number;
  attributes: SpanAttributes;
}

/** Tells of it in each trace: `spans` are the contexts (`traceparent`) of which it is a part. */
export function tellSpans(
  ctx: Pick<ActorContext, "span">,
  spans: readonly string[] | undefined,
  { name, start, end, attributes }: DoneWork,
): void {
  for (const traceparent of spans ?? []) {
    ctx.span(name, { parent: { traceparent }, start, attributes })?.end({ at: end });
  }
}

/** A frame that a stage or a shard of the LM head has run. Times are milliseconds of the actor's clock. */
export interface RunFrame extends Pick<StageReport, "what" | "index" | "rows" | "busyMs"> {
  /** The frame's number and spans. */
  frame: { seq: number; spans?: readonly string[] };
  /** When it came. */
  received: number;
  /** When its run began. */
  began: number;
  /** When its run ended. */
  ended: number;
}

/** Tells that a frame was run. */
export function tellRun(
  ctx: Pick<ActorContext, "report" | "span">,
  { frame, received, began, ended, ...run }: RunFrame,
): void {
  const report: StageReport = { type: "stage", ...run, waitMs: began - received };
  ctx.report(report);
  tellSpans(ctx, frame.spans, {
    name: run.what,
    start: received,
    end: ended,
    attributes: {
      [run.what === "stage" ? "orrery.stage" : "orrery.shard"]: run.index,
      "orrery.frame": frame.seq,
      "orrery.rows": run.rows,
      "orrery.wait_ms": report.waitMs,
      "orrery.busy_ms": run.busyMs,
    },
  });
}
