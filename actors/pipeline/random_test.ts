import assert from "node:assert/strict";
import { gumbel, gumbelBest, randomKey, uniform } from "./random.ts";

Deno.test("uniform() is even, within (0, 1), and independent between neighbouring seeds, positions and tokens", () => {
  const n = 40;
  const numbers = Array.from({ length: n }, (_, seed) =>
    Array.from({ length: n }, (_, p) => {
      const key = randomKey(seed, p);
      return Array.from({ length: n }, (_, token) => uniform(key, token));
    }));
  const all = numbers.flat(2);
  assert.ok(all.every((u) => u > 0 && u < 1));
  const bins = new Array(64).fill(0);
  all.forEach((u) => bins[Math.floor(u * 64)]++);
  const expected = all.length / 64;
  const statistic = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 63 degrees of freedom: 99.9 % lie below 103.4.
  assert.ok(statistic < 103.4, `chi-square ${statistic}`);
  const neighbours: Record<string, [number, number][]> = { seed: [], position: [], token: [] };
  for (let s = 1; s < n; s++) {
    for (let p = 1; p < n; p++) {
      for (let t = 1; t < n; t++) {
        const u = numbers[s][p][t];
        neighbours.seed.push([u, numbers[s - 1][p][t]]);
        neighbours.position.push([u, numbers[s][p - 1][t]]);
        neighbours.token.push([u, numbers[s][p][t - 1]]);
      }
    }
  }
  for (const [what, pairs] of Object.entries(neighbours)) {
    const r = pairs.reduce((sum, [a, b]) => sum + (a - 0.5) * (b - 0.5), 0) / pairs.length * 12;
    // Standard error 1 / sqrt(59319) = 0.004.
    assert.ok(Math.abs(r) < 0.016, `correlation between neighbouring ${what}s: ${r}`);
  }
});

Deno.test("uniform() of two positions is no shifted copy of each other", () => {
  const seen = new Map<number, number>();
  for (let p = 0; p < 50; p++) {
    const key = randomKey(7, p);
    for (let token = 0; token < 2000; token++) {
      const u = uniform(key, token);
      seen.set(u, (seen.get(u) ?? 0) + 1);
    }
  }
  assert.equal(seen.size, 100_000);
});

Deno.test("gumbel() has the mean and the variance of its distribution", () => {
  const key = randomKey(3, 5);
  const draws = Array.from({ length: 100_000 }, (_, token) => gumbel(key, token));
  const mean = draws.reduce((a, b) => a + b) / draws.length;
  const variance = draws.reduce((sum, g) => sum + (g - mean) ** 2, 0) / draws.length;
  // Standard errors 0.004 and 0.011.
  assert.ok(Math.abs(mean - 0.57722) < 0.016, `mean ${mean}`);
  assert.ok(Math.abs(variance - Math.PI ** 2 / 6) < 0.05, `variance ${variance}`);
});

Deno.test("gumbelBest() finds the largest sum that gumbel() gives, wherever its search begins", () => {
  for (let position = 0; position < 200; position++) {
    const key = randomKey(9, position);
    const [first, temperature] = [position * 100, 0.5 + position % 7];
    const logits = Float32Array.from(
      { length: 300 },
      (_, i) => i % 11 === 0 ? -Infinity : 8 * Math.sin(i * position + i),
    );
    let expected = -1;
    let most = -Infinity;
    logits.forEach((logit, i) => {
      const score = logit / temperature + gumbel(key, first + i);
      if (score > most) [most, expected] = [score, i];
    });
    for (const start of [-1, 1, expected, 299]) {
      assert.equal(gumbelBest(logits, { key, first, temperature, start }), expected);
    }
  }
});

Deno.test("gumbelBest() gives -1 where every logit is -Infinity", () => {
  const logits = Float32Array.of(-Infinity, -Infinity);
  const options = { key: randomKey(1, 1), first: 0, temperature: 1, start: -1 };
  assert.equal(gumbelBest(logits, options), -1);
});
