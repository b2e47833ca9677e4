/**
 * The arbiter with its stages under the deterministic simulation.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type ArbiterStats, isUnsent, OrreryError, samplingSchema, seededRandom } from "../mod.ts";
import {
  arbiterWorld,
  LAYERS,
  promptOf,
  randomTree,
  refusal,
  Refused,
} from "../../tests/support/arbiter_world.ts";
import { toyAnswer } from "../../tests/support/toy_engine.ts";

/** Rows share a frame's fixed cost, as on a real engine: 8 rows take 2.5 times as long as one. */
const batching = (rows: number) => 20 * (1 + 0.21 * (rows - 1));

Deno.test("arbiterActor gives requests side by side the tokens that each would get alone, on any number of stages", async () => {
  for (const stages of [1, 2, 4]) {
    const { sim, client, arenas, crashes, stats } = arbiterWorld({ stages, seed: stages });
    const prompts = [
      promptOf(40),
      promptOf(1, 1),
      promptOf(100, 2),
      promptOf(17, 3),
      promptOf(40, 4),
    ];
    const answers = await sim.until(
      Promise.all(prompts.map((p, i) => client(`g${i}`).answer(p, 12))),
    );
    for (const [i, { tokens }] of answers.entries()) {
      assert.deepEqual(
        tokens,
        await toyAnswer(prompts[i], 12, LAYERS),
        `${stages} stages, request ${i}`,
      );
    }
    assert.deepEqual(crashes, []);
    assert.equal(arenas(), stages, "one arena serves all");
    assert.equal((await stats()).requests, 0);
  }
});

Deno.test("arbiterActor gives random trees the model's tokens, whatever is moved, dropped or cancelled", async () => {
  let compactions = 0;
  let shelved = 0;
  let cancelled = 0;
  let growths = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.constantFrom(1, 2, 4),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(320, 512, 2048),
      async (seed, stages, clients, capacityRows) => {
        const random = seededRandom(seed);
        const budgets = [[], [4096, 300], [400], [4096, 4096, 350]];
        const budgetRows = budgets[Math.floor(random() * budgets.length)];
        const world = arbiterWorld({
          stages,
          seed,
          capacityRows,
          budgetRows,
          latencyMs: { min: 0.1, max: random() < 0.5 ? 2 : 40 },
          frameMs: random() < 0.5 ? batching : undefined,
          shape: { rows_per_frame: 1 + Math.floor(random() * 8) },
        });
        const { sim, client, crashes, stats } = world;
        await sim.until(Promise.all(Array.from({ length: clients }, async (_, i) => {
          for (let turn = 0; turn < 3; turn++) {
            const prompt = promptOf(1 + Math.floor(random() * 120), Math.floor(random() * 3));
            const tree = { random, prompt, steps: 12, reuse: random() < 0.8 };
            try {
              await randomTree(client(`g${i}-${turn}`), tree);
            } catch (error) {
              const scarce = budgetRows.length > 0 && error instanceof Refused;
              if (!scarce || error.error.code !== "arena_memory") throw error;
              refused++;
            }
          }
        })));
        await sim.run({ forMs: 2_000 });
        assert.deepEqual(crashes, []);
        const end = await stats();
        assert.equal(end.requests, 0);
        assert.equal(end.frames_in_flight, 0);
        assert.equal(end.capacity - end.free_rows - end.holes, end.cached_rows, "no row is lost");
        compactions += end.compactions;
        shelved += end.shelved_rows;
        cancelled += end.cancelled_frames;
        growths += end.growths;
      },
    ),
    { numRuns: 30, seed: 5 },
  );
  assert.ok(compactions > 2, `${compactions} compactions`);
  assert.ok(shelved > 100, `${shelved} rows on shelves`);
  assert.ok(cancelled > 10, `${cancelled} frames cancelled`);
  assert.ok(growths > 5, `${growths} growths`);
  assert.ok(refused < 40, `${refused} requests refused`);
});

