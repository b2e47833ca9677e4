import assert from "node:assert/strict";
import { AnswerClock, reportOf } from "./answer_report.ts";
import type { Start } from "./messages.ts";

const start = { mode: "plain", mode_by: "request", nodes: 3, stages: 2 } as Start;
const choice = { outline: false, draftLength: 0, always: false, outlineWhy: "" };

Deno.test("AnswerClock.ttftMs runs to what the client sees first, tpotMs from the first token to the last", () => {
  const clock = new AnswerClock(100);
  clock.generated(1, 150);
  assert.deepEqual([clock.ttftMs, clock.tpotMs], [50, 0]);
  clock.shown(170);
  clock.shown(180);
  clock.generated(3, 180);
  clock.generated(0, 500);
  assert.deepEqual([clock.ttftMs, clock.tpotMs, clock.tokens], [70, 10, 4]);
});

Deno.test("reportOf() counts dropped drafts as wasted, not the rows of a finished branch", () => {
  const clock = new AnswerClock(0);
  clock.generated(10, 100);
  const usage = {
    frames: 5,
    rows: 40,
    wasted_rows: 20,
    pieces: 2,
    reused_rows: 0,
    bubble_share: 0.5,
    rows_per_frame: 8,
    bytes_per_row_per_hop: 100,
  };
  const source = { name: "the draft model", acceptance: 0.5 };
  const speculation = { drafted: 12, accepted: 4, source };
  const report = reportOf({
    start,
    choice,
    clock,
    speculation,
    openedRows: 30,
    route: { route: "pipeline", why: "" },
    usage,
  });
  assert.equal(report.wasted_row_share, 8 / 40);
  assert.equal(report.bytes_per_token_per_hop, 100);
  assert.deepEqual([report.pieces, report.bubble_share, report.nodes], [2, 0.5, 3]);
  const { wasted_row_share } = reportOf({
    start,
    choice,
    clock,
    openedRows: 30,
    route: { route: "pipeline", why: "" },
    usage,
  });
  assert.equal(wasted_row_share, 0, "nothing was drafted");
});

Deno.test("reportOf() gives null for what the arbiter did not say", () => {
  const clock = new AnswerClock(0);
  const report = reportOf({
    start,
    choice,
    clock,
    openedRows: 30,
    route: { route: "pipeline", why: "" },
  });
  assert.deepEqual(
    [
      report.pieces,
      report.bubble_share,
      report.wasted_row_share,
      report.bytes_per_token_per_hop,
    ],
    [null, null, null, null],
  );
});
