/**
 * Spans of this node, sent to a receiver of OpenTelemetry.
 *
 * The packages are loaded when traces are wanted, and not before. What happens on another node is
 * recorded there: messages carry the trace, and each node sends its own spans.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { SpanOptions, Tracer } from "@opentelemetry/api";
import {
  type OpenSpan,
  type SpanAttributes,
  type SpanInit,
  type TraceContext,
  traceparentOf,
} from "../../actors/mod.ts";
import type { SamplerOptions, TraceOptions } from "./otel_options.ts";

const log = getLogger(["orrery", "telemetry"]);

/** Milliseconds between two looks at how far the monotonic clock is from the wall's. */
const CLOCK_MS = 60_000;
/** Milliseconds between two lines that say that the receiver does not take spans. */
const QUIET_MS = 60_000;
/** Milliseconds in which the last spans must be sent when the node ends. */
const CLOSE_MS = 3_000;

/** What names the node in its spans. */
export interface TracedNode {
  /** The node's id. */
  node: string;
  version: string;
}

/** How a span begins; without a parent it is the first one of a trace. */
export type AnySpanInit = Omit<SpanInit, "parent"> & {
  parent?: TraceContext;
  /** It answers a request from outside. */
  server?: boolean;
};

type OpenTelemetry = typeof import("@opentelemetry/api");

/** See the module's text. */
export class Tracing {
  readonly #api: OpenTelemetry;
  readonly #tracer: Tracer;
  readonly #close: () => Promise<void>;
  /** Unix time of the monotonic clock's zero, milliseconds, and until when it is taken to be so. */
  #epoch = { ms: 0, until: -Infinity };

  private constructor(api: OpenTelemetry, tracer: Tracer, close: () => Promise<void>) {
    this.#api = api;
    this.#tracer = tracer;
    this.#close = close;
  }

  /** Loads the packages. Spans are sent from now on. */
  static async open(options: TraceOptions, { node, version }: TracedNode): Promise<Tracing> {
    const [api, sdk, { resourceFromAttributes }, exporter] = await Promise.all([
      import("@opentelemetry/api"),
      import("@opentelemetry/sdk-trace"),
      import("@opentelemetry/resources"),
      exporterOf(options),
    ]);
    let said = -Infinity;
    const warn = (message: string) => {
      if (performance.now() - said < QUIET_MS) return;
      said = performance.now();
      log.warn("traces do not reach {url}: {message}", { url: options.url, message });
    };
    const quiet = () => {};
    api.diag.setLogger(
      { error: warn, warn, info: quiet, debug: quiet, verbose: quiet },
      { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
    );
    const { batch } = options;
    const provider = new sdk.TracerProvider({
      resource: resourceFromAttributes({
        ...{ "service.version": version, "service.instance.id": node, "orrery.node": node },
        ...options.resource,
      }),
      sampler: samplerOf(sdk, options.sampler),
      spanProcessors: [
        new sdk.BatchSpanProcessor({
          exporter,
          scheduledDelayMillis: batch.delayMs,
          maxQueueSize: batch.queue,
          maxExportBatchSize: batch.most,
          exportTimeoutMillis: options.timeoutMs,
        }),
      ],
    });
    const tracer = provider.getTracer("orrery", version);
    return new Tracing(api, tracer, () => provider.shutdown());
  }

  /** Begins a span; undefined: its trace is not recorded. */
  span(name: string, { parent, start, attributes, server }: AnySpanInit): OpenSpan | undefined {
    const { trace, ROOT_CONTEXT, SpanKind, SpanStatusCode } = this.#api;
    const known = parent && traceparentOf(parent.traceparent);
    if (parent && !known) return undefined;
    const context = known
      ? trace.setSpanContext(ROOT_CONTEXT, { ...known, isRemote: true })
      : ROOT_CONTEXT;
    const init: SpanOptions = {
      kind: server ? SpanKind.SERVER : SpanKind.INTERNAL,
      startTime: this.#unixMs(start),
      attributes: attributes as SpanAttributes,
    };
    const span = this.#tracer.startSpan(name, init, context);
    if (!span.isRecording()) return undefined;
    const { traceId, spanId, traceFlags } = span.spanContext();
    const flags = traceFlags.toString(16).padStart(2, "0");
    return {
      context: { traceparent: `00-${traceId}-${spanId}-${flags}` },
      end: ({ at, attributes, error } = {}) => {
        if (attributes) span.setAttributes(attributes as SpanAttributes);
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
        span.end(this.#unixMs(at));
      },
    };
  }

  /** Sends what has not been sent, for three seconds at most. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, CLOSE_MS);
    await Promise.race([this.#close().catch(() => {}), late.promise]);
    clearTimeout(timer);
  }

  /** Unix time of a time of the monotonic clock, milliseconds. */
  #unixMs(at = performance.now()): number {
    if (at >= this.#epoch.until) {
      const now = performance.now();
      this.#epoch = { ms: Date.now() - now, until: now + CLOCK_MS };
    }
    return this.#epoch.ms + at;
  }
}

async function exporterOf({ url, headers, timeoutMs, compression }: TraceOptions) {
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
  type Compression = NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>["compression"];
  return new OTLPTraceExporter({
    ...{ url, headers, timeoutMillis: timeoutMs },
    compression: compression as Compression,
  });
}

function samplerOf(
  sdk: typeof import("@opentelemetry/sdk-trace"),
  { kind, parentBased, ratio }: SamplerOptions,
) {
  const root = kind === "always_on"
    ? new sdk.AlwaysOnSampler()
    : kind === "always_off"
    ? new sdk.AlwaysOffSampler()
    : new sdk.TraceIdRatioBasedSampler(ratio);
  return parentBased ? new sdk.ParentBasedSampler({ root }) : root;
}
