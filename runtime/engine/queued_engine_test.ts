import assert from "node:assert/strict";
import { hasCode } from "../../actors/system/errors.ts";
import type { ArenaLayout, Frame, StageInfo, StageOutput } from "../../actors/pipeline/mod.ts";
import { engineError } from "./errors.ts";
import { type LoadedStage, QueuedEngine } from "./queued_engine.ts";

const info: StageInfo = {
  firstLayer: 1,
  lastLayer: 1,
  layers: 2,
  hidden: 2,
  vocab: 8,
  context: 16,
  kvBytesPerRow: 16,
};
const layout: ArenaLayout = { capacity: 4, keep: new Int32Array(0) };
const none = new Int32Array(0);
const frame = (arena: string): Frame => ({
  arena,
  seq: 1,
  base: 3,
  tokens: Int32Array.of(5),
  positions: Int32Array.of(6),
  parents: Int32Array.of(2),
  want: none,
  want_samplers: none,
});
const output: StageOutput = { kind: "tokens", tokens: [{ slot: 3, token: 1 }], computeMs: 1 };
const code = (expected: string) => (e: unknown) => hasCode(e, expected);

/** A stage that notes its calls, and runs a frame until the test says so. */
class FakeStage implements LoadedStage {
  calls: string[] = [];
  #running?: PromiseWithResolvers<StageOutput>;
  layout(arena: string): void {
    this.calls.push(`layout ${arena}`);
  }
  run({ arena }: Frame): Promise<StageOutput> {
    assert.equal(this.#running, undefined, "one call at a time");
    this.calls.push(`run ${arena}`);
    return (this.#running = Promise.withResolvers<StageOutput>()).promise;
  }
  close(arena: string): void {
    assert.equal(this.#running, undefined, "one call at a time");
    this.calls.push(`close ${arena}`);
  }
  stats() {
    return { arenas: 1, arenaBytes: 1, frames: 1, rows: 1, busyMs: 1 };
  }
  dispose(): void {
    assert.equal(this.#running, undefined, "one call at a time");
    this.calls.push("dispose");
  }
  /** Ends the running call; resolves when whoever waits for it has heard of it. */
  async end(error?: unknown): Promise<void> {
    const { resolve, reject } = this.#running!;
    this.#running = undefined;
    error ? reject(error) : resolve(output);
    await new Promise((done) => setTimeout(done, 0));
  }
}

function made(): { stage: FakeStage; engine: QueuedEngine } {
  const stage = new FakeStage();
  return { stage, engine: new QueuedEngine(stage, info) };
}

Deno.test("QueuedEngine.run() waits its turn: calls are executed one at a time, in the order made", async () => {
  const { stage, engine } = made();
  const first = engine.run(frame("a"));
  const rest = [engine.layout("b", layout), engine.run(frame("b")), engine.stats()];
  assert.deepEqual(stage.calls, ["run a"]);
  await stage.end();
  assert.deepEqual(await first, output);
  assert.deepEqual(stage.calls, ["run a", "layout b", "run b"]);
  await stage.end();
  assert.deepEqual((await Promise.all(rest))[1], output);
});

Deno.test("QueuedEngine.close() drops what is queued for its arena and overtakes the others", async () => {
  const { stage, engine } = made();
  const running = engine.run(frame("a"));
  const dropped = [engine.run(frame("a")), engine.run(frame("a"))].map((run) =>
    assert.rejects(run, code("no_arena"))
  );
  const other = engine.run(frame("b"));
  const closed = engine.close("a");
  const again = engine.layout("a", layout);
  await Promise.all(dropped);
  await stage.end();
  await running;
  await closed;
  await stage.end();
  await other;
  await again;
  assert.deepEqual(stage.calls, ["run a", "close a", "run b", "layout a"]);
});

Deno.test("QueuedEngine.run() rejects and goes on, when its signal fires while it is queued or executed", async () => {
  const { stage, engine } = made();
  const executing = new AbortController();
  const queued = new AbortController();
  const first = assert.rejects(engine.run(frame("a"), executing.signal), /too late/);
  const second = assert.rejects(engine.run(frame("a"), queued.signal), /not needed/);
  const third = engine.run(frame("b"));
  executing.abort(new Error("too late"));
  queued.abort(new Error("not needed"));
  await Promise.all([first, second]);
  await assert.rejects(engine.run(frame("a"), AbortSignal.abort(new Error("never"))), /never/);
  assert.deepEqual(stage.calls, ["run a"], "a call that has begun is executed to its end");
  await stage.end();
  await stage.end();
  await third;
  assert.deepEqual(stage.calls, ["run a", "run b"]);
});

Deno.test("QueuedEngine.run() passes on errors with their metadata, and anything else as engine_failed", async () => {
  const { stage, engine } = made();
  const full = engine.run(frame("a"));
  const broken = engine.run(frame("a"));
  const checked = Promise.all([
    assert.rejects(full, (e) => hasCode(e, "arena_full") && e.metadata.needed === 2),
    assert.rejects(broken, (e) => hasCode(e, "engine_failed") && e.message === "out of memory"),
  ]);
  await stage.end(engineError("arena_full", "no", { capacity: 1, needed: 2 }));
  await stage.end(new Error("out of memory."));
  await checked;
  stage.layout = () => {
    throw new RangeError("too large");
  };
  await assert.rejects(engine.layout("a", layout), code("engine_failed"));
});

Deno.test("QueuedEngine.dispose() lets the running call end, drops the rest and frees the stage", async () => {
  const { stage, engine } = made();
  const running = engine.run(frame("a"));
  const queued = assert.rejects(engine.run(frame("b")), code("engine_failed"));
  const disposed = engine.dispose();
  assert.equal(engine.dispose(), disposed);
  await queued;
  await assert.rejects(engine.stats(), code("engine_failed"));
  await engine.close("a");
  await stage.end();
  await running;
  await disposed;
  assert.deepEqual(stage.calls, ["run a", "dispose"]);
});
