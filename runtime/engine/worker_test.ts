import assert from "node:assert/strict";
import { heldLibrary } from "./library.ts";
import type { EngineCall, LoadRequest, Reply } from "./protocol.ts";

/** The replies of a worker of its own to these calls, in the order of the replies. */
async function replies(calls: EngineCall[]): Promise<Reply[]> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  try {
    const got: Reply[] = [];
    const all = Promise.withResolvers<void>();
    worker.onmessage = ({ data }) => {
      got.push(data);
      if (got.length === calls.length) all.resolve();
    };
    for (const call of calls) worker.postMessage(call);
    await all.promise;
    return got;
  } finally {
    worker.terminate();
  }
}

Deno.test("worker.ts answers each call in turn with engine_failed, when no stage is loaded", async () => {
  const body = { library: heldLibrary(), graph: { path: "no.onnx" } } as LoadRequest;
  const [stats, load, close] = await replies([
    { op: "stats", body: null },
    { op: "load", body: { ...body, threads: 1, spinning: false } },
    { op: "close", body: { arena: "a" } },
  ]);
  assert.ok(!stats.ok && !load.ok && !close.ok);
  assert.deepEqual(
    [stats, load, close].map(({ error: { group, code } }) => `${group} ${code}`),
    Array(3).fill("engine engine_failed"),
  );
  assert.match(stats.error.message, /asked to stats before it was loaded/);
  assert.match(load.error.message, /stage graph no\.onnx does not load/);
  assert.match(close.error.message, /asked to close before it was loaded/);
});
