/**
 * Arbiter, stages and shards of the LM head under the deterministic simulation: the tokens are
 * those of one engine, whatever a shard does.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  headActor,
  headAddress,
  OrreryError,
  type PartialMessage,
  partialSchema,
  samplingSchema,
  seededRandom,
} from "../actors/mod.ts";
import { arbiterWorld, LAYERS, promptOf, randomTree, refusal } from "./support/arbiter_world.ts";
import { toyAnswer } from "./support/toy_engine.ts";

const drawing = samplingSchema.parse({ temperature: 0.8, seed: 17, top_k: 2 });

Deno.test("headActor gives requests side by side the tokens of one engine, on any number of stages and shards", async () => {
  for (const [stages, shards] of [[1, 1], [1, 2], [2, 4], [4, 2], [2, 8]]) {
    const { sim, client, crashes, traces } = arbiterWorld({ stages, shards, seed: stages });
    const prompts = [promptOf(40), promptOf(1, 1), promptOf(100, 2), promptOf(17, 3)];
    const sampling = [undefined, drawing, undefined, drawing];
    const answers = await sim.until(
      Promise.all(prompts.map((prompt, i) =>
        client(`g${i}`).answer(prompt, 12, {
          pieces: [16],
          ...(sampling[i] && { sampling: sampling[i] }),
        })
      )),
    );
    for (const [i, { tokens }] of answers.entries()) {
      const expected = await toyAnswer(prompts[i], 12, LAYERS, sampling[i]);
      assert.deepEqual(tokens, expected, `${stages} stages, ${shards} shards, request ${i}`);
    }
    assert.deepEqual(crashes, []);
    const seen = (await traces()).map((t) => t.stages.map((s) => `${s.stage}.${s.shard ?? ""}`));
    assert.ok(seen.some((s) => s.length === stages), "a piece without a wanted row skips the head");
    const last = [
      ...Array.from({ length: stages }, (_, i) => `${i}.`),
      ...Array.from({ length: shards }, (_, i) => `${stages}.${i}`),
    ];
    assert.deepEqual(seen.at(-1), last);
  }
});

Deno.test("headActor gives random trees the model's tokens, whatever is moved, dropped or cancelled", async () => {
  let cancelled = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.constantFrom(1, 2, 4),
      fc.constantFrom(2, 3, 8),
      async (seed, stages, shards) => {
        const random = seededRandom(seed);
        const headMs = Array.from({ length: shards }, () => 1 + Math.floor(random() * 30));
        const world = arbiterWorld({ stages, shards, seed, headMs, capacityRows: 2048 });
        await world.sim.until(
          Promise.all(
            [0, 1, 2].map((i) =>
              randomTree(world.client(`g${i}`), { random, prompt: promptOf(20 + i, i), steps: 25 })
            ),
          ),
        );
        cancelled += (await world.stats()).cancelled_frames;
        assert.deepEqual(world.crashes, []);
      },
    ),
    { numRuns: 25, seed: 5 },
  );
  assert.ok(cancelled > 0, "frames were cancelled");
});

Deno.test("headActor.more lists what was lacking, and the token is the same", async () => {
  const { sim, client, heads } = arbiterWorld({ stages: 2, shards: 4 });
  const g = client("g");
  await sim.until(g.open(promptOf(10), { sampling: drawing, max_rows: 32 }));
  const [first] = await sim.until(g.next());
  const plain = heads.map(([head]) => head.runs);
  for (const [head] of heads) head.shy = true;
  const answer = await sim.until(client("h").answer(promptOf(33, 2), 8, { sampling: drawing }));
  const expected = await toyAnswer(promptOf(33, 2), 8, LAYERS, drawing);
  assert.deepEqual(answer.tokens, expected);
  assert.equal(first.token, (await toyAnswer(promptOf(10), 1, LAYERS, drawing))[0]);
  const runs = heads.map(([head], i) => head.runs - plain[i]);
  assert.equal(runs.reduce((a, b) => a + b), 4 * 8 + 8, "one shard of four is asked again a token");
});

Deno.test("headActor.normed is answered however slow one shard is, and the others wait for it", async () => {
  const { sim, client, traces } = arbiterWorld({ stages: 2, shards: 3, headMs: [1, 200, 1] });
  const answers = await sim.until(
    Promise.all([0, 1].map((i) => client(`g${i}`).answer(promptOf(20, i), 10))),
  );
  for (const [i, { tokens }] of answers.entries()) {
    assert.deepEqual(tokens, await toyAnswer(promptOf(20, i), 10, LAYERS));
  }
  const { stages } = (await traces()).at(-1)!;
  assert.deepEqual(stages.slice(2).map((s) => s.ended - s.began), [1, 200, 1]);
});

Deno.test("arbiterActor fails requests when a shard is silent, and goes on with a shard that was started again", async () => {
  const { sim, client, heads, crashes } = arbiterWorld({ stages: 2, shards: 2 });
  await sim.until(client("a").answer(promptOf(9), 3));
  heads[1][0].hang = true;
  const silent = await sim.until(refusal(client("b").answer(promptOf(9, 1), 3)));
  assert.equal(silent.code, "stages_silent");

  const world = arbiterWorld({ stages: 2, shards: 2 });
  await world.sim.until(world.client("a").answer(promptOf(9), 3));
  world.heads[1][0].failNext = new OrreryError({
    group: "engine",
    code: "engine_failed",
    message: "out of luck",
  });
  const through = await world.sim.until(world.client("b").answer(promptOf(9, 1), 3));
  assert.deepEqual(through.tokens, await toyAnswer(promptOf(9, 1), 3, LAYERS));
  const { tokens } = await world.sim.until(world.client("c").answer(promptOf(9, 2), 5));
  assert.deepEqual(tokens, await toyAnswer(promptOf(9, 2), 5, LAYERS));
  assert.equal(world.heads[1].length, 2, "the shard was restarted with a new engine");
  assert.deepEqual(crashes, []);
});

Deno.test("arbiterActor fails requests when the node of a shard is gone, after it has held them", async () => {
  const { sim, client, headSystems } = arbiterWorld({ stages: 2, shards: 2 });
  await sim.until(client("a").answer(promptOf(9), 3));
  const g = client("b");
  await sim.until(g.open(promptOf(30), { max_rows: 64 }));
  await sim.until(headSystems[1].close());
  const since = sim.clock.now();
  await sim.until(refusal((async () => {
    for (;;) {
      const [{ token, row }] = await g.next();
      await g.rows("decode", row + 1, [{ token, position: row + 1, parent: row }]);
    }
  })()));
  const held = sim.clock.now() - since;
  assert.ok(held > 15_000 && held < 45_000, `${held} ms`);
});

Deno.test("headActor.retire ends a shard once its arenas are closed, and tells their arbiters", async () => {
  const world = arbiterWorld({ stages: 1, shards: 2, arbiter: { idleMs: 1e9 } });
  const { sim, client, headSystems, systems, heads } = world;
  await sim.until(client("a").answer(promptOf(9), 3));
  const loaded = () => heads.flat().filter((h) => !h.disposed).length;
  assert.equal(loaded(), 2);
  await sim.until(systems[0].tell("d/stage/0", { type: "retire" }));
  for (const [i, system] of headSystems.entries()) {
    await sim.until(system.tell(headAddress("d", i), { type: "retire" }));
  }
  await sim.run({ forMs: 60_000 });
  assert.equal(loaded(), 0);
});

Deno.test("headActor forgets an arena whose lease ends, and says so to its arbiter", async () => {
  const world = arbiterWorld({ stages: 1, shards: 1, stage: { leaseMs: 1_000 } });
  const { sim, client } = world;
  const g = client("a");
  await sim.until(g.open(promptOf(9), { max_rows: 32 }));
  const [{ token }] = await sim.until(g.next());
  await sim.run({ forMs: 5_000 });
  const refused = await sim.until(refusal((async () => {
    await g.rows("decode", 9, [{ token, position: 9, parent: 8 }]);
    for (;;) await g.next();
  })()));
  assert.equal(refused.code, "no_arena");
});

/** An answer of one shard with one part for one row. */
const partial: PartialMessage & { type: string } = {
  type: "partial",
  arena: "a",
  seq: 0,
  shard: 0,
  parts: 1,
  vocab: 10,
  rows: Int32Array.of(0),
  ints: Int32Array.of(0, 1, 1, 0, 3),
  floats: Float32Array.of(2.5),
  doubles: new Float64Array(0),
  failed: [],
  trace: { received: 1, began: 2, ended: 3 },
};

