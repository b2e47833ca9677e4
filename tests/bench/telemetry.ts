/**
 * `deno task bench:telemetry`: what telling of one's work costs an actor, without traces and with.
 *
 * Prints nanoseconds of one call on this machine. A frame over three stages makes four reports, and
 * where its request is traced four spans.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a benchmark talks to its user
import { z } from "zod";
import { type ActorContext, createSystem, defineActor, type Telemetry } from "../../actors/mod.ts";
import { FrameSpans } from "../../actors/arbiter/frame_spans.ts";
import { NodeMetrics, traceOptions, Tracing } from "../../runtime/telemetry/mod.ts";
import { OtlpCollector } from "../support/otlp_collector.ts";

const CALLS = 200_000;
const TRACED_CALLS = 20_000;
const PARENT = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
const FRAME = {
  ...{ type: "frame", rows: { prefill: 0, decode: 8, draft: 0 }, tripMs: 12, stages: 3 },
  ...{ activeMs: 10, busyMs: 15, wasted: 0 },
};

/** The context of an actor of a system with this telemetry. */
async function contextWith(telemetry?: Telemetry): Promise<ActorContext> {
  const given = Promise.withResolvers<ActorContext>();
  const probe = defineActor({
    kind: "probe",
    config: z.object({}),
    messages: { wake: z.object({}) },
    create(ctx) {
      given.resolve(ctx);
      return { wake: () => {} };
    },
  });
  await createSystem([probe], { telemetry }).get(probe, "a").wake();
  return await given.promise;
}

/** Prints how long one call takes: the least of five rounds, nanoseconds. */
function time(what: string, call: () => void, calls = CALLS): void {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const began = performance.now();
    for (let i = 0; i < calls; i++) call();
    best = Math.min(best, (performance.now() - began) * 1e6 / calls);
  }
  console.log(`${what.padEnd(60)} ${best.toFixed(0).padStart(8)} ns`);
}

const metrics = new NodeMetrics({ version: "0" });
const silent = await contextWith();
const counted = await contextWith({
  report: (_from, report) => metrics.report(report),
  span: () => undefined,
});
time("ctx.report() without telemetry", () => silent.report(FRAME));
time("ctx.report() of a frame, counted", () => counted.report(FRAME));
const untraced = new FrameSpans(silent);
const frame = { arena: "a", seq: 1, rows: 8 };
time("a frame whose requests are not traced", () => void untraced.sent(frame, () => []));
time("one token of an answer, counted", () => metrics.tokens("m", 1, 12));
time("ctx.span() where no traces are wanted", () => void counted.span("stage", { parent: PARENT }));

await using collector = new OtlpCollector();
const env: Record<string, string> = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
const tracing = await Tracing.open(traceOptions((name) => env[name])!, { node: "a", version: "0" });
const traced = await contextWith({ report() {}, span: (name, init) => tracing.span(name, init) });
const span = () =>
  traced.span("stage", { parent: PARENT, attributes: { "orrery.rows": 8 } })?.end();
time("a span that is recorded and queued", span, TRACED_CALLS);
await tracing.close();
Deno.exit();
