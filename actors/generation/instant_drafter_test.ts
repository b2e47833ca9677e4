import assert from "node:assert/strict";
import { SuffixStore } from "../pipeline/mod.ts";
import { lookupDrafter } from "./instant_drafter.ts";

Deno.test("lookupDrafter() drafts what followed the same tokens before, each with a chance of its own", () => {
  const prompt = Int32Array.of(1, 2, 3, 4, 5, 1, 2, 3);
  const drafter = lookupDrafter({ prompt });
  assert.deepEqual(drafter.draft(4).tokens, []);
  drafter.push([...prompt]);
  const { tokens, chances } = drafter.draft(2);
  assert.deepEqual(tokens, [4, 5]);
  assert.equal(chances.length, 2);
  assert.ok(chances.every((chance) => chance > 0 && chance <= 1));
});

Deno.test("lookupDrafter() finds the beginning of a prediction at the end of the prompt", () => {
  const prompt = Int32Array.of(1, 2, 3);
  const drafter = lookupDrafter({ prompt, prediction: Int32Array.of(7, 8, 9) });
  drafter.push([...prompt]);
  assert.deepEqual(drafter.draft(3).tokens, [7, 8, 9]);
});

Deno.test("lookupDrafter() goes on in a prediction behind a token that it got wrong", () => {
  const prompt = Int32Array.of(1, 2, 3);
  const drafter = lookupDrafter({ prompt, prediction: Int32Array.of(7, 8, 9, 10, 11) });
  drafter.push([...prompt, 7, 20]);
  assert.deepEqual(drafter.draft(3).tokens, [9, 10, 11]);
});

Deno.test("lookupDrafter() finds the end of the prompt in earlier answers", () => {
  const answers = new SuffixStore();
  answers.add([2, 3, 40, 41, 42]);
  const prompt = Int32Array.of(1, 2, 3);
  const drafter = lookupDrafter({ prompt, answers });
  drafter.push([...prompt]);
  assert.deepEqual(drafter.draft(3).tokens, [40, 41, 42]);
});
