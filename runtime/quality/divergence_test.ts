import assert from "node:assert/strict";
import { DivergenceMeter } from "./divergence.ts";

/** Logits (rows, vocab) by a formula. */
const logits = (rows: number, vocab: number, phase: number) =>
  Float32Array.from({ length: rows * vocab }, (_, i) => 40 * Math.sin(i * i * 0.37 + phase));

/** The tokens `first` to `end` of logits (rows, vocab). */
function part(all: Float32Array, vocab: number, first: number, end: number): Float32Array {
  const rows = all.length / vocab;
  return Float32Array.from({ length: rows * (end - first) }, (_, i) => {
    const tokens = end - first;
    return all[Math.floor(i / tokens) * vocab + first + i % tokens];
  });
}

function logSoftmax(row: Float32Array): number[] {
  const most = Math.max(...row);
  const sum = row.reduce((total, x) => total + Math.exp(x - most), 0);
  return [...row].map((x) => x - most - Math.log(sum));
}

Deno.test("DivergenceMeter gives the same figures for any parts of the vocabulary", () => {
  const [rows, vocab] = [150, 23];
  const [p, q] = [logits(rows, vocab, 0), logits(rows, vocab, 0.02)];
  const next = Int32Array.from({ length: rows }, (_, i) => i % vocab);
  const each = Array.from({ length: rows }, (_, row) => {
    const [a, b] = [p, q].map((all) => logSoftmax(all.subarray(row * vocab, (row + 1) * vocab)));
    return {
      kl: a.reduce((sum, x, t) => sum + Math.exp(x) * (x - b[t]), 0),
      same: a.indexOf(Math.max(...a)) === b.indexOf(Math.max(...b)),
      surprise: -b[next[row]],
    };
  });
  const sorted = each.map(({ kl }) => kl).sort((a, b) => a - b);
  const expected = {
    kl: sorted.reduce((a, b) => a + b) / rows,
    kl_p99: sorted[148],
    same_top: each.filter(({ same }) => same).length / rows,
    perplexity: Math.exp(each.reduce((sum, { surprise }) => sum + surprise, 0) / rows),
  };
  for (const bounds of [[0, 23], [0, 1, 2, 23], [0, 11, 23], [0, 22, 23]]) {
    const meter = new DivergenceMeter(next);
    for (const [i, end] of bounds.slice(1).entries()) {
      const first = bounds[i];
      const tokens = end - first;
      const [a, b] = [p, q].map((all) => part(all, vocab, first, end));
      const half = 75 * tokens;
      meter.add(a.subarray(0, half), b.subarray(0, half), { row: 0, first, tokens });
      meter.add(a.subarray(half), b.subarray(half), { row: 75, first, tokens });
    }
    for (const [name, value] of Object.entries(meter.result())) {
      const aim = expected[name as keyof typeof expected];
      assert.ok(
        Math.abs(value - aim) <= 1e-6 * Math.abs(aim),
        `${bounds}: ${name} ${value}, ${aim}`,
      );
    }
  }
});

Deno.test("DivergenceMeter gives no divergence of a model from itself", () => {
  const p = logits(3, 8, 1);
  const meter = new DivergenceMeter(Int32Array.of(0, 1, 2));
  meter.add(p, p, { row: 0, first: 0, tokens: 8 });
  const { kl, kl_p99, same_top } = meter.result();
  assert.deepEqual([same_top, kl < 1e-12, kl_p99 < 1e-12], [1, true, true]);
});
