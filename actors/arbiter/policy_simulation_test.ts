/**
 * What the arbiter's policy comes to, in virtual time: bubbles, gathering, fairness, the window,
 * and memory kept in order.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { FrameTrace } from "../mod.ts";
import { arbiterWorld, LAYERS, promptOf, refusal } from "../../tests/support/arbiter_world.ts";
import { toyAnswer } from "../../tests/support/toy_engine.ts";

/** Rows share a frame's fixed cost, as on a real engine: 8 rows take 2.5 times as long as one. */
const batching = (rows: number) => 20 * (1 + 0.21 * (rows - 1));
/** A stage of its own takes 15 ms for a piece of 64 rows, 3 for a row. */
const pieces15 = (rows: number) => rows > 8 ? 15 * rows / 64 : 3;

const decodes = (frames: FrameTrace[]) => frames.filter((f) => f.rows.prefill === 0);

/** Tokens a second and rows a frame in the middle of a run. */
function pace(frames: FrameTrace[]): { tokensPerS: number; rows: number } {
  const all = decodes(frames);
  const middle = all.slice(all.length >> 2, 3 * all.length >> 2);
  const tokens = middle.slice(1).reduce((n, f) => n + f.rows.decode, 0);
  const ms = middle.at(-1)!.answered - middle[0].answered;
  return { tokensPerS: 1000 * tokens / ms, rows: tokens / (middle.length - 1) };
}

/** Most frames under way when one was sent, from `since` on. */
function mostUnderWay(frames: FrameTrace[], since = -Infinity): number {
  const sent = frames.filter((f) => f.sent >= since);
  return Math.max(
    ...sent.map((f) => frames.filter((g) => g.sent <= f.sent && g.answered > f.sent).length),
  );
}

Deno.test("arbiterActor runs lanes in lockstep: one frame a stage, all of one size", async () => {
  for (const [lanes, stages] of [[8, 1], [8, 2], [8, 4], [16, 4]]) {
    const world = arbiterWorld({ stages, frameMs: batching, latencyMs: { min: 0.1, max: 0.5 } });
    const { sim, client, traces } = world;
    await sim.until(
      Promise.all(
        Array.from({ length: lanes }, (_, i) => client(`g${i}`).answer(promptOf(8, i), 60)),
      ),
    );
    const { tokensPerS, rows } = pace(await traces());
    const each = lanes / stages;
    assert.ok(
      Math.abs(rows - each) < 0.05,
      `${lanes} lanes on ${stages} stages: ${rows} rows a frame`,
    );
    const ideal = 1000 * each / batching(each);
    assert.ok(
      tokensPerS > 0.95 * ideal,
      `${lanes} lanes on ${stages} stages: ${tokensPerS} of ${ideal} tokens/s`,
    );
    const steady = decodes(await traces()); // after other sizes were tried
    const middle = steady.slice(steady.length >> 1, 3 * steady.length >> 2);
    assert.ok(mostUnderWay(middle) <= stages + 1);
  }
});

Deno.test("arbiterActor gathers lanes whose clients answer at different times too", async () => {
  const { sim, client, traces } = arbiterWorld({ stages: 1, frameMs: batching });
  const each = () =>
    new Promise<void>((resolve) => void sim.clock.after(4 * sim.random(), resolve));
  await sim.until(
    Promise.all(
      Array.from({ length: 8 }, (_, i) => client(`g${i}`).answer(promptOf(8, i), 60, { each })),
    ),
  );
  const { rows } = pace(await traces());
  assert.ok(rows > 7.5, `${rows} rows a frame`);
});

Deno.test("arbiterActor never lets a lane wait that is alone", async () => {
  for (const stages of [1, 4]) {
    const { sim, client, traces } = arbiterWorld({
      stages,
      frameMs: batching,
      latencyMs: { min: 0.5, max: 0.5 },
    });
    await sim.until(client("g").answer(promptOf(8), 20));
    const frames = decodes(await traces());
    for (const [i, f] of frames.slice(1).entries()) assert.equal(f.sent, frames[i].answered);
    const trip = frames.at(-1)!.answered - frames.at(-1)!.sent;
    assert.ok(Math.abs(trip - (stages * 20 + (stages + 1) * 0.5)) < 1e-6, `${trip} ms`);
  }
});

