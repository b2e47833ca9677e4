import assert from "node:assert/strict";
import { HeldJournals } from "./held.ts";
import type { JournalOp } from "./messages.ts";

const SILENT_MS = 1_000;
const KEEP_MS = 300;
const id = "0".repeat(32);
const head = { id, request: "why?", owner: "", keep_ms: KEEP_MS };

/** Copies whose clock a test sets, and what node `a` adds in its first term. */
function held() {
  const world = { now: 0 };
  const journals = new HeldJournals({
    ...{ now: () => world.now, mostBytes: 1 << 20, silentMs: SILENT_MS },
  });
  const append = (op: Partial<JournalOp>) =>
    journals.append({ origin: "a", term: 1, ops: [{ id, from: 0, records: [], ...op }] });
  return { world, journals, append };
}

Deno.test("HeldJournals.sweep() forgets a copy to which nothing is added for long, and is sent it again", () => {
  const { world, journals, append } = held();
  append({ head, records: ["one"] });
  world.now = SILENT_MS - 1;
  append({ from: 1, records: ["two"] });
  world.now = 2 * SILENT_MS - 2;
  journals.sweep();
  assert.ok(journals.has(id), "it was added to meanwhile");
  world.now++;
  journals.sweep();
  assert.equal(journals.bytes, 0);
  assert.deepEqual(append({ from: 2, records: ["three"] }), {
    ...{ state: "kept", missing: [id], refused: [] },
  });
  append({ head, records: ["one", "two", "three"] });
  assert.deepEqual(journals.take("a").map(({ records }) => records), [["one", "two", "three"]]);
  assert.equal(journals.bytes, 0);
});

Deno.test("HeldJournals.sweep() keeps a copy that has ended for as long as its head says", () => {
  const { world, journals, append } = held();
  append({ head, records: ["one"], ended: true });
  world.now = KEEP_MS - 1;
  journals.sweep();
  assert.ok(journals.has(id));
  world.now++;
  journals.sweep();
  assert.equal(journals.bytes, 0);
});
