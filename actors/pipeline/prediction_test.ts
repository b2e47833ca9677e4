import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../system/mod.ts";
import { PredictionDrafter } from "./prediction.ts";

const TEXT = Int32Array.from({ length: 60 }, (_, i) => 100 + i);
const after = (tokens: number[], text = TEXT) => {
  const drafter = new PredictionDrafter(text);
  for (const token of tokens) drafter.push(token);
  return drafter;
};

Deno.test("PredictionDrafter.draft() begins with the first token of the text", () => {
  assert.deepEqual(after([]).draft(3).tokens, [100, 101, 102]);
  assert.deepEqual(after([100, 101]).draft(2).tokens, [102, 103]);
});

Deno.test("PredictionDrafter.draft() goes on behind a token that was replaced, left out or added", () => {
  assert.deepEqual(after([100, 7]).draft(2).tokens, [102, 103], "replaced");
  assert.deepEqual(after([100, 103]).draft(2).tokens, [104, 105], "two were left out");
  assert.deepEqual(after([100, 7, 101]).draft(2).tokens, [102, 103], "one was added");
  assert.deepEqual(after([100, 7, 8, 9, 102]).draft(2).tokens, [103, 104], "several");
});

Deno.test("PredictionDrafter.draft() drafts nothing when it is lost, and finds two tokens anywhere", () => {
  const lost = [1, 2, 3, 4, 5, 6, 7];
  assert.deepEqual(after(lost).draft(4).tokens, []);
  assert.deepEqual(after([...lost, 140, 141]).draft(2).tokens, [142, 143]);
  assert.deepEqual(after([...lost, 141]).draft(2).tokens, [], "one token is not enough");
});

Deno.test("PredictionDrafter.draft() ends with the text", () => {
  assert.deepEqual(after([...TEXT.subarray(0, 58)]).draft(5).tokens, [158, 159]);
  assert.deepEqual(after([...TEXT]).draft(5).tokens, []);
  assert.deepEqual(after([1, 2, 3], new Int32Array(0)).draft(5).tokens, []);
});

Deno.test("PredictionDrafter.draft() has chances near the share of tokens that come true", () => {
  const random = seededRandom(3);
  const drafter = new PredictionDrafter(Int32Array.from({ length: 2000 }, (_, i) => i));
  for (let i = 0; i < 1500; i++) drafter.push(random() < 0.8 ? i : 5000 + i);
  for (const chance of drafter.draft(8).chances) {
    assert.ok(chance > 0.6 && chance < 0.95, `${chance} where 0.8 are right`);
  }
});

Deno.test("PredictionDrafter.draft() has as many chances as tokens, between 0 and 1, whatever is pushed", () => {
  const tokens = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 40 });
  fc.assert(
    fc.property(tokens, tokens, fc.nat(9), (text, pushed, length) => {
      const drafter = after(pushed, Int32Array.from(text));
      const draft = drafter.draft(length);
      assert.ok(draft.tokens.length <= length);
      assert.equal(draft.chances.length, draft.tokens.length);
      assert.ok(draft.chances.every((chance) => chance > 0 && chance < 1));
    }),
    { numRuns: 200, seed: 3 },
  );
});
