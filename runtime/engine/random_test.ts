import assert from "node:assert/strict";
import { uniform } from "./random.ts";

Deno.test("uniform() is even, within [0, 1), and independent between neighbouring seeds and positions", () => {
  const n = 200;
  const grid = Array.from(
    { length: n },
    (_, seed) => Array.from({ length: n }, (_, p) => uniform(seed, p)),
  );
  const all = grid.flat();
  assert.ok(all.every((u) => u >= 0 && u < 1));
  const bins = new Array(64).fill(0);
  all.forEach((u) => bins[Math.floor(u * 64)]++);
  const expected = all.length / 64;
  const statistic = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 63 degrees of freedom: 99.9 % lie below 103.4.
  assert.ok(statistic < 103.4, `chi-square ${statistic}`);
  const correlation = (pairs: [number, number][]) =>
    pairs.reduce((sum, [a, b]) => sum + (a - 0.5) * (b - 0.5), 0) / pairs.length * 12;
  // Standard error 1 / sqrt(39800) = 0.005.
  const bySeed = grid.slice(1).flatMap((row, s) =>
    row.map((u, p): [number, number] => [u, grid[s][p]])
  );
  const byPosition = grid.flatMap((row) =>
    row.slice(1).map((u, p): [number, number] => [u, row[p]])
  );
  assert.ok(Math.abs(correlation(bySeed)) < 0.02, `between seeds ${correlation(bySeed)}`);
  assert.ok(
    Math.abs(correlation(byPosition)) < 0.02,
    `between positions ${correlation(byPosition)}`,
  );
});