Deno.test("partialSchema refuses what cannot be an answer", () => {
  assert.ok(partialSchema.safeParse(partial).success);
  const wrong: Partial<PartialMessage>[] = [
    { ints: Int32Array.of(0, 1, 1, 0, 10) },
    { ints: Int32Array.of(0, 1, 1, 0, -1) },
    { ints: Int32Array.of(0, 1, 0, 0, 3) },
    { ints: Int32Array.of(0, 2, 2, 0, 3) },
    { ints: Int32Array.of(0, -1, 1, 0, 3) },
    { ints: Int32Array.of(4, 1, 1, 0, 3) },
    { ints: Int32Array.of(2, 1, 1, 0, 3) },
    { ints: Int32Array.of(0, 1, 1, 0, 3, 3) },
    { ints: Int32Array.of(0, 1, 1) },
    { floats: Float32Array.of(NaN) },
    { floats: Float32Array.of(1, 2) },
    { floats: new Float32Array(0) },
    { ints: Int32Array.of(2, 1, 1, 0, 3), doubles: Float64Array.of(-1, 0, 0) },
    { ints: Int32Array.of(2, 1, 1, 0, 3), doubles: Float64Array.of(Infinity, 0, 0) },
    { rows: Int32Array.of(-1) },
    { rows: Int32Array.of(0, 1) },
    { parts: 9 },
    { parts: 2 },
  ];
  for (const [i, change] of wrong.entries()) {
    assert.ok(!partialSchema.safeParse({ ...partial, ...change }).success, `number ${i}`);
  }
});

