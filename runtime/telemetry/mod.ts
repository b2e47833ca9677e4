/**
 * What operators see of a node: metrics for Prometheus, traces for OpenTelemetry, and records of the
 * log.
 *
 * Nothing here decides anything, and nothing is sent to anybody unasked. What happens is told by
 * those that do it: actors by `ctx.report` and `ctx.span`, the gateway and the API by calls.
 *
 * @module
 */
export { type MetricSet, metricSet } from "./metric_set.ts";
export { type AnsweredRequest, type EndedAnswer, NodeMetrics } from "./node_metrics.ts";
export type { ActorSample, KvSample, LinkSample, NodeSample } from "./samples.ts";
export { jsonLine, type LogLine, logLine } from "./log_line.ts";
export {
  OTEL_VARIABLES,
  type SamplerOptions,
  type TraceOptions,
  traceOptions,
} from "./otel_options.ts";
export { type AnySpanInit, type TracedNode, Tracing } from "./tracing.ts";
