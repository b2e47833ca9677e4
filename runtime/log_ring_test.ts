import assert from "node:assert/strict";
import { logPageSchema, logQuerySchema } from "../actors/mod.ts";
import { LogRing } from "./log_ring.ts";

/** Writes a record of a level. */
function write(ring: LogRing, text: string, level = "info"): void {
  ring.sink({ level, category: ["orrery", "node"], message: [text], timestamp: 1_000 });
}

/** The texts of a page, and the rest of it. */
function read(ring: LogRing, query: Record<string, unknown> = {}) {
  const { records, next, lost } = logPageSchema.parse(ring.read(logQuerySchema.parse(query)));
  return { texts: records.map(({ text }) => text), next, lost };
}

Deno.test("LogRing gives the newest records, and those that came after a number", () => {
  const ring = new LogRing();
  assert.deepEqual(read(ring), { texts: [], next: 0, lost: 0 });
  for (const text of ["a", "b", "c", "d"]) write(ring, text, text === "b" ? "warning" : "info");
  write(ring, "e", "debug");
  assert.deepEqual(read(ring, { limit: 2 }), { texts: ["c", "d"], next: 5, lost: 0 });
  assert.deepEqual(read(ring, { level: "warning" }), { texts: ["b"], next: 5, lost: 0 });
  assert.deepEqual(read(ring, { after: 1, limit: 2 }), { texts: ["b", "c"], next: 3, lost: 0 });
  assert.deepEqual(read(ring, { after: 3, level: "debug" }), {
    texts: ["d", "e"],
    next: 5,
    lost: 0,
  });
  // A follower whose number is of an earlier life of the node gets the newest.
  assert.deepEqual(read(ring, { after: 99 }).texts, ["a", "b", "c", "d"]);
});

Deno.test("LogRing tells the records of one request, with its trace", () => {
  const ring = new LogRing();
  const record = { level: "info", category: ["orrery", "api"], timestamp: 1_000 };
  ring.sink({ ...record, message: ["a"], properties: { request: "r1", trace_id: "t1", n: 3 } });
  ring.sink({ ...record, message: ["b"], properties: { request: "r2" } });
  ring.sink({ ...record, message: ["c"], properties: { request: 7 } });
  const { records } = logPageSchema.parse(ring.read(logQuerySchema.parse({})));
  assert.deepEqual(records.map(({ request, trace_id }) => [request, trace_id]), [
    ["r1", "t1"],
    ["r2", undefined],
    [undefined, undefined],
  ]);
  assert.deepEqual(read(ring, { request: "r2" }).texts, ["b"]);
});

Deno.test("LogRing is bounded in records and in characters, and says how many were lost", () => {
  const ring = new LogRing({ records: 100, chars: 10_000 });
  for (let i = 1; i <= 1_000; i++) write(ring, `${i}`);
  const { texts, next, lost } = read(ring, { after: 10, limit: 500 });
  assert.ok(texts.length >= 50 && texts.length <= 100, `${texts.length} are kept`);
  assert.deepEqual([next, lost, texts.at(-1)], [1_000, 990 - texts.length, "1000"]);
  for (let i = 0; i < 20; i++) write(ring, "x".repeat(100_000));
  const long = read(ring).texts;
  assert.ok(long.length < 5 && long[0].length === 4_097 && long[0].endsWith("…"));
});

Deno.test("LogRing writes values into texts, whatever they are", () => {
  const ring = new LogRing();
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const message = ["", "den", " took ", 12, " ms: ", new Error("slow"), ", ", circle, ""];
  ring.sink({ level: "info", category: ["orrery"], message, timestamp: 1 });
  assert.deepEqual(read(ring).texts, ["den took 12 ms: slow, [object Object]"]);
});
