/**
 * Finds rooms: groups of devices between which hops cost far more than within them.
 *
 * @module
 */

/** Least ratio between the cheapest way into a room and the dearest that holds it together. */
const LEAST_RATIO = 2;

/**
 * The rooms, each with its devices in input order; all devices are one room where hops show no
 * rooms. Single linkage: the edges of the minimum spanning tree are cut where their costs make the
 * largest jump. `hop`: costs of hops. (devices * devices)
 */
export function roomsOf(devices: number, hop: Float64Array): number[][] {
  const all = [Array.from({ length: devices }, (_, d) => d)];
  if (devices < 4) return all;
  const edges = spanningTree(devices, hop).sort((a, b) => a.cost - b.cost);
  let [cut, ratio] = [-1, LEAST_RATIO];
  for (let i = 1; i < edges.length; i++) {
    const jump = edges[i].cost / edges[i - 1].cost;
    if (jump >= ratio) [cut, ratio] = [i, jump];
  }
  // the edges from `cut` on join rooms
  if (cut < devices / 2) return all;
  const parent = all[0].slice();
  const root = (d: number): number => parent[d] === d ? d : parent[d] = root(parent[d]);
  for (const { from, to } of edges.slice(0, cut)) parent[root(from)] = root(to);
  return [...Map.groupBy(all[0], root).values()];
}

/** A minimum spanning tree of the cheaper directions, by Prim's algorithm. */
function spanningTree(devices: number, hop: Float64Array) {
  const near = new Float64Array(devices).fill(Infinity);
  const from = new Int32Array(devices).fill(-1);
  const done = new Uint8Array(devices);
  const edges: { from: number; to: number; cost: number }[] = [];
  for (let step = 0, at = 0; step < devices; step++) {
    done[at] = 1;
    let next = -1;
    for (let d = 0; d < devices; d++) {
      if (done[d]) continue;
      const cost = Math.min(hop[at * devices + d], hop[d * devices + at]);
      if (cost < near[d] || from[d] < 0) [near[d], from[d]] = [cost, at];
      if (next < 0 || near[d] < near[next]) next = d;
    }
    if (next < 0) break;
    edges.push({ from: from[next], to: next, cost: near[next] });
    at = next;
  }
  return edges;
}
