import assert from "node:assert/strict";
import { isAllowed } from "../../actors/mod.ts";
import { TextsWalk } from "./texts_walk.ts";

const EOS = 1;
const walk = () =>
  new TextsWalk({
    texts: [Int32Array.of(5, 6, 40), Int32Array.of(5, 6, 7, 8), Int32Array.of(5, 6, 7, 9)],
    eos: [EOS],
    vocab: 64,
  });

const allowed = (mask?: Int32Array) =>
  Array.from({ length: 64 }, (_, token) => token).filter((token) => isAllowed(mask!, token));

Deno.test("TextsWalk.steps() allows what goes on with one of the texts, and forces what all have", async () => {
  const [begin] = await walk().steps([], 1);
  assert.deepEqual(allowed(begin.mask), [5]);
  assert.deepEqual(begin.forced, [5, 6], "up to where the texts differ");
  const [after5, after56] = await walk().steps([5, 6], 2);
  assert.deepEqual(allowed(after5.mask), [6]);
  assert.deepEqual(allowed(after56.mask), [7, 40]);
  assert.deepEqual(after56.forced, []);
  const [end] = await walk().steps([5, 6, 7, 8], 1);
  assert.deepEqual(allowed(end.mask), [EOS]);
  assert.deepEqual(end.forced, [], "the end of the answer is chosen, not drafted");
});

Deno.test("TextsWalk.steps() ends at a token that no text has there, and behind the end", async () => {
  assert.equal((await walk().steps([5, 9, 7], 3)).length, 1);
  assert.equal((await walk().steps([5, 6, 40, EOS], 1)).length, 0);
  await assert.rejects(walk().steps([], 1, AbortSignal.abort(new Error("gone"))), /gone/);
});

Deno.test("TextsWalk.steps() has equal keys for equal masks only", async () => {
  const one = walk();
  const [a, b, c] = await one.steps([5, 6, 7], 3);
  assert.notEqual(a.key, b.key);
  assert.notEqual(b.key, c.key);
  assert.equal((await one.steps([5], 1))[0].key, a.key);
});
