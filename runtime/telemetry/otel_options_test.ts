import assert from "node:assert/strict";
import { hasCode, traceparentOf } from "../../actors/mod.ts";
import { traceOptions } from "./otel_options.ts";

const options = (env: Record<string, string>) => traceOptions((name) => env[name]);
const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" };

Deno.test("traceOptions() wants no traces unless the environment names a receiver", () => {
  assert.equal(options({}), undefined);
  assert.equal(options({ OTEL_SERVICE_NAME: "x", OTEL_TRACES_SAMPLER: "always_on" }), undefined);
  assert.equal(options({ ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" }), undefined);
  assert.equal(options({ ...ENDPOINT, OTEL_SDK_DISABLED: "TRUE" }), undefined);
  assert.equal(options({ OTEL_TRACES_EXPORTER: "otlp" })!.url, "http://localhost:4318/v1/traces");
});

Deno.test("traceOptions() reads variables of traces before those of all signals", () => {
  const found = options({
    ...ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://t/in",
    OTEL_EXPORTER_OTLP_HEADERS: "a=1",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "b=x%3Dy, c=2",
    OTEL_RESOURCE_ATTRIBUTES: "service.name=one,site=den",
    OTEL_SERVICE_NAME: "two",
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.25",
    OTEL_BSP_MAX_QUEUE_SIZE: "100",
  })!;
  assert.equal(options(ENDPOINT)!.url, "http://c:4318/v1/traces");
  assert.equal(found.url, "https://t/in");
  assert.deepEqual(found.headers, { b: "x=y", c: "2" });
  assert.deepEqual(found.resource, { "service.name": "two", site: "den" });
  assert.deepEqual(found.sampler, { kind: "traceidratio", parentBased: true, ratio: 0.25 });
  assert.deepEqual(found.batch, { delayMs: 5_000, queue: 100, most: 100 });
});

Deno.test("traceOptions() says which variable is wrong, and repeats no key", () => {
  const wrong: [string, string][] = [
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "localhost"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "file:///x"],
    ["OTEL_TRACES_EXPORTER", "zipkin"],
    ["OTEL_TRACES_SAMPLER", "sometimes"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "soon"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "secret"],
    ["OTEL_BSP_SCHEDULE_DELAY", "0"],
  ];
  for (const [name, value] of wrong) {
    assert.throws(() => options({ ...ENDPOINT, [name]: value }), (error: Error) => {
      assert.ok(hasCode(error, "bad_variable"), name);
      assert.ok(error.message.startsWith(`${name}: expected `), error.message);
      return name.endsWith("HEADERS") ? !error.message.includes("secret") : true;
    });
  }
  const ratio = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" };
  assert.throws(() => options({ ...ENDPOINT, ...ratio }), /OTEL_TRACES_SAMPLER_ARG/);
});

Deno.test("traceparentOf() takes what W3C allows, and nothing else", () => {
  const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
  assert.deepEqual(traceparentOf(`00-${trace}-${span}-01`), {
    ...{ traceId: trace, spanId: span, traceFlags: 1 },
  });
  assert.ok(traceparentOf(`01-${trace}-${span}-00-more`));
  for (
    const text of [
      "",
      `00-${trace}-${span}`,
      `00-${trace}-${span}-01-more`,
      `ff-${trace}-${span}-01`,
      `00-${"0".repeat(32)}-${span}-01`,
      `00-${trace}-${"0".repeat(16)}-01`,
      `00-${trace.toUpperCase()}-${span}-01`,
    ]
  ) assert.equal(traceparentOf(text), undefined, text);
});