Deno.test("arbiterActor.open reuses the rows of an earlier prompt that begins alike, and gives the same tokens", async () => {
  const { sim, client, engines, stats } = arbiterWorld({ stages: 2 });
  const prompt = promptOf(60);
  const first = await sim.until(client("a").answer(prompt, 10));
  const rows = engines[0][0].rows;
  const again = client("b");
  const { tokens, usage } = await sim.until(again.answer(prompt, 10));
  assert.deepEqual(tokens, first.tokens);
  assert.equal(again.reused, 59, "all but the row whose token is wanted");
  assert.equal(usage.reused_rows, 59);
  assert.equal(engines[0][0].rows - rows, 10);

  // The next turn of a chat: prompt and answer of the first stand there already.
  const longer = Int32Array.from([...prompt, ...first.tokens, 5, 6, 7]);
  const third = client("c");
  assert.deepEqual(
    (await sim.until(third.answer(longer, 6))).tokens,
    await toyAnswer(longer, 6, LAYERS),
  );
  assert.equal(third.reused, 69, "the last token of an answer was never run");

  const alone = client("d");
  assert.deepEqual(
    (await sim.until(alone.answer(prompt, 10, { reuse: false }))).tokens,
    first.tokens,
  );
  assert.equal(alone.reused, 0);
  assert.ok((await stats()).cached_rows > 60);
});

Deno.test("arbiterActor.open gives a prompt its tokens when its beginning is on the shelf of a full arena", async () => {
  for (const pieces of [[1], [7], [64]]) {
    for (const stages of [1, 3]) {
      const world = arbiterWorld({
        stages,
        seed: stages,
        // Slow frames: rows that no request names are moved out of their way.
        frameMs: (rows) => 40 + 8 * rows,
      });
      const { sim, client, stats, crashes } = world;
      const prompt = promptOf(100);
      const first = await sim.until(client("first").answer(prompt, 4));
      const full = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const each = async () => {
        const { free_rows, holes, shelved_rows } = await statsNow();
        if (free_rows + holes > 0 || shelved_rows === 0) return;
        full.resolve();
        await goOn.promise;
      };
      const statsNow = () =>
        world.api.ask(world.arbiter, { type: "stats" }) as Promise<ArbiterStats>;
      const long = client("long").answer(promptOf(40, 1), 160, { each });
      await sim.until(full.promise);
      const again = await sim.until(client("again").answer(prompt, 4, { pieces }));
      assert.deepEqual(again.tokens, first.tokens, `${stages} stages, pieces of ${pieces}`);
      goOn.resolve();
      assert.deepEqual(
        (await sim.until(long)).tokens,
        await toyAnswer(promptOf(40, 1), 160, LAYERS),
      );
      assert.deepEqual(crashes, []);
      assert.ok((await stats()).growths > 0);
    }
  }
});

Deno.test("arbiterActor.open shares the rows of a prompt that several requests have at one time", async () => {
  const { sim, client, engines } = arbiterWorld({ stages: 2 });
  const prompt = promptOf(200);
  const answers = await sim.until(
    Promise.all([0, 1, 2, 3].map((i) => client(`g${i}`).answer(prompt, 4))),
  );
  const expected = await toyAnswer(prompt, 4, LAYERS);
  for (const { tokens } of answers) assert.deepEqual(tokens, expected);
  assert.ok(engines[0][0].rows < 200 + 4 * 4 + 64 * 3, `${engines[0][0].rows} rows`);
});

Deno.test("arbiterActor samples each request its own way, in shared frames", async () => {
  const { sim, client } = arbiterWorld({ stages: 2, frameMs: batching });
  const prompt = promptOf(30);
  const samplings = [1, 2, 3, 4].map((seed) => samplingSchema.parse({ temperature: 1, seed }));
  const answers = await sim.until(
    Promise.all(samplings.map((sampling, i) => client(`g${i}`).answer(prompt, 8, { sampling }))),
  );
  for (const [i, { tokens }] of answers.entries()) {
    assert.deepEqual(tokens, await toyAnswer(prompt, 8, LAYERS, samplings[i]));
  }
});

Deno.test("arbiterActor keeps four stages busy with eight lanes, two rows a frame", async () => {
  const { sim, client, stats } = arbiterWorld({
    stages: 4,
    frameMs: batching,
    latencyMs: { min: 0.1, max: 0.5 },
  });
  const usages = await sim.until(
    Promise.all(Array.from({ length: 8 }, (_, i) => client(`g${i}`).answer(promptOf(16, i), 40))),
  );
  for (const { usage } of usages) {
    assert.ok(usage.bubble_share < 0.2, `bubbles ${usage.bubble_share}`);
  }
  const { rows_per_frame, bubble_share } = await stats();
  assert.ok(bubble_share < 0.2, `bubbles ${bubble_share}`);
  assert.ok(rows_per_frame > 1.8 && rows_per_frame < 4, `${rows_per_frame} rows a frame`);
});

