import assert from "node:assert/strict";
import { type Carried, type Flight, Flights, traced } from "./flights.ts";
import type { ArbiterRequest, PendingRow } from "./request.ts";
import { newRow, type Row } from "./row_pool.ts";

/** A wanted row of a request. */
function carried(row: Row, kind: PendingRow["kind"] = "decode", generation = "g"): Carried {
  const request = { generation } as ArbiterRequest;
  return { row, pending: { kind, request, lane: kind !== "draft" } as PendingRow };
}

/** Frame `seq` with these rows, all of them wanted. */
const flight = (seq: number, rows: Carried[], more: Partial<Flight> = {}): Flight => ({
  seq,
  base: 0,
  carried: rows,
  wanted: rows,
  sent: 0,
  bound: false,
  moved: 0,
  announced: [],
  forgotten: [],
  masks: [],
  forgottenMasks: [],
  ...more,
});

Deno.test("Flights.useless() names frames whose rows are all freed, unless they must reach every stage", () => {
  const flights = new Flights();
  const rows = Array.from({ length: 4 }, (_, i) => newRow(i, i));
  rows.forEach((row, seq) => flights.add(flight(seq, [carried(row)], { bound: seq === 3 })));
  assert.deepEqual(flights.useless(-1), []);
  for (const row of rows) row.freed = true;
  assert.deepEqual(flights.useless(-1), [0, 1, 2]);
  assert.deepEqual(flights.useless(1), [2], "frames up to the last layout stay");
});

Deno.test("Flights.useless() spares a frame that a row of a later frame hangs on", () => {
  const flights = new Flights();
  const parent = newRow(1, 0);
  const between = newRow(2, 1, { parent });
  const child = newRow(3, 2, { parent: between });
  for (const [seq, row] of [parent, between, child].entries()) {
    flights.add(flight(seq, [carried(row)]));
  }
  parent.freed = between.freed = true;
  assert.deepEqual(
    flights.useless(-1),
    [],
    "the last one needs the middle one, and that the first",
  );
  child.freed = true;
  assert.deepEqual(flights.useless(-1), [0, 1, 2]);
});

Deno.test("Flights.lanes() counts wanted rows that are no drafts and are still needed", () => {
  const flights = new Flights();
  const gone = newRow(3, 0);
  gone.freed = true;
  flights.add(flight(0, [carried(newRow(1, 0)), carried(newRow(2, 0), "draft"), carried(gone)]));
  flights.add(flight(1, [carried(newRow(4, 0), "draft")]));
  flights.add(flight(2, [carried(newRow(5, 0), "prefill"), carried(newRow(6, 0))]));
  assert.deepEqual(flights.lanes(), { rows: 3, frames: 2, pieces: 1 });
});

Deno.test("Flights.since() gives frames from a number on, clear() forgets them all", () => {
  const flights = new Flights();
  for (const seq of [4, 5, 6]) flights.add(flight(seq, []));
  flights.delete(5);
  assert.deepEqual(flights.since(5).map((f) => f.seq), [6]);
  assert.deepEqual([flights.seqs, flights.get(5)], [[4, 6], undefined]);
  assert.deepEqual([flights.clear(), flights.size], [2, 0]);
});

Deno.test("traced() counts a frame's rows by kind and names each request once", () => {
  const rows = [
    carried(newRow(1, 0), "prefill", "a"),
    carried(newRow(2, 1), "prefill", "a"),
    carried(newRow(3, 0), "draft", "b"),
  ];
  const trace = traced(flight(7, rows, { sent: 3 }), 9, []);
  assert.deepEqual(trace, {
    seq: 7,
    rows: { prefill: 2, decode: 0, draft: 1 },
    requests: ["a", "b"],
    sent: 3,
    answered: 9,
    stages: [],
  });
});
