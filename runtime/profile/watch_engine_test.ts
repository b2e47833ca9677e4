import assert from "node:assert/strict";
import type { StageEngine } from "../../actors/mod.ts";
import type { ObservedFrame } from "./drift.ts";
import { watchEngine } from "./watch_engine.ts";

Deno.test("watchEngine() reports each frame that ran, and passes everything on", async () => {
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
