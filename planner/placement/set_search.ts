/**
 * The exact search where layers are alike: finds the cheapest placement under caps.
 *
 * How many layers a device gets depends on the set of devices and on which are first and last, not
 * on the order between them; the hops depend on the order alone. So a label is (set, first, last)
 * with the cheapest path through it, as in Held and Karp's algorithm for the travelling salesman,
 * and the layers are dealt out once for each label. Sets count members of types, not devices. A
 * label is dropped when its lower bound exceeds the best sum found. The bound adds up the path, the
 * layers as they would be dealt out if fractions of other devices could be used, and the least
 * charges of going on (the Lagrangian charges of relaxation.ts).
 *
 * @module
 */
import { FIRST, LAST, ONLY } from "./instance.ts";
import { LabelSearch, type SearchLimits, type SearchResult } from "./label_search.ts";
import { SetBound } from "./set_bound.ts";
import type { StateTable } from "./state_table.ts";
import type { TypesView } from "./types_view.ts";

/** Runs the search. Needs `view.sets * (types + 1) ** 2 < 2 ** 52`, so that keys are exact. */
export function searchSets(view: TypesView, limits: SearchLimits): SearchResult {
  const { types, caps, layers } = view;
  const search = new LabelSearch(view, limits);
  const { table, members } = search;
  /** Makes a placement of the label: its last device is the pipeline's last one. */
  const close = (label: number, first: number, last: number, length: number): void => {
    if (!view.needed.every((t) => members[t] > 0)) return;
    search.found(
      label,
      table.cost[label] + view.end[last] + deal(view, members, first, last, length),
    );
  };
  const bound = new SetBound(view);
  const better = betterFirsts(view);
  for (let t = 0; t < types; t++) {
    if (caps[FIRST * types + t] === 0 && caps[ONLY * types + t] === 0) continue;
    const label = table.offer(
      view.factor[t],
      firstKey(view, t) * types + t,
      view.begin[t] + view.fixed[t],
    );
    // Types with the same first key have different last devices, so no key occurs twice here.
    table.parent[label] = -1;
    table.type[label] = t;
    members[t] = 1;
    if (caps[ONLY * types + t] === layers) close(label, t, t, 1);
    table.bound[label] = caps[FIRST * types + t] === 0
      ? Infinity
      : table.cost[label] + bound.goOn(members, firstKey(view, t), t);
    members[t] = 0;
  }
  const result = search.run((label, length) => {
    const set = table.set[label];
    const first = Math.floor(table.rest[label] / types);
    const last = table.rest[label] % types;
    const parts = bound.inParts(members, first);
    for (let t = 0; t < types; t++) {
      const hop = view.hop[last * types + t];
      if (members[t] === view.count[t] || hop === Infinity || caps[t] === 0) continue;
      const cost = table.cost[label] + hop + view.fixed[t];
      // Using the device as a whole cannot save more than its charge, counted by fractions.
      const least = cost + parts - view.charge[t];
      const ends = caps[LAST * types + t] > 0 && least + view.end[t] < search.best;
      if (!ends && least + view.leastEnd + view.out[t] >= search.best) continue;
      const rest = first * types + t;
      const known = table.find(set + view.factor[t], rest);
      if (known >= 0 && table.cost[known] <= cost) continue;
      if (isWorse(table, better[first], { set: set + view.factor[t], last: t, types, cost })) {
        continue;
      }
      members[t]++;
      const on = known >= 0
        ? table.bound[known] - table.cost[known] + cost
        : cost + bound.goOn(members, first, t);
      if (on < search.best || ends) {
        const made = table.offer(set + view.factor[t], rest, cost);
        table.parent[made] = label;
        table.type[made] = t;
        table.bound[made] = on;
        if (ends) close(made, first, t, length + 1);
      }
      members[t]--;
    }
  });
  return { ...result, counts: [] };
}

/**
 * Key of a first device. It matters only by the layers that it loses as first device; types that
 * lose none share the key `types`.
 */
function firstKey(view: TypesView, t: number): number {
  return view.caps[FIRST * view.types + t] === view.caps[t] ? view.types : t;
}

/**
 * For each key of a first device, the keys that are at least as good on the same set: their type
 * loses no more layers as first device, and no cheaper ones.
 */
function betterFirsts(view: TypesView): number[][] {
  const { types, caps, layer } = view;
  const lost = (t: number) => t === types ? 0 : caps[t] - caps[FIRST * types + t];
  return Array.from({ length: types + 1 }, (_, f) => {
    const keys: number[] = [];
    for (let g = types; g >= 0 && f < types; g--) {
      if (g === f || lost(g) > lost(f) || (g < types && layer[g] < layer[f])) continue;
      if (g < types && (firstKey(view, g) !== g || caps[FIRST * types + g] === 0)) continue;
      keys.push(g);
    }
    return keys;
  });
}

/**
 * Whether there is a label with the same set and last device that is not dearer and has one of
 * these keys.
 */
function isWorse(
  table: StateTable,
  keys: number[],
  { set, last, types, cost }: { set: number; last: number; types: number; cost: number },
): boolean {
  for (const key of keys) {
    const id = table.find(set, key * types + last);
    if (id >= 0 && table.cost[id] <= cost) return true;
  }
  return false;
}

/**
 * Cost of all layers on exactly these members; Infinity: they do not fit. `first` may be the shared
 * key of {@linkcode firstKey}.
 */
function deal(
  view: TypesView,
  members: Int32Array,
  first: number,
  last: number,
  length: number,
): number {
  const { types, caps, layers, layer, orderType, orderNew } = view;
  if (length === 1) return layers * layer[last];
  let rest = layers - length;
  let cost = 0;
  for (let i = 0; i < orderType.length; i++) {
    const t = orderType[i];
    if (orderNew[i] || members[t] === 0) continue;
    let room = members[t] * (caps[t] - 1);
    if (t === first) room -= caps[t] - caps[FIRST * types + t];
    if (t === last) room -= caps[t] - caps[LAST * types + t];
    const more = Math.min(rest, room);
    rest -= more;
    cost += (members[t] + more) * layer[t];
  }
  return rest > 0 ? Infinity : cost;
}
