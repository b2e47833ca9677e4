import assert from "node:assert/strict";
import { factorOf } from "./factor.ts";

/** A Gram matrix f32 (n, n) of so many pseudo-random rows whose neighbours are alike. */
function gramOf(n: number, rows: number): Float32Array {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;
  const gram = new Float32Array(n * n);
  for (let row = 0; row < rows; row++) {
    const x = Array.from({ length: n }, random);
    for (let i = 1; i < n; i++) x[i] = 0.8 * x[i - 1] + 0.6 * x[i];
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) gram[i * n + j] += x[i] * x[j];
  }
  return gram;
}

/** Solves A x = b by elimination; `a` are rows. */
function solve(a: number[][], b: number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]]);
  for (let i = 0; i < rows.length; i++) {
    for (let k = i + 1; k < rows.length; k++) {
      const factor = rows[k][i] / rows[i][i];
      rows[k] = rows[k].map((value, j) => value - factor * rows[i][j]);
    }
  }
  const x = new Array(rows.length).fill(0);
  for (let i = rows.length - 1; i >= 0; i--) {
    const known = x.reduce((sum, value, j) => sum + (j > i ? rows[i][j] * value : 0), 0);
    x[i] = (rows[i][rows.length] - known) / rows[i][i];
  }
  return x;
}

Deno.test("factorOf() says how later weights make up best for an error", () => {
  const n = 9;
  const gram = gramOf(n, 40);
  const { couplings, first, size } = factorOf(gram, { first: 3, size: n, rows: 40 });
  assert.deepEqual([first, size], [3, n]);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i];
  const h = (i: number, j: number) =>
    gram[i * n + j] + (i === j ? (Math.sqrt(n / 40) + n / 80) * trace / n : 0);
  for (let i = 0; i < n - 1; i++) {
    // The least of (e + d) H (e + d) over d of the later weights: H_dd d = -H_de e.
    const later = Array.from({ length: n - i - 1 }, (_, k) => i + 1 + k);
    const best = solve(later.map((j) => later.map((k) => h(j, k))), later.map((j) => h(j, i)));
    for (const [k, j] of later.entries()) {
      assert.ok(Math.abs(couplings[j * n + i] - -best[k]) < 1e-6, `${i} to ${j}`);
    }
  }
});

Deno.test("factorOf() takes inputs that are always 0 and fewer rows than inputs", () => {
  const gram = gramOf(6, 2);
  for (let i = 0; i < 6; i++) gram[i * 6 + 4] = gram[4 * 6 + i] = 0;
  const { couplings } = factorOf(gram, { first: 0, size: 6, rows: 2 });
  assert.ok(couplings.every(Number.isFinite));
  assert.equal(couplings[5 * 6 + 4], 0);
  const none = factorOf(new Float32Array(9), { first: 0, size: 3, rows: 0 });
  assert.ok(none.couplings.every((value) => Math.abs(value) === 0));
});
