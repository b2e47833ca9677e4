import assert from "node:assert/strict";
import { LabelSearch } from "./label_search.ts";
import type { TypesView } from "./types_view.ts";

/** Two types with three devices each, and room for four stages. */
const VIEW = {
  types: 2,
  layers: 4,
  count: Int32Array.of(3, 3),
  factor: Float64Array.of(1, 4),
} as TypesView;
const LIMITS = { sum: Infinity, states: 1000, any: false };

/** Offers a label and sets what a search must set. */
function offer(search: LabelSearch, type: number, { parent = -1, cost = 0, bound = 0 } = {}) {
  const { table } = search;
  const set = (parent < 0 ? 0 : table.set[parent]) + VIEW.factor[type];
  const label = table.offer(set, type, cost);
  if (label < 0) return label;
  table.parent[label] = parent;
  table.type[label] = type;
  table.taken[label] = type + 1;
  table.bound[label] = bound;
  return label;
}

Deno.test("LabelSearch.run() extends labels length by length, with their members", () => {
  const search = new LabelSearch(VIEW, LIMITS);
  offer(search, 0);
  offer(search, 1);
  const seen: [length: number, members: number[]][] = [];
  const result = search.run((label, length) => {
    seen.push([length, [...search.members]]);
    if (length === 1) {
      for (const type of [0, 1]) offer(search, type, { parent: label, cost: 1 });
    }
  });
  assert.deepEqual(seen.slice(0, 2), [[1, [1, 0]], [1, [0, 1]]]);
  assert.deepEqual(
    seen.slice(2).map(([length, members]) => [length, members.join()]).sort(),
    [[2, "0,2"], [2, "1,1"], [2, "1,1"], [2, "2,0"]],
    "both orders of one set are labels, since their last devices differ",
  );
  assert.deepEqual(result, { sum: Infinity, types: [], counts: [], complete: true, states: 6 });
});

Deno.test("LabelSearch.run() returns the best placement found, in pipeline order", () => {
  const search = new LabelSearch(VIEW, LIMITS);
  offer(search, 0);
  const { sum, types, counts } = search.run((label, length) => {
    if (length > 1) return;
    search.found(offer(search, 1, { parent: label, cost: 5 }), 7);
    search.found(offer(search, 0, { parent: label, cost: 6 }), 8);
  });
  assert.deepEqual([sum, types, counts], [7, [0, 1], [1, 2]]);
});

Deno.test("LabelSearch.run() drops labels whose bound is not below the best sum", () => {
  const search = new LabelSearch(VIEW, LIMITS);
  const good = offer(search, 0, { bound: 6 });
  offer(search, 1, { bound: 9 });
  search.found(good, 9);
  const extended: number[] = [];
  const { complete } = search.run((label) => extended.push(label));
  assert.deepEqual([extended, complete], [[good], true]);
});

Deno.test("LabelSearch.run() is not complete, when a beam or the number of labels stops it", () => {
  for (const limits of [{ ...LIMITS, beam: 1 }, { ...LIMITS, states: 1 }]) {
    const search = new LabelSearch(VIEW, limits);
    offer(search, 0, { bound: 1 });
    offer(search, 1, { bound: 2 });
    assert.equal(search.run(() => {}).complete, false);
  }
});

Deno.test("LabelSearch.run() ends at the first placement, when any is enough", () => {
  const search = new LabelSearch(VIEW, { ...LIMITS, any: true });
  offer(search, 0);
  offer(search, 1);
  let extended = 0;
  const { sum } = search.run((label) => {
    extended++;
    search.found(label, 5);
  });
  assert.deepEqual([extended, sum], [1, 5]);
});
