import assert from "node:assert/strict";
import type { FrameTrace } from "../../actors/mod.ts";
import { createApi } from "./app.ts";
import type { Generator } from "./generator.ts";
import { tracedFrames } from "./trace.ts";

/** Two frames over three stages; clock `i` is `ahead[i]` milliseconds ahead of this node's. */
function frames(ahead: number[]): FrameTrace[] {
  const frame = (seq: number, sent: number, way: number): FrameTrace => ({
    seq,
    rows: seq === 0 ? { prefill: 64, decode: 0, draft: 0 } : { prefill: 0, decode: 2, draft: 3 },
    requests: ["a", "b"],
    sent,
    answered: sent + 3 * 10 + 4 * way,
    stages: ahead.map((ms, stage) => {
      const received = sent + ms + stage * 10 + (stage + 1) * way;
      return { stage, received, began: received + 1, ended: received + 10 };
    }),
  });
  return [frame(0, 1000, 2), frame(1, 1020, 1)];
}

const api = (traces: FrameTrace[]) =>
  createApi({ traces: () => Promise.resolve({ node: "n1", traces }) } as unknown as Generator);
const get = (traces: FrameTrace[], path: string) =>
  api(traces).fetch(new Request(`http://node${path}`));

Deno.test("tracedFrames() converts the times of stages with other clocks to this node's clock", () => {
  const own = tracedFrames(frames([0, 0, 0]));
  assert.deepEqual(own[1].stages[2], { stage: 2, received: 1043, began: 1044, ended: 1053 });
  assert.deepEqual(tracedFrames(frames([5e6, -3e4, 777])), own);
});

Deno.test("tracedFrames() keeps stage times in order between sending and answer, whatever the clocks say", () => {
  const odd = frames([5e6, -3e4, 777]);
  odd[0].answered -= 5; // no clock can explain both frames
  for (const { sent_ms, answered_ms, stages } of tracedFrames(odd)) {
    for (const { received, began, ended } of stages) {
      assert.ok(sent_ms <= received && received <= began && began <= ended && ended <= answered_ms);
    }
  }
});

Deno.test("GET /api/trace returns as many of the last frames as are asked for, oldest first", async () => {
  const all = await (await get(frames([0, 9, 99]), "/api/trace")).json();
  assert.deepEqual(all.map((f: { seq: number }) => f.seq), [0, 1]);
  assert.deepEqual(all[1].kinds, { prefill: 0, decode: 2, draft: 3 });
  assert.equal(all[1].rows, 5);
  const last = await (await get(frames([0, 9, 99]), "/api/trace?last=1")).json();
  assert.deepEqual(last.map((f: { seq: number }) => f.seq), [1]);
  assert.deepEqual(await (await get([], "/api/trace")).json(), []);
  const wrong = await get([], "/api/trace?last=many");
  assert.equal(wrong.status, 400);
  assert.match(
    (await wrong.json()).error.message,
    /last: expected a whole number from 1 to 512, got "many"/,
  );
});

Deno.test("GET /api/trace.svg draws one line for each stage and one for the coordinator", async () => {
  const response = await get(frames([0, 9, 99]), "/api/trace.svg");
  assert.equal(response.headers.get("content-type"), "image/svg+xml; charset=utf-8");
  const svg = await response.text();
  for (const lane of ["stage 0", "stage 1", "stage 2", "coordinator"]) {
    assert.ok(svg.includes(`>${lane}</text>`));
  }
  assert.match(svg, /frame 0: 64 prefill row\(s\) of 2 request\(s\)/);
  assert.match(await (await get([], "/api/trace.svg")).text(), /no frame has come back yet/);
});

Deno.test("GET /api/trace does not exist where the generator keeps no traces", async () => {
  const response = await createApi({} as Generator).fetch(new Request("http://node/api/trace"));
  assert.equal(response.status, 404);
  await response.body?.cancel();
});
