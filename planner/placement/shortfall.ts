/**
 * Computes the least memory that is missing where no placement exists.
 *
 * @module
 */
import { FIRST, LAST, ONLY } from "./instance.ts";
import { endBytes, type PlacementProblem } from "./problem.ts";

/** Which devices lack how many bytes. */
export interface Shortfall {
  /** The devices that lack memory, in input order. */
  lacking: { device: number; bytes: number }[];
  /** Sum of the missing bytes. */
  totalBytes: number;
}

/**
 * The placement that lacks the fewest bytes in all (of equal ones: fewer devices that lack bytes,
 * then input order), by a knapsack over devices with the ends as roles. It is exact where layers
 * are of one size and none is pinned; otherwise it takes the mean size of a layer and uses all
 * pinned devices. Undefined: no amount of memory would suffice, because no usable device may have
 * an end.
 */
export function shortfall(problem: PlacementProblem): Shortfall | undefined {
  const { layers, devices } = problem;
  const width = layers + 1;
  const perLayer = problem.layerBytes.reduce((a, b) => a + b, 0) / layers;
  const own = new Int32Array(devices);
  problem.pin.forEach((d) => d >= 0 && own[d]++);
  let now = new Float64Array(4 * width).fill(Infinity);
  let lacks = new Int32Array(4 * width);
  now[0] = 0;
  const taken = Array.from({ length: devices }, () => new Int16Array(4 * width));
  const roles = Array.from({ length: devices }, () => new Int8Array(4 * width));
  const missing = (d: number, n: number, role: number): number =>
    Math.max(
      0,
      n * perLayer + endBytes(problem, (role & FIRST) > 0, (role & LAST) > 0) +
        problem.overheadBytes[d] -
        problem.memoryBytes[d],
    );
  for (let d = 0; d < devices; d++) {
    if (!problem.usable[d]) continue;
    const next = own[d] > 0 ? new Float64Array(4 * width).fill(Infinity) : now.slice();
    const nextLacks = lacks.slice();
    for (let state = 0; state < 4; state++) {
      for (const role of [0, FIRST, LAST, ONLY]) {
        if ((state & role) !== 0 || (role !== 0 && !problem.ends[d])) continue;
        const to = state | role;
        // From many layers to few, so that of equal choices the earlier devices hold more and lack
        // more.
        for (let r = layers - 1; r >= 0; r--) {
          const before = now[state * width + r];
          if (before === Infinity) continue;
          for (let n = Math.max(1, own[d]); r + n <= layers; n++) {
            if ((role === ONLY) !== (n === layers)) continue;
            const more = missing(d, n, role);
            const cell = to * width + r + n;
            const count = lacks[state * width + r] + (more > 0 ? 1 : 0);
            if (
              before + more > next[cell] ||
              (before + more === next[cell] && count >= nextLacks[cell])
            ) {
              continue;
            }
            next[cell] = before + more;
            nextLacks[cell] = count;
            taken[d][cell] = n;
            roles[d][cell] = role;
          }
        }
      }
    }
    now = next;
    lacks = nextLacks;
  }
  if (now[3 * width + layers] === Infinity) return undefined;
  const lacking: Shortfall["lacking"] = [];
  for (let d = devices - 1, state = 3, r = layers; d >= 0 && r > 0; d--) {
    const cell = state * width + r;
    const n = taken[d][cell];
    if (n === 0) continue;
    const bytes = Math.ceil(missing(d, n, roles[d][cell]));
    if (bytes > 0) lacking.unshift({ device: d, bytes });
    r -= n;
    state &= ~roles[d][cell];
  }
  return { lacking, totalBytes: lacking.reduce((sum, l) => sum + l.bytes, 0) };
}
