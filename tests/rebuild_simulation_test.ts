/**
 * Stages and shards that are lost and replaced in place, under the deterministic simulator: every
 * token is that of a pipeline which lost nothing.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { OrreryError, samplingSchema, seededRandom } from "../actors/mod.ts";
import {
  arbiterWorld,
  type ArbiterWorldOptions,
  LAYERS,
  promptOf,
  randomTree,
  refusal,
} from "./support/arbiter_world.ts";
import { toyAnswer } from "./support/toy_engine.ts";

type World = ReturnType<typeof arbiterWorld>;

const gone = new OrreryError({ group: "cluster", code: "node_lost", message: "a node is gone" });

const indices = (names: readonly string[], kind: string) =>
  names.filter((name) => name[0] === kind).map((name) => Number(name.slice(1)));

/** Ends these nodes, gives their actors new ones after a while, and tells the arbiter. */
async function lose(
  world: World,
  names: readonly string[],
  { downMs = 50, told = true }: { downMs?: number; told?: boolean } = {},
): Promise<void> {
  const { api, arbiter, sim } = world;
  for (const name of names) world.crash(name);
  if (told) await api.tell(arbiter, { type: "lost", error: gone.toWire(), held: true });
  await new Promise<void>((resolve) => sim.clock.after(downMs, resolve));
  for (const name of names) world.move(name);
  await api.tell(arbiter, {
    type: "replaced",
    stages: indices(names, "s"),
    heads: indices(names, "h"),
  });
}

/** After a while. */
const later = (world: World, ms: number) =>
  new Promise<void>((resolve) => world.sim.clock.after(ms, resolve));

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
    await sim.until(lose(world, names));
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
  let rebuilds = 0;
  let compactions = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.constantFrom(1, 2, 3, 4),
      fc.constantFrom(0, 0, 2),
      fc.constantFrom(1, 8, 40),
      async (seed, stages, shards, latency) => {
        const random = seededRandom(seed);
        const int = (n: number) => Math.floor(random() * n);
        const world = arbiterWorld({
          stages,
          shards,
          seed,
          capacityRows: 320 + int(800),
          latencyMs: { min: 0.1, max: latency },
          ...(random() < 0.5 && {
            budgetRows: Array.from({ length: stages }, () => 300 + int(700)),
          }),
          arbiter: { silenceMs: 60_000 },
        });
        const { sim } = world;
        const trees = Promise.all([0, 1, 2].map((i) =>
          randomTree(world.client(`g${i}`), {
            random,
            prompt: promptOf(5 + int(60), i % 2),
            steps: 25,
          })
        ));
        const names = [
          ...Array.from({ length: stages }, (_, i) => `s${i}`),
          ...Array.from({ length: shards }, (_, i) => `h${i}`),
        ];
        const losses = (async () => {
          for (let n = 1 + int(3); n > 0; n--) {
            await later(world, int(1_500));
            const some = names.filter(() => random() < 0.4);
            if (some.length === 0) some.push(names[int(names.length)]);
            await lose(world, some, { downMs: int(200), told: random() < 0.5 });
          }
        })();
        await sim.until(Promise.all([trees, losses]));
        const stats = await world.stats();
        rebuilds += stats.rebuilds;
        compactions += stats.compactions;
        assert.deepEqual(world.crashes, []);
        await sim.run({ forMs: 30_000 });
        assert.equal((await world.stats()).frames_in_flight, 0);
      },
    ),
    { numRuns: 60, seed: 7 },
  );
  assert.ok(rebuilds > 50, `${rebuilds} rebuilds`);
  assert.ok(compactions > 20, `${compactions} compactions`);
});

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
  await sim.until(api.tell(arbiter, { type: "lost", error: gone.toWire(), held: true }));
  const { tokens } = await sim.until(answer);
  assert.deepEqual(tokens, await toyAnswer(promptOf(60), 40, LAYERS));
  assert.equal((await stats()).rebuilds, 1);
});

Deno.test("arbiterActor.lost holds requests for so long, then fails them with the loss, and serves on", async () => {
  const world = arbiterWorld({ stages: 3, arbiter: { holdMs: 3_000 } });
  const { sim, api, arbiter, client } = world;
  const lost = refusal(client("g").answer(promptOf(60), 200));
  await sim.run({ forMs: 200 });
  world.crash("s1");
  const since = sim.clock.now();
  await sim.until(api.tell(arbiter, { type: "lost", error: gone.toWire(), held: true }));
  const waiting = refusal(client("h").answer(promptOf(5), 5));
  assert.equal((await sim.until(lost)).code, "node_lost");
  assert.equal((await sim.until(waiting)).code, "node_lost");
  const held = sim.clock.now() - since;
  assert.ok(held >= 3_000 && held < 3_100, `${held} ms`);
  world.move("s1");
  const { tokens } = await sim.until(client("i").answer(promptOf(60), 5));
  assert.deepEqual(tokens, await toyAnswer(promptOf(60), 5, LAYERS));
});
