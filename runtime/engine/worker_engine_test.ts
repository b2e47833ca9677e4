import assert from "node:assert/strict";
import { hasCode, OrreryError } from "../../actors/system/errors.ts";
import { type Frame, samplingSchema } from "../../actors/pipeline/frame.ts";
import { fromFloat32 } from "../../actors/pipeline/tensor.ts";
import type { Geometry } from "../../models/manifest.ts";
import type { EngineCall, LoadRequest, Reply } from "./protocol.ts";
import { WorkerEngine, type WorkerLike } from "./worker_engine.ts";

const geometry: Geometry = {
  architecture: "LlamaForCausalLM",
  layers: 2,
  hidden: 2,
  intermediate: 4,
  heads: 1,
  kv_heads: 1,
  head_dim: 2,
  vocab: 8,
  context: 16,
  norm_eps: 1e-5,
  rope: { theta: 1e4, scaling: null },
  tied_embeddings: true,
};
const load: LoadRequest = {
  library: "",
  graph: {
    path: "no.onnx",
    firstLayer: 1,
    lastLayer: 1,
    first: false,
    last: true,
    weightBytes: 0,
    kvBytesPerRow: 16,
    cacheDim: 8,
  },
  geometry,
  threads: 1,
  spinning: false,
  arenaBudgetBytes: 1,
};
const layout = { capacity: 4, keep: new Int32Array(0) };
const samplers = [{ id: 7, prompt_rows: 1, sampling: samplingSchema.parse({}) }];

/** A worker that notes the calls it is sent, and answers when the test calls `reply()`. */
class FakeWorker implements WorkerLike {
  onmessage: WorkerLike["onmessage"] = null;
  onmessageerror: WorkerLike["onmessageerror"] = null;
  onerror: WorkerLike["onerror"] = null;
  sent: EngineCall[] = [];
  transferred: ArrayBuffer[][] = [];
  terminated = false;
  postMessage(message: EngineCall, transfer: ArrayBuffer[]): void {
    this.sent.push(message);
    this.transferred.push(transfer);
  }
  terminate(): void {
    this.terminated = true;
  }
  reply(reply: Reply = { ok: true, value: undefined }): void {
    this.onmessage!(new MessageEvent("message", { data: reply }));
  }
  get ops(): string[] {
    return this.sent.map((m) => m.op + (m.body && "arena" in m.body ? ` ${m.body.arena}` : ""));
  }
}

async function loaded(): Promise<{ worker: FakeWorker; engine: WorkerEngine }> {
  const worker = new FakeWorker();
  const engine = WorkerEngine.load(worker, load);
  worker.reply();
  return { worker, engine: await engine };
}

const frame = (arena: string, hidden = fromFloat32([1, 2], Float32Array.of(1, 2))): Frame => ({
  arena,
  seq: 1,
  samplers,
  drop_samplers: [3],
  base: 3,
  tokens: Int32Array.of(5),
  positions: Int32Array.of(6),
  parents: Int32Array.of(2),
  want: Int32Array.of(0),
  want_samplers: Int32Array.of(7),
  hidden,
});
const answer: Reply = {
  ok: true,
  value: { kind: "tokens", tokens: [{ slot: 3, token: 1 }], computeMs: 1 },
};
const code = (expected: string) => (e: unknown) => hasCode(e, expected);

Deno.test("WorkerEngine.run() waits its turn: calls are sent one at a time, in the order made", async () => {
  const { worker, engine } = await loaded();
  const calls = [engine.layout("a", layout), engine.run(frame("a")), engine.stats()];
  assert.deepEqual(worker.ops, ["load", "layout a"]);
  worker.reply();
  assert.deepEqual(worker.ops, ["load", "layout a", "run a"]);
  worker.reply(answer);
  worker.reply({ ok: true, value: { arenas: 1, arenaBytes: 1, frames: 1, rows: 1, busyMs: 1 } });
  const [, output] = await Promise.all(calls);
  assert.deepEqual(output, { kind: "tokens", tokens: [{ slot: 3, token: 1 }], computeMs: 1 });
});

Deno.test("WorkerEngine.run() packs the rows and transfers a whole buffer, but copies a part of a larger one", async () => {
  const { worker, engine } = await loaded();
  const whole = Float32Array.of(1, 2);
  const larger = Float32Array.of(9, 1, 2, 9);
  const calls = [
    engine.run(frame("a", fromFloat32([1, 2], whole))),
    engine.run(frame("a", fromFloat32([1, 2], larger.subarray(1, 3)))),
  ];
  worker.reply(answer);
  worker.reply(answer);
  await Promise.all(calls);
  const [, first, second] = worker.sent;
  assert.ok(first.op === "run" && second.op === "run");
  assert.deepEqual([...first.body.ints], [5, 6, 2, 0, 7]);
  assert.deepEqual([first.body.samplers, first.body.drop_samplers], [samplers, [3]]);
  assert.equal(first.body.hidden!.buffer, whole.buffer);
  assert.deepEqual(worker.transferred[1], [first.body.ints.buffer, whole.buffer]);
  assert.deepEqual([...second.body.hidden!], [1, 2]);
  assert.notEqual(second.body.hidden!.buffer, larger.buffer);
  assert.equal(second.body.hidden!.buffer.byteLength, 8);
});

