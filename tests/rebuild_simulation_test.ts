/**
 * Stages and shards that are lost and replaced in place, under the deterministic simulator: every
 * token is that of a pipeline which lost nothing. `deno task test:simulation --only rebuild` runs thousands.
 */
import assert from "node:assert/strict";
import { OrreryError, samplingSchema } from "../actors/mod.ts";
import { GONE, loseParts, REBUILD } from "./simulations/rebuild.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import {
  arbiterWorld,
  type ArbiterWorldOptions,
  LAYERS,
  promptOf,
  refusal,
} from "./support/arbiter_world.ts";
import { toyAnswer } from "./support/toy_engine.ts";

const LOSSES: [options: ArbiterWorldOptions, names: string[]][] = [
  [{ stages: 1 }, ["s0"]],
  [{ stages: 4 }, ["s0"]],
  [{ stages: 4 }, ["s1"]],
  [{ stages: 4 }, ["s3"]],
  [{ stages: 4 }, ["s1", "s2"]],
  [{ stages: 4 }, ["s0", "s1"]],
  [{ stages: 4 }, ["s0", "s2"]],
  [{ stages: 4 }, ["s1", "s3"]],
  [{ stages: 2 }, ["s0", "s1"]],
  [{ stages: 2, shards: 3 }, ["h1"]],
  [{ stages: 2, shards: 3 }, ["s1"]],
  [{ stages: 2, shards: 3 }, ["s1", "h0"]],
  [{ stages: 3, shards: 2 }, ["s0", "h1"]],
];

Deno.test("arbiterActor.replaced goes on where the pipeline was, whichever stages and shards are lost", async () => {
  for (const [i, [options, names]] of LOSSES.entries()) {
    const world = arbiterWorld({ ...options, seed: i, latencyMs: { min: 0.1, max: 5 } });
    const { sim, client, engines } = world;
    const prompts = [promptOf(40), promptOf(150, 1), promptOf(9, 2)];
    const drawing = samplingSchema.parse({ temperature: 0.8, seed: 17 });
    const answers = prompts.map((prompt, k) =>
      client(`g${k}`).answer(prompt, 30, { pieces: [16], ...(k === 1 && { sampling: drawing }) })
    );
    await sim.run({ forMs: 300 });
    const before = engines.map((all) => all[0].rows);
    await sim.until(loseParts(world, names));
    for (const [k, { tokens }] of (await sim.until(Promise.all(answers))).entries()) {
      const expected = await toyAnswer(prompts[k], 30, LAYERS, k === 1 ? drawing : undefined);
      assert.deepEqual(tokens, expected, `without ${names}, request ${k}`);
    }
    const { frames_in_flight, requests, rebuilds } = await world.stats();
    assert.deepEqual([frames_in_flight, requests, rebuilds], [0, 0, 1]);
    // The stages that were left computed none of the rows that had run there.
    for (const [s, [first]] of engines.entries()) {
      if (names.includes(`s${s}`)) continue;
      const rows = 199 + 3 * 29; // prompts and answers
      assert.ok(first.rows - before[s] < rows - 100, `stage ${s}: ${first.rows - before[s]} rows`);
    }
  }
});

Deno.test("arbiterActor.replaced keeps random trees right, lost at random moments, any memory and latency", async () => {
  await assertSeeds(REBUILD, seedsFrom(0, 24));
});

