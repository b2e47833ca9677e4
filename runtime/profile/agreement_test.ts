import assert from "node:assert/strict";
import { reset } from "@logtape/logtape";
import type { Manifest } from "../../models/mod.ts";
import { keepWarnings } from "../../tests/support/keep_warnings.ts";
import { AGREE, measureUntilAgreed, MOST_RUNS } from "./agreement.ts";
import type { Profile } from "./profile.ts";

const MODEL = { name: "m", geometry: { layers: 10 } } as unknown as Manifest;
const table = (seconds: number) => ({
  rows: [1, 64],
  past: [0],
  seconds: [[seconds], [40 * seconds]],
});

/** A profile in which a layer takes `ms` for one row. */
const profile = (ms: number, measured_at: string) =>
  ({ measured_at, layer: table(ms / 1000), embed: table(0), head: table(0) }) as unknown as Profile;

/** Measures with these milliseconds a layer in turn; tells which kinds of runs were made. */
async function runs(ms: number[], { everyMs = 1_000 } = {}) {
  let kinds = "";
  let clock = 0;
  const next = (kind: string) => () => {
    const at = ms[kinds.length] ?? ms.at(-1)!;
    kinds += kind;
    clock += everyMs;
    return Promise.resolve(profile(at, `${kind}${kinds.length}`));
  };
  const best = await measureUntilAgreed(MODEL, {
    ...{ full: next("F"), short: next("s"), now: () => clock },
  });
  return [kinds, best.measured_at];
}

Deno.test("measureUntilAgreed() makes one short measurement beside the first where both agree", async () => {
  assert.deepEqual(await runs([2, 2 * (1 + AGREE) - 0.01]), ["Fs", "F1"]);
  assert.deepEqual(await runs([2, 2 / (1 + AGREE) + 0.01]), ["Fs", "F1"]);
});

Deno.test("measureUntilAgreed() measures again what other work made slow, and keeps what was fast", async () => {
  assert.deepEqual(await runs([5, 2, 2, 2]), ["FsFs", "F3"], "the first one was disturbed");
  assert.deepEqual(await runs([2, 5, 2]), ["Fss", "F1"], "the second one was disturbed");
  assert.deepEqual(await runs([5, 2, 8, 5]), ["FsFs", "F1"], "a worse one does not count");
});

Deno.test("measureUntilAgreed() takes times of a tiny model for equal", async () => {
  assert.deepEqual(await runs([0.001, 0.000_1]), ["Fs", "F1"]);
});

Deno.test("measureUntilAgreed() gives up after some runs, or a time, and warns", async () => {
  const lines: string[] = [];
  await keepWarnings(lines);
  try {
    const [kinds, best] = await runs([2, 5, 8, 5, 8, 5, 8]);
    assert.deepEqual([kinds.length, best], [MOST_RUNS - 1, "F1"]);
    assert.deepEqual(await runs([2, 5], { everyMs: 60_000 }), ["Fs", "F1"]);
    assert.equal(lines.length, 2);
    assert.match(lines[0], /^5 measurements of m do not agree, .* 300 % apart/);
    assert.match(lines[1], /^2 measurements of m do not agree, .* 150 % apart/);
  } finally {
    await reset();
  }
});
