/**
 * The solver against a mixed-integer program of its own making, solved by HiGHS: another
 * formulation, another method.
 *
 * @module
 */
import assert from "node:assert/strict";
import highsModule from "highs";
import { hasCode, seededRandom } from "../../actors/mod.ts";
import { place } from "./place.ts";
import {
  type Placement,
  type PlacementProblem,
  stageBytes,
  stageCost,
  violation,
} from "./problem.ts";
import { roughProblem, weights } from "../../tests/support/placement_samples.ts";

/**
 * What is used of HiGHS. The package's types describe its CommonJS face, not what an import gets.
 */
interface Highs {
  solve(
    program: string,
    options: Record<string, number>,
  ): { Status: string; ObjectiveValue: number };
}
const loadHighs = highsModule as unknown as () => Promise<Highs>;

/**
 * A path through a graph in CPLEX LP format. `s_d_i_n`: device d computes n layers from layer i.
 * `h_a_b_i`: a hands over to b before layer i. Flow is conserved at (device, boundary); a device
 * has one stage at most; M is at least every part that is chosen. Stages that alone cost more than
 * `most` are left out: HiGHS is to find whatever is better than that, or the same.
 */
function program(problem: PlacementProblem, most: number): string {
  const { layers, devices, sum: s, max: m } = problem;
  const cost: string[] = [];
  const binaries: string[] = [];
  const into = new Map<string, string[]>(), outOf = new Map<string, string[]>();
  const slowest: string[] = [];
  const begin: string[] = [];
  const add = (map: Map<string, string[]>, key: string, name: string) =>
    map.set(key, [...(map.get(key) ?? []), name]);
  const price = (value: number, name: string) => {
    if (problem.sumWeight > 0) cost.push(`${problem.sumWeight * value} ${name}`);
  };
  for (let d = 0; d < devices; d++) {
    const mine: string[] = [], mineMax: string[] = [];
    for (let i = 0; i < layers; i++) {
      for (let n = 1; i + n <= layers; n++) {
        const first = i === 0, last = i + n === layers;
        if (!problem.usable[d] || ((first || last) && !problem.ends[d])) continue;
        if (stageBytes(problem, i, i + n - 1) + problem.overheadBytes[d] > problem.memoryBytes[d]) {
          continue;
        }
        if (problem.pin.slice(i, i + n).some((pin) => pin >= 0 && pin !== d)) continue;
        const name = `s_${d}_${i}_${n}`;
        const whole = stageCost(s, d, n, first, last) + (first ? s.entry[d] : 0) +
          (last ? s.exit[d] : 0);
        const part = Math.max(
          stageCost(m, d, n, first, last),
          first ? m.entry[d] : 0,
          last ? m.exit[d] : 0,
        );
        if (problem.sumWeight * whole + problem.maxWeight * part > most) continue;
        binaries.push(name);
        mine.push(name);
        price(whole, name);
        mineMax.push(`${part} ${name}`);
        if (first) begin.push(name);
        else add(outOf, `${d}_${i}`, name);
        if (!last) add(into, `${d}_${i + n}`, name);
      }
    }
    if (mine.length === 0) continue;
    slowest.push(`${mine.join(" + ")} <= 1`, `M - ${mineMax.join(" - ")} >= 0`);
  }
  for (let a = 0; a < devices; a++) {
    for (let b = 0; b < devices; b++) {
      if (a === b || problem.sumWeight * s.hop[a][b] + problem.maxWeight * m.hop[a][b] > most) {
        continue;
      }
      if (s.hop[a][b] === Infinity) continue;
      const mine: string[] = [];
      for (let i = 1; i < layers; i++) {
        // `into` (a, i): what ends there; a hop takes it on to a stage that starts at (b, i).
        if (!into.has(`${a}_${i}`) || !outOf.has(`${b}_${i}`)) continue;
        const name = `h_${a}_${b}_${i}`;
        binaries.push(name);
        mine.push(name);
        price(s.hop[a][b], name);
        add(into, `leave_${a}_${i}`, name);
        add(outOf, `enter_${b}_${i}`, name);
      }
      if (mine.length > 0) {
        slowest.push(`M - ${mine.map((name) => `${m.hop[a][b]} ${name}`).join(" - ")} >= 0`);
      }
    }
  }
  const rows = [...slowest, `${begin.join(" + ") || "0 M"} = 1`];
  for (let d = 0; d < devices; d++) {
    for (let i = 1; i < layers; i++) {
      for (
        const [a, b] of [[into.get(`${d}_${i}`), into.get(`leave_${d}_${i}`)], [
          outOf.get(`${d}_${i}`),
          outOf.get(`enter_${d}_${i}`),
        ]]
      ) {
        if (a) rows.push(`${a.join(" + ")}${b ? " - " + b.join(" - ") : ""} = 0`);
      }
    }
  }
  if (problem.maxWeight > 0) cost.push(`${problem.maxWeight} M`);
  // Lines of the format have a length limit: every term gets a line of its own.
  const wrap = (text: string) => text.replaceAll(/ (?=[+-] )/g, "\n ");
  return `Minimize\n obj: ${cost.join("\n + ")}\nSubject To\n${
    rows.map((row, i) => ` c${i}: ${wrap(row)}`).join("\n")
  }\nBounds\n M >= 0\nBinaries\n ${binaries.join("\n ")}\nEnd\n`;
}

function attempt(problem: PlacementProblem): Placement | undefined {
  try {
    return place(problem);
  } catch (error) {
    if (hasCode(error, "infeasible")) return undefined;
    throw error;
  }
}

Deno.test("place() equals a mixed-integer program solved by HiGHS on 50 instances of middle size", async () => {
  const highs = await loadHighs();
  let solved = 0, stages = 0;
  for (let seed = 0; solved < 50; seed++) {
    const random = seededRandom(seed + 5);
    // The slowest part beside a sum is hard for branch and bound: those instances are smaller.
    const blended = seed % 3 === 2;
    const size = blended
      ? { devices: 4, layers: 7 + Math.floor(random() * 2) }
      : { devices: 5 + Math.floor(random() * 2), layers: 9 + Math.floor(random() * 4) };
    const rough = roughProblem(10_000 + seed, size);
    const problem = seed % 3 === 2
      ? rough
      : { ...rough, ...weights(seed % 3 === 0 ? "latency" : "throughput") };
    const placement = attempt(problem);
    const most = placement ? placement.value * (1 + 1e-6) : Infinity;
    const { Status: status, ObjectiveValue: value } = highs.solve(program(problem, most), {
      mip_rel_gap: 1e-6,
      threads: 1,
    });
    assert.equal(status, placement ? "Optimal" : "Infeasible", `seed ${seed}`);
    if (!placement) continue;
    assert.ok(placement.exact, `seed ${seed}`);
    assert.equal(violation(problem, placement.stages), undefined, `seed ${seed}`);
    // HiGHS works to 1e-6 of each row.
    assert.ok(
      Math.abs(placement.value - value) <= 1e-5 * value,
      `seed ${seed}: ${placement.value}, HiGHS ${value}`,
    );
    solved++;
    stages += placement.stages.length;
  }
  // Not all of them are one device that holds everything.
  assert.ok(stages > 100, `${stages} stages`);
});
