import assert from "node:assert/strict";
import { rowsSchema } from "../arbiter/messages.ts";
import type { Lane } from "./lane.ts";
import { LaneRows } from "./lane_rows.ts";

const owner = { settled: () => {} };
const prompt = Int32Array.of(10, 11, 12);
const first = { name: "plain", prompt, limit: 10, stop: [], owner };

/** Rows of a request that is opened with tokens 10, 11, 12. */
function opened() {
  let waits = 0;
  const rows = new LaneRows({
    generation: "d/generation/g",
    eos: [],
    codec: () => ({
      push: () => ({ text: "", stopped: false }),
      flush: () => "",
      tokenText: String,
    }),
    onFirstWait: () => waits++,
  });
  return { rows, waits: () => waits };
}

/** Lets a lane whose tip is `row` take `token`. */
function take(rows: LaneRows, lane: Lane, token: number): void {
  rows.answered([{ row: lane.tip.row, token }]);
  lane.settle();
}

const draft = { depth: 1, chance: 0.5, reach: 0.25, frame: 9, by: "model", chosen: true } as const;

Deno.test("LaneRows.add() opens the request with the first lane's prompt, and waits for its last row", () => {
  const { rows, waits } = opened();
  const lane = rows.add(first).lane;
  assert.deepEqual([lane.rows, rows.awaited, waits()], [[0, 1, 2], [2], 1]);
  assert.deepEqual(rows.takeMessages(), [], "the arbiter has these rows with the request");
});

Deno.test("LaneRows.answered() tells lanes with results from those without, and decode rows from prompts", () => {
  const { rows, waits } = opened();
  const lane = rows.add(first).lane;
  const prompt = rows.answered([{ row: 2, token: 13 }, { row: 77, token: 1 }]);
  assert.deepEqual([[...prompt.lanes], prompt.decoded], [[lane], false]);
  lane.settle();
  rows.decode(lane);
  assert.deepEqual([lane.tip.row, lane.tip.position, rows.awaited, waits()], [3, 3, [3], 2]);
  const decoded = rows.answered([{ row: 3, token: 14 }]);
  assert.deepEqual([[...decoded.lanes], decoded.decoded], [[lane], true]);
  assert.deepEqual(rows.answered([{ row: 3, token: 14 }]).lanes.size, 0, "it is told once");
});

Deno.test("LaneRows.decode() sends a lane's next token once", () => {
  const { rows } = opened();
  const lane = rows.add(first).lane;
  take(rows, lane, 13);
  rows.decode(lane);
  rows.decode(lane);
  const [message, ...rest] = rows.takeMessages();
  assert.deepEqual(rest, []);
  const { first: number, tokens, positions, parents, kind } = rowsSchema.parse(message);
  assert.deepEqual([number, [...tokens], [...positions], [...parents], kind], [
    3,
    [13],
    [3],
    [2],
    "decode",
  ]);
});

Deno.test("LaneRows.add() shares the rows that a prompt begins with, but for its last token", () => {
  const { rows } = opened();
  const shared = rows.add(first).lane;
  const branch = rows.add({ ...first, name: "b", prompt: [10, 11, 20], shared }).lane;
  assert.deepEqual(branch.rows, [0, 1, 3]);
  const same = rows.add({ ...first, name: "s", prompt: [10, 11, 12], shared }).lane;
  assert.deepEqual(same.rows, [0, 1, 4]);
  const [message] = rows.takeMessages();
  const { tokens, parents, want, kind } = rowsSchema.parse(message);
  assert.deepEqual([[...tokens], [...parents], [...want], kind], [
    [20, 12],
    [1, 1],
    [0, 1],
    "prefill",
  ]);
  assert.deepEqual(rows.lanes, [shared, branch, same]);
});

Deno.test("LaneRows.dropDraft() waits no more for a draft and for what hangs on it", () => {
  const { rows } = opened();
  const lane = rows.add(first).lane;
  const a = rows.draft(lane, lane.tip, 13, draft);
  const b = rows.draft(lane, a, 14, { ...draft, depth: 2 });
  const other = rows.draft(lane, lane.tip, 15, { ...draft, chosen: false });
  assert.deepEqual([rows.awaited, lane.tip.children, a.children], [[2, 3, 4, 5], [a, other], [b]]);
  rows.takeMessages();
  rows.dropDraft(a);
  assert.deepEqual(rows.awaited, [2, 5]);
  const [drop] = rows.takeMessages();
  assert.deepEqual([drop.type, drop.rows], ["drop", Int32Array.of(a.row)]);
});

Deno.test("LaneRows.clear() leaves no lane and nothing to wait for", () => {
  const { rows } = opened();
  rows.add(first);
  rows.clear();
  assert.deepEqual([rows.size, rows.awaited], [0, []]);
});

Deno.test("LaneRows.add() opens the request with the first lane that has tokens to come, and what it said", () => {
  const { rows } = opened();
  const over = rows.add({ ...first, name: "over", limit: 2 }, { tokens: [1, 2], told: 2 }).lane;
  assert.deepEqual([over.finish, over.rows, rows.size, rows.opened], ["length", [], 0, undefined]);
  assert.deepEqual(rows.addPrompt([10, 11], over), [], "no row is there to hang on");
  const { lane } = rows.add(first, { tokens: [20, 21], told: 0 });
  assert.deepEqual([lane.rows, rows.awaited], [[0, 1, 2, 3, 4], [4]]);
  assert.deepEqual(rows.opened, Int32Array.of(10, 11, 12, 20, 21));
  const branch = rows.add({ ...first, name: "b", prompt: [10, 11, 30] }).lane;
  assert.deepEqual(branch.rows, [0, 1, 5], "it shares what the request was opened with");
});
