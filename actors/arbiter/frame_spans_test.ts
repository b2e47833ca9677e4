import assert from "node:assert/strict";
import { MOST_SPANS, type OpenSpan } from "../system/mod.ts";
import { FrameSpans } from "./frame_spans.ts";

/** Spans whose contexts are numbers, and how they ended. */
function kept() {
  const ends: string[] = [];
  let made = 0;
  const spans = new FrameSpans({
    now: () => 0,
    span(_name, { parent }): OpenSpan {
      const traceparent = `${parent.traceparent}/${made++}`;
      const end: OpenSpan["end"] = ({ error = "answered" } = {}) =>
        void ends.push(`${traceparent} ${error}`);
      return { context: { traceparent }, end };
    },
  });
  return { spans, ends };
}

const trace = { seq: 1, rows: { prefill: 0, decode: 1, draft: 0 }, requests: [], stages: [] };
const TIMES = { sent: 0, answered: 1 };

Deno.test("FrameSpans looks at no frame while nothing is traced", () => {
  const { spans } = kept();
  spans.opened("g0", undefined);
  const carried = () => assert.fail("asked for the frame's requests");
  assert.equal(spans.sent({ arena: "a", seq: 0, rows: 1 }, carried), undefined);
});

Deno.test("FrameSpans has a span for each traced request of a frame, until it ends", () => {
  const { spans, ends } = kept();
  spans.opened("g0", { traceparent: "t0" });
  spans.opened("g1", { traceparent: "t1" });
  const sent = (seq: number, ...carried: string[]) =>
    spans.sent({ arena: "a", seq, rows: 1 }, () => carried);
  assert.deepEqual(sent(1, "g0", "other", "g1"), ["t0/0", "t1/1"]);
  assert.equal(sent(2, "other"), undefined);
  assert.deepEqual(sent(3, "g1"), ["t1/2"]);
  spans.answered("a", { ...trace, ...TIMES });
  spans.cancelled("a", [2, 3]);
  spans.closed("g0");
  assert.deepEqual(sent(4, "g0", "g1"), ["t1/3"]);
  spans.close();
  assert.deepEqual(ends, ["t0/0 answered", "t1/1 answered", "t1/2 cancelled", "t1/3 lost"]);
});

Deno.test("FrameSpans bounds the spans of a frame, and those of frames that never come back", () => {
  const { spans, ends } = kept();
  const all = Array.from({ length: 40 }, (_, i) => `g${i}`);
  for (const generation of all) spans.opened(generation, { traceparent: generation });
  assert.equal(spans.sent({ arena: "a", seq: 0, rows: 40 }, () => all)?.length, MOST_SPANS);
  for (let seq = 1; seq <= 300; seq++) spans.sent({ arena: "a", seq, rows: 1 }, () => ["g0"]);
  assert.equal(ends.length, MOST_SPANS + 44);
});
