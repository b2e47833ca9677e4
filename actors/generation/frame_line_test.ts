import assert from "node:assert/strict";
import { FrameLine } from "./frame_line.ts";

const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 0.05 * b, `${a}, not ${b}`);

Deno.test("FrameLine.cost() finds the line that frames of several sizes lie on", () => {
  const line = new FrameLine();
  for (let i = 0; i < 100; i++) line.frame(1 + i % 5, 20 + 3 * (1 + i % 5), () => 0.1);
  const { base, row } = line.cost();
  close(base, 20);
  close(row, 3);
});

Deno.test("FrameLine.cost() guesses a row's cost where frames of one size were seen, or none", () => {
  const { base, row } = new FrameLine().cost();
  close(base + row, 1);
  const one = new FrameLine();
  for (let i = 0; i < 20; i++) one.frame(4, 40, () => 0.1);
  const cost = one.cost();
  close(cost.base + 4 * cost.row, 40);
  assert.ok(cost.row > 1 && cost.row < 6, `${cost.row} ms a row`);
});

Deno.test("new FrameLine() goes on from a snapshot", () => {
  const first = new FrameLine();
  for (let i = 0; i < 50; i++) first.frame(1 + i % 3, 10 + 2 * (1 + i % 3), () => 0.1);
  assert.deepEqual(new FrameLine(first.snapshot()).cost(), first.cost());
});