Deno.test("arbiterActor lets a long prompt hold up another request's tokens by one piece a slot at most", async () => {
  const { sim, client, traces } = arbiterWorld({ stages: 2, frameMs: batching });
  const chat = client("chat");
  let long: Promise<unknown> | undefined;
  const answered = chat.answer(promptOf(8), 60, {
    each: () => void (long ??= client("long").answer(promptOf(1500, 1), 2)),
  });
  await sim.until(answered);
  await sim.until(long!);
  const frames = await traces();
  const last = frames.findLastIndex((f) => f.rows.decode > 0 && f.requests.includes(chat.address));
  let pieces = 0;
  let decodes = 0;
  for (const f of frames.slice(1, last)) {
    if (f.rows.prefill > 0 && f.rows.decode === 0) pieces++;
    else pieces = 0;
    if (f.requests.some((r) => r.endsWith("/long")) || frames[0] === f) decodes = 0;
    assert.ok(f.rows.prefill <= 64);
    // One decode row goes to and fro; while it is under way the window holds at most two pieces and
    // the one ahead of it.
    assert.ok(pieces <= 3, `${pieces} pieces without a token`);
    assert.ok(decodes <= 2);
  }
});

Deno.test("arbiterActor keeps the arena and loses nothing when a stage has no memory for a larger one", async () => {
  for (let seed = 0; seed < 8; seed++) {
    const { sim, client, crashes, stats } = arbiterWorld({
      stages: 3,
      seed,
      budgetRows: [4096, seed % 2 ? 600 : 4096, seed % 2 ? 4096 : 600],
    });
    const prompts = [promptOf(200), promptOf(200, 1), promptOf(90, 2)];
    const answers = await sim.until(Promise.all(prompts.map(async (p, i) => {
      const { tokens } = await client(`a${i}`).answer(p, 20);
      const next = await client(`b${i}`).answer(p.toReversed(), 20);
      return [tokens, next.tokens];
    })));
    for (const [i, [a, b]] of answers.entries()) {
      assert.deepEqual(a, await toyAnswer(prompts[i], 20, LAYERS));
      assert.deepEqual(b, await toyAnswer(prompts[i].toReversed(), 20, LAYERS));
    }
    assert.deepEqual(crashes, []);
    assert.ok((await stats()).capacity <= 600);
  }
});

Deno.test("arbiterActor.open refuses what cannot fit with its figures, the newest first, and the others go on", async () => {
  const { sim, client, stats } = arbiterWorld({ stages: 2, budgetRows: [4096, 300] });
  const first = client("first").answer(promptOf(200), 20);
  const second = refusal(client("second").answer(promptOf(250, 1), 20));
  const error = await sim.until(second);
  assert.equal(error.code, "arena_memory");
  assert.equal(error.metadata.budget, 2400);
  assert.deepEqual((await sim.until(first)).tokens, await toyAnswer(promptOf(200), 20, LAYERS));
  assert.equal((await stats()).requests, 0);

  const much = await sim.until(refusal(client("much").answer(promptOf(10), 9000)));
  assert.equal(much.code, "too_many_rows");
  assert.deepEqual(much.metadata, { rows: 9010, capacity_rows: 4096 });
});

Deno.test("arbiterActor.failed ends the requests in the arena, and later ones get a new arena", async () => {
  const { sim, client, engines, arenas } = arbiterWorld({ stages: 2 });
  const first = client("first").answer(promptOf(20), 500, {
    each: () => {
      engines[1][0].failNext = new OrreryError({
        group: "engine",
        code: "bad_frame",
        message: "it makes no sense",
      });
    },
  });
  assert.equal((await sim.until(refusal(first))).code, "bad_frame");
  const { tokens } = await sim.until(client("second").answer(promptOf(20), 10));
  assert.deepEqual(tokens, await toyAnswer(promptOf(20), 10, LAYERS));
  assert.equal(engines[1].length, 1);
  assert.equal(arenas(), 2);
});

