import assert from "node:assert/strict";
import { ToyEngine } from "../../tests/support/toy_engine.ts";
import type { ActorContext, Message, MessageMeta } from "../system/mod.ts";
import type { Frame } from "./frame.ts";
import { Simulation } from "../system/simulation.ts";
import { stageActor } from "./stage.ts";

function frame(seq: number, more: Partial<Frame> = {}): Frame {
  return {
    arena: "a",
    seq,
    base: seq,
    tokens: Int32Array.of(7),
    positions: Int32Array.of(seq),
    parents: Int32Array.of(seq - 1),
    want: new Int32Array(0),
    want_samplers: new Int32Array(0),
    ...more,
  };
}

const layout: Frame["layout"] = {
  capacity: 64,
  keep: new Int32Array(0),
  reply_to: "d/arbiter/a",
  wire: "f16",
};

Deno.test("stageActor.frame computes the next frame while it sends, with a bounded number of messages on their way", async () => {
  const sim = new Simulation({ seed: 1 });
  const engine = new ToyEngine(sim.clock, { first: 0, last: 1, layers: 4 }, 10);
  const sent: { seq: number; done: () => void }[] = [];
  const ctx = {
    self: "d/stage/0",
    signal: new AbortController().signal,
    resource: () => () => Promise.resolve(engine),
    now: () => sim.clock.now(),
    after: () => () => {},
    onStop() {},
    onIdle() {},
    stop() {},
    tell: (_to: string, message: Message) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const { seq } = message as unknown as Frame;
      sent.push({ seq, done: resolve });
      return promise;
    },
  } as unknown as ActorContext;
  const stage = await stageActor.create(ctx, stageActor.config.parse({}));
  const meta = (seq: number) => ({ received: seq } as unknown as MessageMeta);
  const run = (async () => {
    for (let seq = 0; seq < 5; seq++) {
      await stage.frame(frame(seq, seq === 0 ? { layout } : {}), meta(seq));
    }
  })();
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(sent.map((s) => s.seq), [0, 1], "two are on their way, none has arrived");
  assert.equal(engine.frames, 3, "and the third is computed");

  for (let i = 0; i < 5; i++) {
    sent[i].done();
    await sim.run({ forMs: 1_000 });
  }
  await run;
  assert.deepEqual(sent.map((s) => s.seq), [0, 1, 2, 3, 4]);
});
