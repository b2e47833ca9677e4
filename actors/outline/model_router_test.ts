import assert from "node:assert/strict";
import { type FirstToken, readRouterAnswer } from "./model_router.ts";

const first = (chances: Record<string, number>): FirstToken[] =>
  Object.entries(chances).map(([text, chance]) => ({ text, logprob: Math.log(chance) }));

Deno.test("readRouterAnswer() sums the ways to write yes and no", () => {
  const suited = readRouterAnswer(first({ No: 0.3, Yes: 0.25, " yes": 0.2, '"yes': 0.05 }))!;
  assert.equal(suited.outline, true);
  assert.match(suited.why, /falls into points \(63 % sure\)$/);
  const unsuited = readRouterAnswer(first({ Yes: 0.2, no: 0.6 }))!;
  assert.equal(unsuited.outline, false);
  assert.match(unsuited.why, /one text \(75 % sure\)$/);
});

Deno.test("readRouterAnswer() says nothing where the model would say neither", () => {
  assert.equal(readRouterAnswer(first({ Nothing: 0.6, Yesterday: 0.2, Yes: 0.1 })), undefined);
  assert.equal(readRouterAnswer([]), undefined);
  assert.equal(readRouterAnswer([{ text: "yes", logprob: NaN }]), undefined);
});
