import assert from "node:assert/strict";
import { agree, type DraftedToken, DraftStock } from "./draft_stock.ts";

/** Tokens 1 and 2 are certain; 3, 4 and 5 were drafted after them. */
const stocked = () => new DraftStock([1, 2], { tokens: [3, 4, 5], chances: [0.5, 0.25, 0.125] });

Deno.test("DraftStock.at() finds a drafted token by its place, and nothing elsewhere", () => {
  const stock = stocked();
  stock.add({ tokens: [6], chances: [0.75], alternatives: [[[7, 0.1]]] });
  assert.deepEqual(stock.tokens, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(stock.at(3), { token: 4, depth: 2, chance: 0.25, alternatives: [] });
  assert.deepEqual(stock.at(5), { token: 6, depth: 1, chance: 0.75, alternatives: [[7, 0.1]] });
  assert.deepEqual([stock.at(1), stock.at(6)], [undefined, undefined]);
});

Deno.test("DraftStock.judge() tells of each drafted token once, up to the first wrong one", () => {
  const stock = stocked();
  const told: [number, boolean][] = [];
  const tell = ({ token }: DraftedToken, right: boolean) => void told.push([token, right]);
  assert.ok(stock.judge([1, 2, 3], tell));
  assert.ok(stock.judge([1, 2, 3], tell));
  assert.deepEqual(told, [[3, true]]);
  assert.ok(!stock.judge([1, 2, 3, 9, 5], tell));
  assert.deepEqual(told, [[3, true], [4, false]]);
});

Deno.test("DraftStock.reach() multiplies the chances of the tokens that are not certain", () => {
  const stock = stocked();
  const chances: number[] = [];
  const chanceOf = (chance: number) => {
    chances.push(chance);
    return 2 * chance;
  };
  assert.equal(stock.reach(3, chanceOf), 0.5 * 0.25);
  assert.deepEqual(chances, [0.25, 0.125]);
  assert.equal(stock.reach(0, (chance) => chance), 0.5 * 0.25 * 0.125);
  assert.equal(stock.reach(5, chanceOf), 1);
});

Deno.test("agree() compares two sequences as far as both go", () => {
  assert.ok(agree([1, 2], [1, 2, 3]) && agree([], [1]));
  assert.ok(!agree([1, 9], [1, 2, 3]));
});
