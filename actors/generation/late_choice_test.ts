import assert from "node:assert/strict";
import { LateChoice } from "./late_choice.ts";

const [LETTER, QUOTE, OTHER] = [1, 2, 3];
const answer = (token: number, forced: number) => [
  { rows: [{ token }], steps: [{}], forced: Array.from({ length: forced }) },
];

Deno.test("LateChoice.pays() is false until times are known", () => {
  const choice = new LateChoice();
  assert.equal(choice.pays(LETTER), false);
  choice.answered(answer(LETTER, 0), 1);
  assert.equal(choice.pays(LETTER), false);
  choice.frame(0.1);
  assert.equal(choice.pays(LETTER), true);
});

Deno.test("LateChoice.pays() weighs a frame more for forced tokens against the wait for the walk", () => {
  const choice = new LateChoice();
  choice.frame(4);
  for (let i = 0; i < 30; i++) {
    choice.answered(answer(LETTER, 0), 0.5);
    choice.answered(answer(QUOTE, 2), 0.5);
  }
  assert.equal(choice.pays(LETTER), true);
  assert.equal(choice.pays(QUOTE), false);
  // Of two tokens, one forced others: a third one may, too.
  assert.equal(choice.pays(OTHER), false);
  for (let token = 10; token < 40; token++) choice.answered(answer(token, 0), 0.5);
  assert.equal(choice.pays(OTHER), true);
  for (let i = 0; i < 50; i++) choice.frame(400);
  assert.equal(choice.pays(OTHER), false, "where frames are long, the wait is nothing");
});

Deno.test("LateChoice.answered() counts the last row that has a step", () => {
  const choice = new LateChoice();
  choice.frame(4);
  const rows = [{ token: QUOTE }, { token: LETTER }];
  for (let i = 0; i < 30; i++) choice.answered([{ rows, steps: [{}], forced: [{}] }], 0.5);
  for (let token = 10; token < 40; token++) choice.answered(answer(token, 0), 0.5);
  assert.deepEqual([choice.pays(QUOTE), choice.pays(LETTER)], [false, true]);
});
