import assert from "node:assert/strict";
import type { StageEngine } from "../../actors/mod.ts";
import { DriftWatch, type ObservedFrame } from "./drift.ts";
import { watchEngine } from "./watch_engine.ts";

/** 1 ms a row. */
const predict = ({ rows }: { rows: number }) => rows / 1000;

/** The last verdict after frames that take so many times what is predicted. */
function after(watch: DriftWatch, factors: number[]) {
  let verdict;
  for (const [i, factor] of factors.entries()) {
    const rows = 1 + i % 8;
    verdict = watch.observe({ rows, past: i, wanted: 1, seconds: factor * rows / 1000 });
  }
  return verdict!;
}
const times = (factor: number, n: number) => Array<number>(n).fill(factor);

Deno.test("DriftWatch says nothing before 50 frames", () => {
  assert.deepEqual(after(new DriftWatch({ predict }), times(3, 49)), {
    state: "measuring",
    frames: 49,
  });
});

Deno.test("DriftWatch is steady within 20 % either way, and not beyond", () => {
  for (const factor of [0.85, 1, 1.19]) {
    assert.equal(after(new DriftWatch({ predict }), times(factor, 50)).state, "steady");
  }
  for (const factor of [0.8, 1.25, 4]) {
    const verdict = after(new DriftWatch({ predict }), times(factor, 50));
    assert.ok(
      verdict.state === "drifted" && Math.abs(verdict.ratio - factor) < 1e-9,
      JSON.stringify(verdict),
    );
  }
});

Deno.test("DriftWatch goes by the median: a few slow frames are no drift", () => {
  assert.equal(
    after(new DriftWatch({ predict }), [...times(20, 20), ...times(1, 30)]).state,
    "steady",
  );
});

Deno.test("DriftWatch forgets the frames of a verdict", () => {
  const watch = new DriftWatch({ predict });
  assert.equal(after(watch, times(2, 50)).state, "drifted");
  assert.equal(after(watch, times(1, 50)).state, "steady");
});

Deno.test("DriftWatch leaves out frames for which nothing is predicted", () => {
  const watch = new DriftWatch({ predict: () => 0 });
  assert.deepEqual(after(watch, times(1, 60)), { state: "measuring", frames: 0 });
});

Deno.test("watchEngine() tells of each frame that ran, and passes everything on", async () => {
  const calls: string[] = [];
  const engine = {
    info: { firstLayer: 0 },
    layout: (arena: string) => Promise.resolve(void calls.push(`layout ${arena}`)),
    run: (frame: { tokens: Int32Array }) =>
      frame.tokens[0] < 0
        ? Promise.reject(new Error("refused"))
        : Promise.resolve({ kind: "tokens", tokens: [], computeMs: 12 }),
    close: (arena: string) => Promise.resolve(void calls.push(`close ${arena}`)),
    stats: () => Promise.resolve({ arenas: 1 }),
    dispose: () => Promise.resolve(void calls.push("dispose")),
  } as unknown as StageEngine;
  const seen: ObservedFrame[] = [];
  const watched = watchEngine(engine, (frame) => seen.push(frame));
  const frame = (tokens: number[]) =>
    ({ base: 7, tokens: Int32Array.from(tokens), want: Int32Array.of(1) }) as unknown as Parameters<
      StageEngine["run"]
    >[0];
  await watched.layout("a", { capacity: 8, keep: new Int32Array(0) });
  assert.equal((await watched.run(frame([1, 2]))).kind, "tokens");
  await assert.rejects(watched.run(frame([-1])), /refused/);
  await watched.close("a");
  assert.deepEqual(await watched.stats(), { arenas: 1 });
  await watched.dispose();
  assert.deepEqual(seen, [{ rows: 2, past: 7, wanted: 1, seconds: 0.012 }]);
  assert.deepEqual(calls, ["layout a", "close a", "dispose"]);
  assert.equal(watched.info, engine.info);
});
