/**
 * One generation over several nodes is one trace, with a span for every frame and stage, each sent by
 * the node that did the work.
 */
import assert from "node:assert/strict";
import type { Telemetry } from "../actors/mod.ts";
import { NodeMetrics, traceOptions, Tracing } from "../runtime/telemetry/mod.ts";
import { world } from "./support/generation_world.ts";
import { type CollectedSpan, OtlpCollector } from "./support/otlp_collector.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

/** Runs `run` in a world of three stages whose nodes all send spans; gives what was collected. */
async function collected(
  variables: Record<string, string>,
  run: (nodes: ReturnType<typeof world>) => Promise<void>,
): Promise<{ spans: CollectedSpan[]; headers: Headers }> {
  await using collector = new OtlpCollector();
  const env: Record<string, string> = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    ...variables,
  };
  const options = traceOptions((name) => env[name])!;
  const open: Tracing[] = [];
  const nodes = ["api", "s0", "s1", "s2", "h0", "h1", "draft", "whole"];
  const tracings = new Map<string, Telemetry>();
  for (const node of nodes) {
    const tracing = await Tracing.open(options, { node, version: "1" });
    open.push(tracing);
    tracings.set(node, { report() {}, span: (name, init) => tracing.span(name, init) });
  }
  await run(world({ stages: 3, shards: 2, telemetry: (node) => tracings.get(node)! }));
  await Promise.all(open.map((tracing) => tracing.close()));
  return { spans: collector.spans, headers: collector.headers };
}

const start = (nodes: ReturnType<typeof world>, key: string, flags: string) =>
  nodes.api.tell(`d/generation/${key}`, nodes.startOf(key, { max_tokens: 6 }), {
    trace: { traceparent: `00-${TRACE}-${CALLER}-${flags}` },
  });

/** Runs a request of the world to its end, as a part of the trace. */
async function traced(nodes: ReturnType<typeof world>, flags = "01"): Promise<void> {
  const inbox = nodes.api.inbox(`d/client/a`, { capacity: 64 });
  await nodes.sim.until(start(nodes, "a", flags));
  await nodes.sim.until((async () => {
    while ((await inbox.next())!.type !== "done");
  })());
  inbox.close();
  await nodes.sim.run({ forMs: 1_000 });
}

Deno.test("a generation over three nodes is one trace, with a span a frame and stage", async () => {
  const { spans, headers } = await collected({
    OTEL_SERVICE_NAME: "lab",
    OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b",
    OTEL_RESOURCE_ATTRIBUTES: "site=den",
  }, traced);
  assert.equal(headers.get("x-key"), "a b");
  assert.deepEqual([...new Set(spans.map(({ trace }) => trace))], [TRACE]);
  const named = (name: string) => spans.filter((span) => span.name === name);
  const [generation, ...more] = named("generation");
  assert.deepEqual(more, []);
  assert.equal(generation.parent, CALLER);
  assert.equal(generation.resource["service.name"], "lab");
  assert.equal(generation.resource.site, "den");
  assert.equal(generation.resource["orrery.node"], "api");
  assert.equal(generation.attributes["gen_ai.usage.output_tokens"], 6);
  // 40 tokens of a prompt in pieces of 16, and 5 tokens after the first one.
  const frames = named("frame");
  assert.equal(frames.length, 3 + 5);
  assert.ok(frames.every(({ parent, error }) => parent === generation.id && error === undefined));
  for (const frame of frames) {
    const seq = frame.attributes["orrery.frame"];
    const stages = named("stage").filter(({ parent }) => parent === frame.id);
    assert.deepEqual(
      stages.map((span) => [span.resource["orrery.node"], span.attributes["orrery.stage"]]).sort(),
      [["s0", 0], ["s1", 1], ["s2", 2]],
      `frame ${seq}`,
    );
    assert.ok(stages.every((span) => span.attributes["orrery.frame"] === seq));
    assert.ok(stages.every(({ startMs, endMs }) => endMs > startMs));
    assert.ok(stages.every(({ startMs }) => startMs >= frame.startMs - 1));
    const heads = named("head").filter(({ parent }) => parent === frame.id);
    assert.deepEqual(heads.length, frame.attributes["orrery.rows.decode"] === 1 ? 2 : heads.length);
  }
  assert.equal(named("stage").length, 3 * frames.length);
  assert.equal(named("head").length, 2 * 6); // of the frames in which a token is wanted
});

Deno.test("a trace that its client does not record is recorded nowhere", async () => {
  assert.deepEqual((await collected({}, (nodes) => traced(nodes, "00"))).spans, []);
  const off = { OTEL_TRACES_SAMPLER: "always_off" };
  assert.deepEqual((await collected(off, traced)).spans, []);
});

Deno.test("what stages and arbiters report adds up to the frames of a request", async () => {
  const metrics = new NodeMetrics({ version: "1" });
  const reports: { type: string }[] = [];
  const nodes = world({
    stages: 3,
    telemetry: () => ({
      report(_from, report) {
        reports.push(report);
        metrics.report(report);
      },
      span: () => undefined,
    }),
  });
  await nodes.answer("a", { max_tokens: 6 });
  const count = (type: string) => reports.filter((report) => report.type === type).length;
  assert.equal(count("frame"), 3 + 5);
  assert.equal(count("stage"), 3 * count("frame"));
});
