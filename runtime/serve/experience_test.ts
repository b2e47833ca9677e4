import assert from "node:assert/strict";
import type { Done } from "../../actors/mod.ts";
import { Experience } from "./experience.ts";

const done = (mode: string, completion_tokens: number, measured = {}) =>
  ({ orrery: { mode }, completion_tokens, measured }) as unknown as Done;

Deno.test("Experience.learn() keeps a running mean of plain answers' tokens, outlines left out", () => {
  const experience = new Experience();
  assert.deepEqual(experience.known, { measured: undefined, answer_tokens: undefined });
  experience.learn(done("outline", 900));
  assert.equal(experience.known.answer_tokens, undefined);
  experience.learn(done("plain", 100));
  assert.equal(experience.known.answer_tokens, 100);
  experience.learn(done("speculative", 200));
  assert.equal(experience.known.answer_tokens, 110);
});

Deno.test("Experience.learn() keeps the newest measurement of every source", () => {
  const experience = new Experience();
  experience.learn(done("plain", 1, { ngram: [1], "2": [3] }));
  experience.learn(done("outline", 1, { ngram: [2] }));
  assert.deepEqual(experience.known.measured, { ngram: [2], "2": [3] });
});
