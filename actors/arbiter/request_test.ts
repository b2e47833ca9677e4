import assert from "node:assert/strict";
import { openSchema, type RowsMessage, rowsSchema } from "./messages.ts";
import { shapeSchema } from "../pipeline/mod.ts";
import { samplingSchema } from "../pipeline/frame.ts";
import { ArbiterRequest } from "./request.ts";
import { newRow } from "./row_pool.ts";

const shape = shapeSchema.parse({});

/** A request whose prompt of two rows has run. */
function request(): ArbiterRequest {
  const open = openSchema.parse({
    generation: "d/generation/g",
    prompt: Int32Array.of(5, 6),
    sampling: samplingSchema.parse({}),
    max_rows: 64,
  });
  const made = new ArbiterRequest(open, { order: 0, shape });
  made.jobs = [];
  for (const i of [0, 1]) run(made, i);
  return made;
}

/** A row stands in the arena, and was answered. */
function run(made: ArbiterRequest, number: number): void {
  made.rows[number] = { ...newRow(1, number), slot: number, done: true };
}

const rows = (more: Partial<RowsMessage>): RowsMessage => {
  const n = more.tokens?.length ?? 0;
  const none = new Int32Array(0);
  return rowsSchema.parse({
    generation: "d/generation/g",
    first: 2,
    tokens: none,
    positions: new Int32Array(n),
    parents: none,
    want: Int32Array.from({ length: n }, (_, i) => i),
    kind: "decode",
    ...more,
  });
};

/** Rows 3, 4, 5 are drafts in a chain behind row 2, a lane's next row. */
function drafted(): ArbiterRequest {
  const made = request();
  made.add(rows({ tokens: Int32Array.of(7), parents: Int32Array.of(1) }), shape);
  const chance = Float32Array.of(0.5, 0.25, 0.125);
  const parents = Int32Array.of(2, 3, 4);
  made.add(
    rows({ first: 3, tokens: Int32Array.of(8, 9, 10), parents, kind: "draft", chance }),
    shape,
  );
  return made;
}

Deno.test("PendingRow.chance is 0 from the answer of a draft's parent until the Generation says what came of it", () => {
  const made = drafted();
  assert.deepEqual(made.drafts.map((d) => d.chance), [0.5, 0.25, 0.125]);
  run(made, 2);
  assert.deepEqual(made.drafts.map((d) => d.chance), [0, 0.25, 0.125]);
  made.add(rows({ first: 6, certain: Int32Array.of(3) }), shape);
  assert.deepEqual(made.decodes.map((d) => [d.number, d.kind, d.chance]).at(-1), [3, "decode", 1]);
  assert.deepEqual(made.drafts.map((d) => [d.number, d.chance]), [[4, 0.5], [5, 0.25]]);
});

Deno.test("ArbiterRequest.add() makes a draft that came true its lane's row, and the lane is owed no more", () => {
  for (const sent of [false, true]) {
    const made = drafted();
    const [draft] = made.drafts;
    if (sent) made.drafts = made.drafts.slice(1);
    made.owed = [1, 2];
    made.add(rows({ first: 6, certain: Int32Array.of(3) }), shape);
    assert.equal(draft.kind, "decode");
    assert.deepEqual(made.owed, [2], "the oldest answer is dealt with");
    assert.deepEqual([...made.returned], [[1, 1]]);
    assert.equal(made.decodes.includes(draft), !sent);
    made.add(rows({ first: 6, certain: Int32Array.of(3, 99) }), shape);
    assert.deepEqual(made.owed, [2], "told twice, or of a row that is none, it is nothing");
  }
});

Deno.test("ArbiterRequest.add() owes no lane any more that did not come back with the others of its answer", () => {
  const made = drafted();
  made.owed = [1, 1, 1, 2];
  const row = { kind: "decode", positions: Int32Array.of(9), parents: Int32Array.of(2) } as const;
  made.add(rows({ first: 6, tokens: Int32Array.of(1), more: true, ...row }), shape);
  assert.deepEqual(made.owed, [1, 1, 1, 2], "the turn goes on");
  made.add(rows({ first: 7, tokens: Int32Array.of(2), ...row }), shape);
  assert.deepEqual([made.owed, [...made.returned]], [[2], [[1, 2]]]);
});

Deno.test("ArbiterRequest.add() ignores that a draft came true when it was dropped", () => {
  const made = drafted();
  made.drop(Int32Array.of(3));
  made.owed = [1];
  made.add(rows({ first: 6, certain: Int32Array.of(3) }), shape);
  assert.deepEqual([made.drafts, made.owed, made.decodes.map((d) => d.number)], [[], [1], [2]]);
});
