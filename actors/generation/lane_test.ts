import assert from "node:assert/strict";
import { Lane, type LaneRow } from "./lane.ts";

let number = 0;
const rowOf = (
  token: number,
  position: number,
  children: LaneRow[] = [],
  chosen = true,
): LaneRow => ({
  row: number++,
  token,
  position,
  children,
  draft: { depth: 1, chance: 0.5, reach: 0.5, frame: 9, by: "model", chosen },
});

function lane(options: { limit?: number; eos?: number[]; stop?: string; placed?: boolean } = {}) {
  number = 0;
  let text = "";
  const lane = new Lane({
    name: "l",
    prompt: [10, 11],
    limit: options.limit ?? 10,
    eos: options.eos ?? [],
    codec: {
      push: (t) => {
        text += t;
        return { text: `${t}`, stopped: text.endsWith(options.stop ?? "never") };
      },
      flush: () => "!",
      tokenText: String,
    },
  });
  if (options.placed !== false) lane.place([0, 1], rowOf(11, 1));
  return lane;
}

const say = (row: LaneRow, token: number) => row.result = { row: row.row, token };

Deno.test("Lane.settle() accepts the drafts that come true, and drops the others with all below them", () => {
  const l = lane();
  const c = rowOf(23, 4);
  const b = rowOf(22, 3, [c]);
  const wrong = rowOf(99, 3, [rowOf(1, 4)], false);
  const a = rowOf(21, 2, [b, wrong]);
  l.tip.children.push(a);
  say(l.tip, 21);
  say(a, 22);
  const first = l.settle();
  assert.deepEqual(first.taken.map((t) => t.result.token), [21, 22]);
  assert.equal(first.accepted, 2);
  assert.deepEqual(first.dropped, [wrong]);
  assert.deepEqual([l.tip, l.pending, l.rows], [b, undefined, [0, 1, a.row, b.row]]);
  say(b, 77);
  const second = l.settle();
  assert.deepEqual(second.dropped, [c]);
  assert.deepEqual(second.judged.map(({ right }) => right), [false]);
  assert.equal(l.pending, 77);
  assert.deepEqual(l.tokens, [10, 11, 21, 22, 77]);
});

Deno.test("Lane.settle() waits for the tip's result when a draft's result has come first", () => {
  const l = lane();
  const a = rowOf(21, 2);
  l.tip.children.push(a);
  say(a, 22);
  assert.deepEqual(l.settle().taken, []);
  say(l.tip, 21);
  assert.deepEqual(l.settle().taken.map((t) => t.result.token), [21, 22]);
  assert.equal(l.pending, 22);
});

Deno.test("Lane.settle() ends within a draft at the limit, at an end token and at a stop text", () => {
  const cases = [
    { options: { limit: 2 }, finish: "length", text: "2122!", tokens: [21, 22], generated: 2 },
    { options: { eos: [22] }, finish: "stop", text: "21!", tokens: [21], generated: 2 },
    { options: { stop: "122" }, finish: "stop", text: "2122", tokens: [21, 22], generated: 2 },
  ];
  for (const { options, finish, text, tokens, generated } of cases) {
    const l = lane(options);
    const c = rowOf(23, 4);
    const b = rowOf(22, 3, [c]);
    const a = rowOf(21, 2, [b]);
    l.tip.children.push(a);
    for (const [row, token] of [[l.tip, 21], [a, 22], [b, 23], [c, 24]] as const) say(row, token);
    const { dropped } = l.settle();
    assert.deepEqual([l.finish, l.text, l.answer, l.generated], [finish, text, tokens, generated]);
    assert.deepEqual(dropped, [b]);
    assert.deepEqual(l.settle().taken, []);
  }
});

Deno.test("Lane.room counts the tokens that a draft may still be of use for", () => {
  const l = lane({ limit: 3 });
  assert.equal(l.room, 2);
  say(l.tip, 21);
  l.settle();
  l.decoded(rowOf(21, 2));
  assert.equal(l.room, 1);
  say(l.tip, 22);
  l.settle();
  assert.equal(l.room, 0);
});

Deno.test("Lane.settle() stops at a row that nothing could be chosen for", () => {
  const l = lane();
  l.tip.result = { row: 1, token: 0, failed: { code: "not_a_number", message: "" } };
  assert.deepEqual(l.settle().taken, []);
  assert.equal(l.finish, undefined);
});

Deno.test("Lane.replay() gives what the client was told and the rest, and leaves out what follows the end", () => {
  const goes = lane({ placed: false });
  const parts = goes.replay([21, 22, 23], 2);
  assert.deepEqual([parts.told.text, parts.rest.text], ["2122", "23"]);
  assert.deepEqual([goes.finish, goes.generated, goes.tokens], [undefined, 3, [
    10,
    11,
    21,
    22,
    23,
  ]]);
  goes.place([0, 1, 2, 3, 4], rowOf(23, 4));
  say(goes.tip, 24);
  assert.deepEqual([goes.settle().text, goes.generatedFrom(1)], ["24", [22, 23, 24]]);

  const ends = lane({ eos: [22], placed: false });
  const { told, rest } = ends.replay([21, 22, 23], 1);
  assert.deepEqual([told.text, rest.text, ends.finish], ["21", "!", "stop"]);
  assert.deepEqual([ends.answer, ends.generatedFrom(0), ends.generatedFrom(2)], [
    [21],
    [21, 22],
    [],
  ]);
});