Deno.test("arbiterActor leaves no gap between the pieces of a prompt that is alone, also over slow links", async () => {
  for (const linkMs of [0.1, 2, 5]) {
    const { sim, client, traces } = arbiterWorld({
      stages: 4,
      frameMs: pieces15,
      latencyMs: { min: linkMs, max: linkMs },
    });
    const { usage } = await sim.until(client("g").answer(promptOf(512), 1));
    const frames = await traces();
    assert.equal(frames.length, 8);
    for (let stage = 0; stage < 4; stage++) {
      for (const [i, { stages }] of frames.slice(1).entries()) {
        const gap = stages[stage].began - frames[i].stages[stage].ended;
        assert.ok(
          gap < 1e-6,
          `${gap} ms before piece ${i + 1} at stage ${stage}, links of ${linkMs} ms`,
        );
      }
    }
    // Filling and draining alone: k pieces and N stages take k + N - 1 pieces' time, and each link
    // once.
    const wall = frames.at(-1)!.answered - frames[0].sent;
    assert.ok(Math.abs(wall - ((8 + 4 - 1) * 15 + 5 * linkMs)) < 1e-6, `${wall} ms`);
    assert.ok(
      Math.abs(usage.bubble_share - (1 - 8 * 4 * 15 / (4 * wall))) < 1e-9,
      `${usage.bubble_share}`,
    );
    assert.equal(usage.pieces, 8);
  }
});

Deno.test("arbiterActor lets at most two decode frames pass a waiting piece, and never exceeds the window", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.constantFrom(1, 2, 4),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 3 }),
      async (seed, stages, chats, prompts) => {
        const world = arbiterWorld({
          stages,
          seed,
          frameMs: batching,
          latencyMs: { min: 0.1, max: 0.3 },
          shape: { rows_per_frame: 4 },
        });
        const { sim, client, traces } = world;
        let late: Promise<unknown>[] | undefined;
        const each = () => {
          late ??= Array.from(
            { length: prompts },
            (_, i) => client(`p${i}`).answer(promptOf(600, i), 1),
          );
        };
        await sim.until(
          Promise.all(
            Array.from(
              { length: chats },
              (_, i) => client(`c${i}`).answer(promptOf(8, 9 + i), 40, { each }),
            ),
          ),
        );
        await sim.until(Promise.all(late!));
        const frames = (await traces()).sort((a, b) => a.seq - b.seq);
        const isPiece = (f: FrameTrace) => f.requests.some((r) => r.includes("/p"));
        const begin = frames.findIndex(isPiece);
        let passed = 0;
        for (const f of frames.slice(begin, frames.findLastIndex(isPiece) + 1)) {
          passed = f.rows.prefill > 0 ? 0 : passed + 1;
          assert.ok(passed <= 2, `${passed} decode frames before a piece`);
        }
        const pieces = frames.filter(isPiece);
        assert.ok(pieces.length >= 9 * prompts, "there were pieces to wait");
        // Links are measured after the first answer; they are fast here.
        const measured = Math.min(...frames.map((f) => f.answered));
        const allowed = Math.max(stages, Math.ceil(chats / 4)) + 1;
        // On several stages pieces and frames of lanes are counted apart.
        const counted = stages === 1
          ? [frames]
          : [true, false].map((piece) => frames.filter((f) => f.rows.prefill > 0 === piece));
        for (const kind of counted) {
          assert.ok(mostUnderWay(kind) <= stages + 2, `${mostUnderWay(kind)} frames under way`);
          const most = mostUnderWay(kind, measured);
          assert.ok(most <= allowed, `${most} frames under way on ${stages} stages`);
        }
      },
    ),
    { numRuns: 12, seed: 3 },
  );
});

Deno.test("arbiterActor keeps the rows of ended requests for those who come back, and they slow no answer", async () => {
  const world = arbiterWorld({
    stages: 2,
    frameMs: batching,
    capacityRows: 8192,
    slotMs: { attend: 0.005, move: 0.006 },
  });
  const { sim, client, traces, stats } = world;
  for (let i = 0; i < 6; i++) {
    await sim.until(client(`old${i}`).answer(promptOf(500, i + 1), 150, { max_rows: 651 }));
  }
  const kept = (await stats()).cached_rows;
  await sim.run({ forMs: 60_000 });
  assert.equal((await stats()).cached_rows, kept, "no request, no eviction");
  assert.equal(kept, 6 * 649);
  const before = await stats();

  const prompt = promptOf(40, 99);
  const { tokens } = await sim.until(client("long").answer(prompt, 200));
  assert.deepEqual(tokens, await toyAnswer(prompt, 200, LAYERS));
  const after = await stats();
  assert.equal(after.compactions, before.compactions + 1, "once, not at every frame");
  assert.equal(after.cached_rows, kept + 239);
  assert.equal(after.shelved_rows, kept);
  const [first, second] = decodes(await traces()).slice(-100).map((f) =>
    f.stages[0].ended - f.stages[0].began
  );
  assert.ok(first < 20 + 0.005 * 240 && second < first + 0.1, `${first} ms for a row`);

  const back = client("back");
  assert.deepEqual(
    (await sim.until(back.answer(promptOf(500, 3), 30))).tokens,
    await toyAnswer(promptOf(500, 3), 30, LAYERS),
  );
  assert.equal(back.reused, 499);
});