Deno.test("arbiterActor.partial fails the frame's requests where a shard answers for rows or parts that are not there", async () => {
  for (
    const change of [
      { shard: 7 },
      { rows: Int32Array.of(5) },
      { failed: [{ row: 9, code: "x", message: "y" }] },
      { vocab: 5 },
    ]
  ) {
    const { sim, api, arbiter, client, stats, heads } = arbiterWorld({
      stages: 1,
      shards: 2,
      headMs: [50, 500],
    });
    await sim.until(client("a").answer(promptOf(3), 1));
    const g = client("b");
    await sim.until(g.open(promptOf(9, 1), { max_rows: 32 }));
    await sim.run({ forMs: 120 }); // the first shard has answered, the second has not
    const { arena } = await stats();
    assert.equal(heads[1][0].runs, 2);
    for (const seq of [1, 2, 3]) {
      const answer = { ...partial, arena, seq, shard: 1, ...change };
      await sim.until(api.tell(arbiter, answer));
    }
    const refused = await sim.until(refusal(g.next()));
    assert.equal(refused.code, "bad_partial", JSON.stringify(change));
  }
});

Deno.test("headActor.normed is refused where its arrays do not fit together", () => {
  const message = {
    arena: "a",
    seq: 1,
    reply_to: "d/arbiter/a",
    opens: true,
    normed: { dtype: "f32", shape: [1, 2], data: new Uint8Array(8) },
    want_samplers: Int32Array.of(0),
    positions: Int32Array.of(4),
  };
  const { normed: schema } = headActor.messages;
  assert.ok(schema.safeParse(message).success);
  for (
    const change of [
      { want_samplers: new Int32Array(0), positions: new Int32Array(0) },
      { positions: Int32Array.of(1, 2) },
      { normed: { dtype: "f32", shape: [2, 2], data: new Uint8Array(16) } },
      { normed: { dtype: "f16", shape: [1, 2], data: new Uint8Array(4) } },
      { occurrences: [{ row: 1, tokens: new Int32Array(0), generated: new Int32Array(0) }] },
      { occurrences: [{ row: 0, tokens: new Int32Array(1), generated: new Int32Array(0) }] },
    ]
  ) assert.ok(!schema.safeParse({ ...message, ...change }).success, JSON.stringify(change));
});
