import assert from "node:assert/strict";
import { uniformCosts } from "./costs.ts";
import { simulate } from "./simulate.ts";
import { timelineSvg, timelineText } from "./timeline.ts";
import { type TraceSpan, utilisation } from "./trace.ts";

const TRACE: TraceSpan[] = [
  { lane: "stage 0 · a&b", kind: "prefill", label: "piece <0>", start_s: 0, end_s: 2 },
  { lane: "stage 1", kind: "decode", label: 'a "token"', start_s: 2, end_s: 3 },
  { lane: "stage 0 · a&b", kind: "wasted", label: "stale", start_s: 3, end_s: 4 },
  { lane: "stage 1", kind: "idle", label: "waits", start_s: 3, end_s: 4 },
];

Deno.test("timelineSvg() shows each lane once, its spans to scale, hover titles, a legend of what occurs and an axis", () => {
  const svg = timelineSvg(TRACE, { title: "Two & two" });
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  assert.equal(svg.split("stage 0 · a&amp;b</text>").length - 1, 1);
  assert.match(svg, /<title>Two &amp; two<\/title>/);
  assert.match(svg, /piece &lt;0&gt;\nprefill: 0 s to 2 s, 2 s/);
  assert.match(svg, /a &quot;token&quot;/);
  for (const kind of ["prefill", "decode", "wasted", "idle"]) {
    assert.ok(svg.includes(`>${kind}</text>`), kind);
  }
  assert.ok(!svg.includes(">transfer</text>"));
  assert.match(svg, />3\.5 s<\/text>/);
  const widths = [...svg.matchAll(/width="([\d.]+)" height="16"/g)].map((m) => Number(m[1]));
  assert.equal(widths.length, 4);
  assert.ok(Math.abs(widths[0] / widths[1] - 2) < 0.01, `${widths}`);
});

Deno.test("timelineSvg() is well-formed, whatever the labels are", () => {
  const nasty: TraceSpan[] = [
    {
      lane: "]]><svg onload=x>",
      kind: "draft",
      label: "\u0000</title>&",
      start_s: 5,
      end_s: 5.001,
    },
  ];
  for (const trace of [TRACE, nasty, []]) {
    const svg = timelineSvg(trace, { title: "<b>" });
    const open: string[] = [];
    for (const [, slash, name, rest] of svg.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
      if (slash) assert.equal(open.pop(), name);
      else if (!rest.endsWith("/")) open.push(name);
    }
    assert.deepEqual(open, []);
    // deno-lint-ignore no-control-regex
    assert.ok(!/[\x00-\x08]|onload=x>|NaN|Infinity/.test(svg));
  }
});

Deno.test("timelineSvg() gives the same bytes for the same simulation", () => {
  const draw = () =>
    timelineSvg(
      simulate({
        costs: uniformCosts(3, {
          seconds: 0.1,
          hop: { latency_s: 0.01, bytes_per_s: 1000, row_bytes: 10 },
        }),
        policy: { pieces: [4], tree: [1, 1], in_flight: 3 },
        options: { prompt: 8, tokens: 30, branches: 3, acceptance: 0.5, seed: 3 },
      }).trace,
      { title: "run" },
    );
  assert.equal(draw(), draw());
  assert.ok(draw().length > 5000);
});

Deno.test("timelineText() shows each lane's busy share and its time line", () => {
  assert.equal(
    timelineText(TRACE, { width: 8 }),
    "stage 0 · a&b  75 % |PPPP  xx|\n" +
      "stage 1        25 % |    DD..|\n" +
      "                     0 s .. 4 s   P prefill  D decode  x wasted  . idle\n",
  );
  assert.equal(typeof timelineText([]), "string");
});

Deno.test("utilisation() counts what lies inside the window, without idle spans", () => {
  const busy = utilisation(TRACE, { start_s: 1, end_s: 4 });
  assert.deepEqual([...busy], [["stage 0 · a&b", 2 / 3], ["stage 1", 1 / 3]]);
});