Deno.test("arbiterActor keeps the rows that a request hangs on, whatever else is moved out", async () => {
  const world = arbiterWorld({
    stages: 2,
    frameMs: batching,
    capacityRows: 8192,
    slotMs: { attend: 0.005, move: 0.006 },
  });
  const { sim, client, stats } = world;
  const first = promptOf(500, 1);
  const { tokens } = await sim.until(client("a").answer(first, 20));
  for (let i = 2; i < 5; i++) await sim.until(client(`b${i}`).answer(promptOf(500, i), 20));
  const more = Int32Array.from([...first, ...tokens, 1, 2, 3]);
  const again = client("again");
  const answer = await sim.until(again.answer(more, 200));
  assert.deepEqual(answer.tokens, await toyAnswer(more, 200, LAYERS));
  assert.equal(again.reused, 519);
  assert.ok((await stats()).compactions > 0);
});

Deno.test("arbiterActor works in a new arena when a stage's node is lost and back, and the old one is freed", async () => {
  for (const lost of [0, 1, 2]) {
    const { sim, client, engines, revive, traces } = arbiterWorld({ stages: 3, seed: lost + 1 });
    let crashed = false;
    const each = () => {
      if (!crashed) sim.crash(`s${lost}`);
      crashed = true;
    };
    const running = refusal(client("first").answer(promptOf(40), 500, { each }));
    const { code } = await sim.until(running);
    assert.ok(["peer_lost", "stages_silent"].includes(code), code);
    revive(lost);
    const { tokens, usage } = await sim.until(client("next").answer(promptOf(40), 12));
    assert.deepEqual(tokens, await toyAnswer(promptOf(40), 12, LAYERS));
    assert.equal(usage.reused_rows, 0, "nothing of the lost arena is believed");
    const names = engines.map((e) => [...e.at(-1)!.arenas.keys()]);
    for (const arenas of names) {
      assert.deepEqual(arenas, names[0], "one arena, the same everywhere");
    }
    assert.equal(names[0].length, 1);
    assert.equal(engines[lost].length, 2);
    assert.ok((await traces()).length > 12);
  }
});

Deno.test("arbiterActor begins a request that waited in a new arena when a stage is lost", async () => {
  const { sim, client, engines } = arbiterWorld({ stages: 2, capacityRows: 300 });
  let waiting: Promise<{ tokens: number[] }> | undefined;
  const each = async () => {
    if (waiting) return;
    waiting = client("second").answer(promptOf(100, 1), 100);
    await engines[1][0].close([...engines[1][0].arenas.keys()][0]); // its rows are gone
  };
  const first = refusal(client("first").answer(promptOf(100), 150, { each }));
  assert.equal((await sim.until(first)).code, "no_arena");
  assert.deepEqual(
    (await sim.until(waiting!)).tokens,
    await toyAnswer(promptOf(100, 1), 100, LAYERS),
  );
});

Deno.test("arbiterActor.close answers the bytes that a row took from stage to stage, scales included", async () => {
  for (const [wire, bytes] of [["f32", 4], ["int8", 1 + 4]] as const) {
    const { sim, client } = arbiterWorld({ stages: 2, shape: { wire } });
    const one = client("g");
    await sim.until(one.open(promptOf(20)));
    await sim.until(one.next());
    assert.equal((await sim.until(one.close())).bytes_per_row_per_hop, bytes, wire);
  }
  const alone = arbiterWorld({ stages: 1 });
  const { usage } = await alone.sim.until(alone.client("g").answer(promptOf(20), 5));
  assert.equal(usage.bytes_per_row_per_hop, 0, "one stage has no hop");
});