Deno.test("WorkerEngine.run() refuses row arrays and hidden states of the wrong shape before they go anywhere", async () => {
  const { worker, engine } = await loaded();
  await assert.rejects(
    engine.run({ ...frame("a"), positions: Int32Array.of(1, 2) }),
    code("bad_frame"),
  );
  await assert.rejects(
    engine.run(frame("a", fromFloat32([1, 3], new Float32Array(3)))),
    code("bad_frame"),
  );
  await assert.rejects(
    engine.run(frame("a", { dtype: "f16", shape: [1, 4], data: new Uint8Array(8) })),
    code("bad_frame"),
  );
  assert.deepEqual(worker.ops, ["load"]);
});

Deno.test("WorkerEngine.close() drops what is queued for its request and overtakes the others", async () => {
  const { worker, engine } = await loaded();
  const running = engine.run(frame("a"));
  const dropped = [engine.run(frame("a")), engine.run(frame("a"))].map((run) =>
    assert.rejects(run, code("no_arena"))
  );
  const other = engine.run(frame("b"));
  const closed = engine.close("a");
  const again = engine.layout("a", layout);
  await Promise.all(dropped);
  worker.reply(answer);
  await running;
  worker.reply();
  await closed;
  worker.reply(answer);
  await other;
  worker.reply();
  await again;
  assert.deepEqual(worker.ops, ["load", "run a", "close a", "run b", "layout a"]);
});

Deno.test("WorkerEngine.run() rejects and goes on, when its signal fires while it is queued or executed", async () => {
  const { worker, engine } = await loaded();
  const executing = new AbortController();
  const queued = new AbortController();
  const first = assert.rejects(engine.run(frame("a"), executing.signal), /too late/);
  const second = assert.rejects(engine.run(frame("a"), queued.signal), /not needed/);
  const third = engine.run(frame("b"));
  executing.abort(new Error("too late"));
  queued.abort(new Error("not needed"));
  await Promise.all([first, second]);
  await assert.rejects(engine.run(frame("a"), AbortSignal.abort(new Error("never"))), /never/);
  worker.reply(answer);
  worker.reply(answer);
  await third;
  assert.deepEqual(worker.ops, ["load", "run a", "run b"]);
});

Deno.test("WorkerEngine.run() passes on the worker's errors with their metadata", async () => {
  const { worker, engine } = await loaded();
  const run = engine.run(frame("a"));
  const error = new OrreryError({
    group: "engine",
    code: "arena_full",
    message: "no",
    metadata: { capacity: 1, needed: 2 },
  });
  worker.reply({ ok: false, error: error.toWire() });
  await assert.rejects(run, (e) => hasCode(e, "arena_full") && e.metadata.needed === 2);
});

Deno.test("WorkerEngine.run() rejects and says why, when the worker died before it or during it", async () => {
  const { worker, engine } = await loaded();
  const why = (e: unknown) => hasCode(e, "engine_failed") && e.message.includes("out of memory");
  const pending = [engine.run(frame("a")), engine.run(frame("b")), engine.stats()].map((p) =>
    assert.rejects(p, why)
  );
  const event = new ErrorEvent("error", { message: "out of memory", cancelable: true });
  worker.onerror!(event);
  await Promise.all(pending);
  assert.ok(worker.terminated);
  assert.ok(event.defaultPrevented, "the error must not end the process");
  await assert.rejects(engine.layout("c", layout), why);
  await engine.close("a");
  await engine.dispose();
});

Deno.test("WorkerEngine.dispose() lets the running call end, drops the rest and terminates", async () => {
  const { worker, engine } = await loaded();
  const running = engine.run(frame("a"));
  const queued = assert.rejects(engine.run(frame("b")), code("engine_failed"));
  const disposed = engine.dispose();
  assert.equal(engine.dispose(), disposed);
  await queued;
  await assert.rejects(engine.stats(), code("engine_failed"));
  worker.reply(answer);
  await running;
  assert.ok(!worker.terminated);
  worker.reply();
  await disposed;
  assert.ok(worker.terminated);
  assert.deepEqual(worker.ops, ["load", "run a", "dispose"]);
});

Deno.test("WorkerEngine.load() terminates its worker, when the load fails or is given up", async () => {
  const failing = new FakeWorker();
  const load1 = WorkerEngine.load(failing, load);
  const error = new OrreryError({
    group: "engine",
    code: "engine_failed",
    message: "no such file",
  });
  failing.reply({ ok: false, error: error.toWire() });
  await assert.rejects(load1, /no such file/);
  assert.ok(failing.terminated);
  const slow = new FakeWorker();
  const controller = new AbortController();
  const load2 = WorkerEngine.load(slow, load, controller.signal);
  controller.abort(new Error("given up"));
  await assert.rejects(load2, /given up/);
  assert.ok(slow.terminated);
});

Deno.test("WorkerEngine.load() says what a real worker died of", async () => {
  const worker = new Worker(
    "data:text/javascript,onmessage = () => { throw new Error('struck by lightning') }",
    {
      type: "module",
    },
  );
  await assert.rejects(
    WorkerEngine.load(worker as WorkerLike, load),
    (e) => hasCode(e, "engine_failed") && e.message.includes("struck by lightning"),
  );
});
