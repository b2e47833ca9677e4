/**
 * The exact search where it matters which layers a stage has (pins, or layers of unequal size):
 * finds the cheapest placement under caps.
 *
 * A label is (set of devices, last device, layers done), and is extended stage by stage. It makes
 * more labels than set_search.ts. With a `beam` only the most promising labels of each length are
 * extended, and nothing is proven.
 *
 * @module
 */
import { FIRST, fits, type Instance, LAST, ONLY } from "./instance.ts";
import { LabelSearch, type SearchLimits, type SearchResult } from "./label_search.ts";
import type { TypesView } from "./types_view.ts";

/** Runs the search. Needs `view.sets * types * (layers + 1) < 2 ** 52`, so that keys are exact. */
export function searchLines(
  instance: Instance,
  view: TypesView,
  limits: SearchLimits,
): SearchResult {
  const { types, caps, layers } = view;
  const search = new LabelSearch(view, limits);
  const { table, members } = search;
  /**
   * Offers a label for each stage that a device of type `t` can have from layer `done` on. `cost`:
   * of the path up to the stage, without its layers.
   */
  const place = (parent: number, set: number, t: number, done: number, cost: number): void => {
    const d = instance.members[t][0];
    if (instance.pinFirst[d] < done) return;
    members[t]++;
    const most = Math.min(
      layers - done,
      Math.max(caps[(done === 0 ? FIRST : 0) * types + t], caps[ONLY * types + t]),
    );
    for (let n = 1; n <= most; n++) {
      const pin = instance.problem.pin[done + n - 1];
      if (pin >= 0 && pin !== d) break;
      if (!fits(instance, d, done, n)) {
        // A further layer only makes the stage larger.
        break;
      }
      const end = done + n === layers;
      const role = (done === 0 ? FIRST : 0) | (end ? LAST : 0);
      if (n > caps[role * types + t] || instance.pinLast[d] >= done + n) continue;
      const sum = cost + n * view.layer[t] + (end ? view.end[t] : 0);
      if (sum >= search.best) continue;
      const on = end ? sum : sum + view.out[t] + goOn(view, members, layers - done - n);
      if (on >= search.best) continue;
      const made = table.offer(set, t * (layers + 1) + done + n, sum);
      if (made < 0) continue;
      table.parent[made] = parent;
      table.type[made] = t;
      table.taken[made] = n;
      table.bound[made] = end ? Infinity : on;
      if (end && view.needed.every((t) => members[t] > 0)) search.found(made, sum);
    }
    members[t]--;
  };
  for (let t = 0; t < types; t++) place(-1, view.factor[t], t, 0, view.begin[t] + view.fixed[t]);
  return search.run((label) => {
    const set = table.set[label];
    const last = Math.floor(table.rest[label] / (layers + 1));
    const done = table.rest[label] % (layers + 1);
    for (let t = 0; t < types; t++) {
      const hop = view.hop[last * types + t];
      if (members[t] === view.count[t] || hop === Infinity) continue;
      place(label, set + view.factor[t], t, done, table.cost[label] + hop + view.fixed[t]);
    }
  });
}

/** A lower bound of the cost of `rest` layers, at least one, on devices that are not used yet. */
function goOn(view: TypesView, members: Int32Array, rest: number): number {
  const { caps, orderType, orderNew, orderPrice, count } = view;
  let cost = view.leastEnd;
  for (let i = 0; i < orderType.length; i++) {
    if (!orderNew[i]) continue;
    const t = orderType[i];
    const room = (count[t] - members[t]) * caps[t];
    const more = room < rest ? room : rest;
    cost += more * orderPrice[i];
    rest -= more;
    if (rest === 0) return cost;
  }
  return Infinity;
}