Deno.test("arbiterActor fails every request when the stages say nothing until the deadline", async () => {
  const { sim, client, engines, stats } = arbiterWorld({ stages: 2 });
  const one = refusal(
    client("one").answer(promptOf(20), 500, { each: () => void (engines[1][0].hang = true) }),
  );
  const others = Array.from(
    { length: 40 },
    (_, i) => refusal(client(`g${i}`).answer(promptOf(30, i), 20)),
  );
  for (const error of await sim.until(Promise.all([one, ...others]))) {
    assert.equal(error.code, "stages_silent");
  }
  assert.equal((await stats()).requests, 0);
});

Deno.test("arbiterActor fails its requests and the other stages free their arenas when a node dies", async () => {
  for (const dead of [0, 1, 2]) {
    const { sim, client, engines, reports, arbiter } = arbiterWorld({ stages: 3, seed: dead });
    const request = client("g").answer(promptOf(20), 500, { each: () => sim.crash(`s${dead}`) });
    const { code } = await sim.until(refusal(request));
    assert.ok(["peer_lost", "stages_silent"].includes(code), code);
    await sim.run({ forMs: 20_000 });
    for (const [i, [engine]] of engines.entries()) {
      if (i !== dead) assert.equal(engine.arenas.size, 0, `stage ${i}`);
    }
    const untold = reports.filter(({ from, report }) =>
      from === arbiter && isUnsent(report) && report.to === `d/stage/${dead}` &&
      report.error.code === "peer_lost"
    );
    assert.ok(untold.length > 0, `nobody learns that stage ${dead} could not be told`);
  }
});

Deno.test("arbiterActor.retiring ends with the last request; an arbiter without work gives its arena back", async () => {
  const retired = arbiterWorld({ stages: 2 });
  let asked = false;
  const answer = retired.client("g").answer(promptOf(20), 20, {
    each: async () => {
      if (asked) return;
      asked = true;
      for (const [i, system] of retired.systems.entries()) {
        await system.tell(`d/stage/${i}`, { type: "retire" });
      }
    },
  });
  assert.equal((await retired.sim.until(answer)).tokens.length, 20);
  await retired.sim.run({ forMs: 1_000 });
  for (const [engine] of retired.engines) assert.equal(engine.disposed, true);
  assert.deepEqual(retired.api.status(), []);

  const idle = arbiterWorld({ stages: 2, arbiter: { idleMs: 50_000 } });
  await idle.sim.until(idle.client("g").answer(promptOf(20), 5));
  assert.equal(idle.arenas(), 2);
  await idle.sim.run({ forMs: 120_000 });
  assert.equal(idle.arenas(), 0);
  assert.deepEqual(idle.api.status(), []);
});

Deno.test("arbiterActor keeps the arena while a client is quiet; the stages free it when the arbiter is gone", async () => {
  const { sim, client, arenas } = arbiterWorld({ stages: 2, stage: { leaseMs: 100_000 } });
  const quiet = client("g");
  await sim.until(quiet.open(promptOf(20)));
  const [{ token }] = await sim.until(quiet.next());
  await sim.run({ forMs: 500_000 });
  await sim.until(quiet.rows("decode", 20, [{ token, position: 20, parent: 19 }]));
  assert.equal(
    (await sim.until(quiet.next()))[0].token,
    (await toyAnswer(promptOf(20), 2, LAYERS))[1],
  );
  sim.crash("api");
  await sim.run({ forMs: 300_000 });
  assert.equal(arenas(), 0);
});

Deno.test("arbiterActor.close stops the stages within a frame when the prompt is not finished", async () => {
  const { sim, client, engines } = arbiterWorld({ stages: 2, frameMs: batching });
  const gone = client("g");
  await sim.until(gone.open(promptOf(2000), { max_rows: 2100 }));
  await sim.run({ forMs: 400 });
  await sim.until(gone.close());
  await sim.run({ forMs: 600 });
  const frames = engines.map(([e]) => e.frames);
  assert.ok(frames[0] < 8, `${frames}`);
  await sim.run({ forMs: 5_000 });
  assert.deepEqual(engines.map(([e]) => e.frames), frames);
});
