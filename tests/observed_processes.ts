/**
 * `deno task test:observed`: three nodes in processes of their own send their spans to a receiver,
 * tell their metrics and write their logs as JSON. One generation is one trace.
 *
 * Where `promtool` is in the path, it checks the metrics and tries the alert rules.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { findProgram } from "./support/find_program.ts";
import { OtlpCollector } from "./support/otlp_collector.ts";
import { startCluster } from "./support/processes.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
/** Milliseconds in which all spans must have come: they are sent every 200. */
const SPANS_MS = 30_000;

const promtool = await findProgram("promtool");

/** Runs promtool; what it prints is told where it fails. */
async function check(args: string[], { cwd, input = "" }: { cwd?: string; input?: string }) {
  const child = new Deno.Command(promtool!, {
    ...{ args, cwd, stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
  assert.equal(code, 0, text);
}

Deno.test("a generation over three processes is one trace, counted and logged", async () => {
  await using collector = new OtlpCollector();
  Deno.env.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint);
  Deno.env.set("OTEL_BSP_SCHEDULE_DELAY", "200");
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await using cluster = await startCluster(3, data, ["--log", "info", "--log-format", "json"]);
    const { url, nodes: [first] } = cluster;
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-request-id": "observed-1",
        traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
      },
      body: JSON.stringify({
        messages: [{ role: "user", content: "Why does it rain?" }],
        ...{ max_tokens: 12, temperature: 0, orrery: { ignore_eos: true } },
      }),
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("x-request-id"), "observed-1");
    const { usage } = await response.json();
    const metrics = await (await fetch(`${url}/metrics`)).text();

    const mine = () => collector.spans.filter(({ trace }) => trace === TRACE);
    const named = (name: string) => mine().filter((span) => span.name === name);
    const deadline = performance.now() + SPANS_MS;
    const complete = () => {
      const frames = named("frame").filter(({ error }) => error === undefined);
      // Each node sends its own spans every 200 ms: those of one request come in several batches.
      const counts = [named("POST /v1/chat/completions").length, named("generation").length];
      return counts.every((count) => count === 1) && frames.length > 0 &&
        named("stage").length >= 3 * frames.length;
    };
    while (!complete() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const [request] = named("POST /v1/chat/completions");
    assert.equal(request.attributes["orrery.request"], "observed-1");
    const [generation] = named("generation");
    assert.equal(generation.attributes["gen_ai.usage.output_tokens"], usage.completion_tokens);
    const ids = new Set(mine().map(({ id }) => id));
    assert.ok(mine().every(({ parent, name }) => ids.has(parent) || name.startsWith("POST")));
    const frames = named("frame").filter(({ error }) => error === undefined);
    assert.ok(frames.length >= 1);
    for (const frame of frames) {
      const stages = named("stage").filter(({ parent }) => parent === frame.id);
      const hosts = new Set(stages.map(({ resource }) => resource["orrery.node"]));
      assert.deepEqual(stages.map((s) => s.attributes["orrery.stage"]).sort(), [0, 1, 2]);
      assert.equal(hosts.size, 3, "each stage's span comes from its own node");
    }

    const [line] = first.output.split("\n").map((line) => /^stderr: (\{.*)$/.exec(line)?.[1] ?? "")
      .filter((line) => line.includes("observed-1")).map((line) => JSON.parse(line));
    assert.equal(line.request, "observed-1");
    assert.equal(line.trace_id, TRACE);
    assert.match(metrics, /^orrery_generations_total\{model="embedded",outcome="length"\} 1$/m);
    assert.match(metrics, /^orrery_link_up\{peer="[^"]+"\} 1$/m);
    if (promtool) {
      await check(["check", "metrics"], { input: metrics });
      const cwd = join(import.meta.dirname!, "..", "docs", "operations");
      await check(["check", "rules", "alerts.yml"], { cwd });
      await check(["test", "rules", "alerts_test.yml"], { cwd });
    }
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
