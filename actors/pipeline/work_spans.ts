/**
 * Spans of what a stage, a shard or a drafter has done for requests whose traces are recorded.
 *
 * @module
 */
import type { ActorContext, SpanAttributes } from "../system/mod.ts";

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
