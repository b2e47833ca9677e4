/**
 * A receiver of OpenTelemetry's spans, OTLP over HTTP with protobuf: it keeps what it was sent.
 *
 * @module
 */
import protobuf from "protobufjs";

/** The fields of OTLP that tests look at. Ids are bytes, times are Unix time in nanoseconds. */
const SCHEMA = `
syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message Span {
  bytes trace_id = 1;
  bytes span_id = 2;
  bytes parent_span_id = 4;
  string name = 5;
  fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8;
  repeated KeyValue attributes = 9;
  Status status = 15;
}
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; }
}`;

/** A span that was sent. Ids are hexadecimal. */
export interface CollectedSpan {
  trace: string;
  id: string;
  /** "": it is the first of its trace here. */
  parent: string;
  name: string;
  startMs: number;
  endMs: number;
  attributes: Record<string, unknown>;
  /** Attributes of what sent it. */
  resource: Record<string, unknown>;
  /** What went wrong; undefined: nothing. */
  error?: string;
}

// deno-lint-ignore no-explicit-any -- decoded messages have no types
type Decoded = any;

/** See the module's text. */
export class OtlpCollector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  /** Headers of the last request. */
  headers = new Headers();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const { root } = protobuf.parse(SCHEMA);
    const type = root.lookupType("Request");
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      async (request) => {
        if (new URL(request.url).pathname !== "/v1/traces") {
          return new Response("", {
            status: 404,
          });
        }
        this.headers = request.headers;
        const message = type.decode(new Uint8Array(await request.arrayBuffer()));
        this.#take(type.toObject(message, { longs: Number, defaults: true }));
        return new Response(new Uint8Array(0), {
          headers: { "content-type": "application/x-protobuf" },
        });
      },
    );
  }

  /** Value of `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #take({ resourceSpans }: Decoded): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap(({ spans }: Decoded) => spans)) {
        this.spans.push({
          trace: hex(span.traceId),
          id: hex(span.spanId),
          parent: hex(span.parentSpanId),
          name: span.name,
          startMs: span.startTimeUnixNano / 1e6,
          endMs: span.endTimeUnixNano / 1e6,
          attributes: valuesOf(span.attributes),
          resource: valuesOf(resource.attributes),
          ...(span.status?.code === 2 && { error: span.status.message }),
        });
      }
    }
  }
}

const hex = (bytes: ArrayLike<number>): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const valuesOf = (attributes: Decoded[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value ?? {})[0]]));
