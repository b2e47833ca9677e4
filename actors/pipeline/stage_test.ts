import assert from "node:assert/strict";
import { ToyEngine } from "../../tests/support/toy_engine.ts";
import { type ActorContext, hasCode, type Message, type MessageMeta } from "../system/mod.ts";
import type { RealignMessage } from "./rebuild.ts";
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

/** What a stage on this engine is given; its messages go to `tell`. */
const contextOf = (
  sim: Simulation,
  engine: ToyEngine,
  tell: (to: string, message: Message) => Promise<void>,
): ActorContext =>
  ({
    self: "d/stage/0",
    signal: new AbortController().signal,
    resource: () => () => Promise.resolve(engine),
    now: () => sim.clock.now(),
    after: () => () => {},
    onStop() {},
    onIdle() {},
    stop() {},
    report() {},
    span() {},
    tell,
  }) as unknown as ActorContext;

/** A stage of layers 0 and 1 of 4 and what it sends, as it arrives at once. */
async function stage(sim: Simulation) {
  const engine = new ToyEngine(sim.clock, { first: 0, last: 1, layers: 4 }, 0);
  const sent: { to: string; message: Message }[] = [];
  const ctx = contextOf(sim, engine, (to: string, message: Message) => {
    sent.push({ to, message });
    return Promise.resolve();
  });
  const made = await stageActor.create(ctx, stageActor.config.parse({}));
  const meta = { received: 0 } as unknown as MessageMeta;
  const run = (work: unknown) => sim.until(Promise.resolve(work));
  return {
    engine,
    sent,
    frame: (f: Frame) => run(made.frame(f, meta)),
    realign: (m: RealignMessage) => run(made.realign(m)),
    rebuild: (f: Frame) => run(made.rebuild(f)),
  };
}

const hiddenOf = (message: Message) => (message as unknown as Frame).hidden!;

Deno.test("stageActor.rebuild sends on what was kept of rows, also after layouts have moved them, and runs nothing", async () => {
  const s = await stage(new Simulation({ seed: 1 }));
  for (let seq = 0; seq < 6; seq++) await s.frame(frame(seq, seq === 0 ? { layout } : {}));
  const states = s.sent.map(({ message }) => hiddenOf(message));
  await s.frame(frame(6, {
    base: 3,
    parents: Int32Array.of(2),
    layout: { ...layout, keep: Int32Array.of(0, 1, 2), shelf: Int32Array.of(3, 4) },
  }));
  const keep = Int32Array.of(0, 1, 2, -2, -1);
  await s.realign({ arena: "a", floor: 9, capacity: 16, moves: [{ laid: 6, keep }] });
  s.sent.length = 0;
  const { frames } = s.engine;
  const again = frame(10, {
    base: 1,
    tokens: Int32Array.of(7, 7, 7, 7),
    positions: Int32Array.of(1, 2, 3, 4),
    parents: Int32Array.of(0, 1, 2, 3),
    rebuild: { until: 1, fresh: [1], floor: 9 },
  });
  await s.rebuild(again);
  assert.equal(s.engine.frames, frames);
  const [{ to, message }] = s.sent;
  assert.equal(to, "d/stage/1");
  assert.deepEqual((message as unknown as Frame).rebuild, again.rebuild);
  const sent = hiddenOf(message);
  assert.deepEqual(sent.shape, [4, 1]);
  assert.deepEqual(
    sent.data,
    new Uint8Array(states.slice(1, 5).flatMap(({ data }) => [...data])),
  );
  await assert.rejects(s.rebuild({ ...again, base: 2 }), (e) => hasCode(e, "states_gone"));
  await s.rebuild({ ...again, seq: 8, base: 2 }); // of before the realignment: ignored
  assert.equal(s.sent.length, 1);
});

Deno.test("stageActor.realign moves rows by the layout that was the last one here, and ends earlier frames", async () => {
  const s = await stage(new Simulation({ seed: 1 }));
  for (let seq = 0; seq < 4; seq++) await s.frame(frame(seq, seq === 0 ? { layout } : {}));
  const moves = [
    { laid: 0, keep: Int32Array.of(0, 1) },
    { laid: 5, keep: Int32Array.of(0, 1, 2) },
  ];
  await s.realign({ arena: "a", floor: 7, capacity: 16, moves });
  const { rows } = s.engine;
  await s.frame(frame(6, { base: 2, parents: Int32Array.of(1) }));
  assert.equal(s.engine.rows, rows, "a frame of before does not run");
  await s.frame(frame(8, { base: 2, parents: Int32Array.of(1) }));
  assert.equal(s.engine.rows, rows + 1);
  await s.realign({ arena: "a", floor: 7, capacity: 16, moves }); // a copy that comes late: ignored
  await assert.rejects(
    s.realign({ arena: "a", floor: 9, capacity: 16, moves }),
    (e) => hasCode(e, "no_arena"),
    "none of the layouts is the last one that was carried out",
  );
  await assert.rejects(
    s.realign({ arena: "b", floor: 9, capacity: 16, moves }),
    (e) => hasCode(e, "no_arena"),
  );
});

Deno.test("stageActor.frame that is run again for a rebuild is passed on to the last lost stage alone", async () => {
  const s = await stage(new Simulation({ seed: 1 }));
  await s.frame(
    frame(3, {
      base: 0,
      parents: Int32Array.of(-1),
      layout,
      rebuild: { until: 1, fresh: [0], floor: 3 },
    }),
  );
  assert.deepEqual(s.sent.map(({ to, message }) => [to, message.type]), [["d/stage/1", "frame"]]);
  await s.frame(
    frame(4, { base: 1, parents: Int32Array.of(0), rebuild: { until: 0, fresh: [], floor: 3 } }),
  );
  assert.deepEqual(s.sent[1], {
    to: "d/arbiter/a",
    message: { type: "rebuilt", arena: "a", seq: 4 } as Message,
  });
  await s.frame(frame(2, { base: 2, parents: Int32Array.of(1) }));
  assert.equal(s.sent.length, 2, "a frame of before the rebuild is ignored");
});

Deno.test("stageActor.frame computes the next frame while it sends, with a bounded number of messages on their way", async () => {
  const sim = new Simulation({ seed: 1 });
  const engine = new ToyEngine(sim.clock, { first: 0, last: 1, layers: 4 }, 10);
  const sent: { seq: number; done: () => void }[] = [];
  const ctx = contextOf(sim, engine, (_to: string, message: Message) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { seq } = message as unknown as Frame;
    sent.push({ seq, done: resolve });
    return promise;
  });
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
