import assert from "node:assert/strict";
import { NodeMetrics } from "./node_metrics.ts";
import type { NodeSample } from "./samples.ts";

const SAMPLE: NodeSample = {
  serving: { serves: true, members: 3 },
  memory: { resident: 1000, stages: 500 },
  lag: { p50_ms: 1, p99_ms: 20, max_ms: 50 },
  requests: { running: 2, waiting: 1, most: 160 },
  encoding: 0,
  bodyBytes: 77,
  kv: [
    { model: "m", capacity: 64, windowed: 16, held: 30, cached: 10, waiting: 0 },
    { model: "m", capacity: 32, windowed: 0, held: 8, cached: 0, waiting: 2 },
  ],
  actors: [{ kind: "stage", queued: 3, waiting: 0 }, { kind: "stage", queued: 4, waiting: 1 }],
  deadLetters: 5,
  links: [
    link("b:8421:0a1b", { sentBytes: 100, up: false }),
    link("b:8421:ffff", { sentBytes: 20, up: true, rttMs: 4 }),
    link("b:8421:eeee", { up: true, rttMs: 4 }),
  ],
  journal: { lag: 6, requests: 2, heldBytes: 99 },
};

function link(node: string, some: Partial<NodeSample["links"][number]>) {
  const none = { sentBytes: 0, receivedBytes: 0, queuedBytes: 0, reconnects: 0, up: true };
  return { node, ...none, ...some };
}

/** The lines with samples of the metrics whose names begin like this. */
const lines = (text: string, name: string): string[] =>
  text.split("\n").filter((line) => line.startsWith(`orrery_${name}`));

Deno.test("NodeMetrics.text() tells what happened, and what the node is at now", async () => {
  const metrics = new NodeMetrics({ version: "1.2.3" });
  metrics.report({ type: "frame", ...FRAME });
  metrics.report({ type: "frame", ...FRAME });
  metrics.report({ type: "unheard of" });
  metrics.tokens("m", 1);
  metrics.tokens("m", 3, 30);
  metrics.requested({ route: "/v1/models", method: "BREW", status: 405, ms: 3 });
  const text = await metrics.text(SAMPLE);
  assert.deepEqual(lines(text, "frame_rows_total"), [
    'orrery_frame_rows_total{kind="decode"} 4',
    'orrery_frame_rows_total{kind="draft"} 10',
  ]);
  assert.deepEqual(lines(text, "wasted_rows_total"), ["orrery_wasted_rows_total 2"]);
  assert.deepEqual(lines(text, "pipeline_available_seconds_total"), [
    "orrery_pipeline_available_seconds_total 0.06",
  ]);
  assert.deepEqual(lines(text, "generated_tokens_total"), [
    'orrery_generated_tokens_total{model="m"} 4',
  ]);
  assert.deepEqual(lines(text, "inter_token_seconds_bucket").slice(0, 1), [
    'orrery_inter_token_seconds_bucket{le="0.001",model="m"} 0',
  ]);
  assert.ok(text.includes('orrery_inter_token_seconds_count{model="m"} 3'));
  assert.ok(text.includes('orrery_inter_token_seconds_bucket{le="0.01",model="m"} 3'));
  assert.deepEqual(lines(text, "http_requests_total"), [
    'orrery_http_requests_total{route="/v1/models",method="other",status="405",model=""} 1',
  ]);
  assert.deepEqual(lines(text, "build_info"), ['orrery_build_info{version="1.2.3"} 1']);
});

Deno.test("NodeMetrics.text() adds up arenas, actors and lives of a node, each time anew", async () => {
  const metrics = new NodeMetrics({ version: "0" });
  await metrics.text(SAMPLE);
  const text = await metrics.text(SAMPLE);
  assert.deepEqual(lines(text, "kv_rows_held"), ['orrery_kv_rows_held{model="m"} 38']);
  assert.deepEqual(lines(text, "mailbox_messages"), ['orrery_mailbox_messages{kind="stage"} 7']);
  assert.deepEqual(lines(text, "dead_letters_total"), ["orrery_dead_letters_total 5"]);
  assert.deepEqual(lines(text, "link_sent_bytes_total"), [
    'orrery_link_sent_bytes_total{peer="b:8421"} 120',
  ]);
  assert.deepEqual(lines(text, "link_up"), ['orrery_link_up{peer="b:8421"} 1']);
  assert.deepEqual(lines(text, "stages_memory_limit_bytes"), []);
  const later = await metrics.text({ ...SAMPLE, kv: [], links: [] });
  assert.deepEqual(lines(later, "kv_rows_held"), []);
  assert.deepEqual(lines(later, "link_up"), []);
});

Deno.test("NodeMetrics.names() follow Prometheus' rules", async () => {
  const metrics = new NodeMetrics({ version: "0" });
  const text = await metrics.text(SAMPLE);
  for (const name of metrics.names()) {
    assert.match(name, /^orrery_[a-z][a-z_]*$/);
    const [, type] = new RegExp(`^# TYPE ${name} (\\w+)$`, "m").exec(text)!;
    assert.equal(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assert.match(name, /_seconds$/);
    assert.ok(!/milli|_ms_|_ms$|_kb/.test(name), name);
  }
});

const FRAME = {
  rows: { prefill: 0, decode: 2, draft: 5 },
  ...{ tripMs: 12, stages: 3, activeMs: 10, busyMs: 15, wasted: 1 },
};

Deno.test("docs/observability.md lists every metric", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/observability.md", import.meta.url));
  const listed = [...page.matchAll(/^\| `(orrery_\w+)`/gm)].map(([, name]) => name);
  assert.deepEqual(listed, new NodeMetrics({ version: "0" }).names());
});

Deno.test("docs/operations/ names no metric that a node does not have", async () => {
  const metrics = new NodeMetrics({ version: "0" });
  await metrics.text(SAMPLE);
  const known = new Set(
    metrics.names().flatMap((name) => [
      name,
      ...["_bucket", "_sum", "_count"].map((end) => name + end),
    ]),
  );
  const rules = new Set(["orrery:bubble_ratio", "orrery:acceptance_ratio"]);
  for (const file of ["alerts.yml", "alerts_test.yml", "grafana-dashboard.json"]) {
    const url = new URL(`../../docs/operations/${file}`, import.meta.url);
    const text = await Deno.readTextFile(url);
    const named = [...text.matchAll(/\borrery[_:][a-z_]+/g)].map(([name]) => name);
    assert.ok(named.length > 10, file);
    assert.deepEqual(named.filter((name) => !known.has(name) && !rules.has(name)), [], file);
    for (const rule of rules) assert.ok(text.includes(rule), `${file}: ${rule}`);
  }
});