for (const broken of REBUILD.broken) {
  Deno.test(`REBUILD.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("arbiterActor rebuilds a stage that has crashed and was started again at its node, untold", async () => {
  for (const stage of [0, 1, 2]) {
    const { sim, client, engines, crashes, stats } = arbiterWorld({ stages: 3, seed: stage });
    const answer = client("g").answer(promptOf(60), 20);
    await sim.run({ forMs: 200 });
    engines[stage][0].failNext = new OrreryError({
      group: "engine",
      code: "engine_failed",
      message: "the engine is dead",
    });
    const { tokens } = await sim.until(answer);
    assert.deepEqual(tokens, await toyAnswer(promptOf(60), 20, LAYERS));
    assert.equal(engines[stage].length, 2, "a new engine was loaded");
    assert.deepEqual([crashes.length, (await stats()).rebuilds], [1, 1]);
  }
});

Deno.test("arbiterActor fails requests at which a stage fails again and again", async () => {
  const { sim, client, engines } = arbiterWorld({ stages: 2 });
  const dead = new OrreryError({ group: "engine", code: "engine_failed", message: "dead" });
  const failing = sim.until(refusal(
    client("g").answer(promptOf(60), 200, {
      each: () => engines[1].at(-1)!.failNext = dead,
    }),
  ));
  assert.equal((await failing).code, "engine_failed");
});

Deno.test("a stage whose engine died too often for one request answers the next one at once", async () => {
  const { sim, client, engines, crashes } = arbiterWorld({ stages: 2 });
  const dead = new OrreryError({ group: "engine", code: "engine_failed", message: "dead" });
  const refused = await sim.until(refusal(
    client("g").answer(promptOf(60), 200, { each: () => engines[1].at(-1)!.failNext = dead }),
  ));
  assert.equal(refused.code, "engine_failed");
  assert.ok(crashes.length > 3, `${crashes.length} crashes`);
  engines[1].at(-1)!.failNext = undefined;
  const since = sim.clock.now();
  const { tokens } = await sim.until(client("h").answer(promptOf(60), 20));
  assert.deepEqual(tokens, await toyAnswer(promptOf(60), 20, LAYERS));
  assert.ok(sim.clock.now() - since < 20_000, `${sim.clock.now() - since} ms`);
});

Deno.test("arbiterActor.lost sends frames again and goes on by itself, where all can be reached", async () => {
  const { sim, api, arbiter, client, stats } = arbiterWorld({ stages: 3 });
  const answer = client("g").answer(promptOf(60), 40);
  await sim.run({ forMs: 200 });
  await sim.until(api.tell(arbiter, { type: "lost", error: GONE.toWire(), held: true }));
  const { tokens } = await sim.until(answer);
  assert.deepEqual(tokens, await toyAnswer(promptOf(60), 40, LAYERS));
  assert.equal((await stats()).rebuilds, 1);
});

Deno.test("arbiterActor.replaced computes nothing again of a stage that was rebuilt at its new place before", async () => {
  const world = arbiterWorld({ stages: 3 });
  const { sim, client, engines, stats } = world;
  const answer = client("g").answer(promptOf(60), 400);
  await sim.run({ forMs: 500 });
  // Messages of other nodes name the new place; it is a while until this node is told.
  world.crash("s1");
  world.move("s1");
  await sim.until(
    world.api.tell(world.arbiter, { type: "lost", error: GONE.toWire(), held: true }),
  );
  await sim.run({ forMs: 3_000 });
  assert.equal((await stats()).rebuilds, 1);
  const rows = () => engines[1].at(-1)!.rows;
  const before = rows();
  await sim.until(
    world.api.tell(world.arbiter, { type: "replaced", stages: [1], heads: [] }),
  );
  const { tokens } = await sim.until(answer);
  assert.deepEqual(tokens, await toyAnswer(promptOf(60), 400, LAYERS));
  const all = 60 + 399;
  assert.ok(before > 60 && rows() <= all + 5, `${rows()} rows, of which ${before} before`);

  // Where it went elsewhere after that, it is rebuilt there.
  const again = client("h").answer(promptOf(60), 400);
  await sim.run({ forMs: 500 });
  await sim.until(loseParts(world, ["s1"]));
  assert.deepEqual((await sim.until(again)).tokens, await toyAnswer(promptOf(60), 400, LAYERS));
});

Deno.test("a stage is rebuilt where it comes back to a node that has missed what ran elsewhere", async () => {
  for (const stage of [0, 1, 2]) {
    const world = arbiterWorld({ stages: 3, seed: stage });
    const { sim, api, arbiter, client } = world;
    const answer = client("g").answer(promptOf(60), 400);
    await sim.run({ forMs: 500 });
    // Others stand in for a node that is silent; it lives, and is told nothing.
    world.move(`s${stage}`);
    await sim.until(api.tell(arbiter, { type: "replaced", stages: [stage], heads: [] }));
    await sim.run({ forMs: 500 });
    // It has its layers again: messages go there a while before the arbiter is told.
    world.moveBack(`s${stage}`);
    await sim.run({ forMs: 500 });
    await sim.until(api.tell(arbiter, { type: "replaced", stages: [stage], heads: [] }));
    const { tokens } = await sim.until(answer);
    assert.deepEqual(tokens, await toyAnswer(promptOf(60), 400, LAYERS), `stage ${stage}`);
  }
});

Deno.test("arbiterActor.superseded fails requests whose stage is gone, and lets a rebuild end", async () => {
  const world = arbiterWorld({ stages: 3 });
  const { sim, api, arbiter, client } = world;
  const since = () => sim.clock.now();
  const supersede = () => sim.until(api.tell(arbiter, { type: "superseded" }));
  const lost = refusal(client("g").answer(promptOf(60), 200));
  await sim.run({ forMs: 200 });
  world.crash("s1");
  const at = since();
  await sim.until(api.tell(arbiter, { type: "lost", error: GONE.toWire(), held: true }));
  await supersede();
  assert.equal((await sim.until(lost)).code, "node_lost");
  assert.ok(since() - at < 10, "at once: nobody replaces the stage");

  world.move("s1");
  const rebuilt = client("h").answer(promptOf(60), 40);
  await sim.run({ forMs: 200 });
  await sim.until(api.tell(arbiter, { type: "replaced", stages: [1], heads: [] }));
  const { tokens } = await sim.until(rebuilt);
  assert.deepEqual(tokens, await toyAnswer(promptOf(60), 40, LAYERS));

  const unmended = refusal(client("i").answer(promptOf(60), 200));
  await sim.run({ forMs: 200 });
  await supersede(); // the arbiter of before has ended with its last request
  world.crash("s1");
  await sim.until(api.tell(arbiter, { type: "replaced", stages: [1], heads: [] }));
  const begun = since();
  await sim.until(unmended);
  assert.ok(since() - begun <= 1_100, `${since() - begun} ms: it could go on elsewhere`);
});

Deno.test("arbiterActor.lost holds requests for so long, then fails them with the loss, and serves on", async () => {
  const world = arbiterWorld({ stages: 3, arbiter: { holdMs: 3_000 } });
  const { sim, api, arbiter, client } = world;
  const lost = refusal(client("g").answer(promptOf(60), 200));
  await sim.run({ forMs: 200 });
  world.crash("s1");
  const since = sim.clock.now();
  await sim.until(api.tell(arbiter, { type: "lost", error: GONE.toWire(), held: true }));
  const waiting = refusal(client("h").answer(promptOf(5), 5));
  assert.equal((await sim.until(lost)).code, "node_lost");
  assert.equal((await sim.until(waiting)).code, "node_lost");
  const held = sim.clock.now() - since;
  assert.ok(held >= 3_000 && held < 3_100, `${held} ms`);
  world.move("s1");
  const { tokens } = await sim.until(client("i").answer(promptOf(60), 5));
  assert.deepEqual(tokens, await toyAnswer(promptOf(60), 5, LAYERS));
});
