import assert from "node:assert/strict";
import { hasCode } from "../../actors/system/errors.ts";
import { fromFloat32, type StageEngine, type TokenResult } from "../../actors/pipeline/mod.ts";
import {
  assertSame,
  chain,
  Fixture,
  open,
  range,
  sampler,
  TOKENS,
  tokensOf,
} from "../../tests/support/engine_fixture.ts";
import { arenaBytes } from "./kv_arena.ts";

const options = { sanitizeOps: true, sanitizeResources: true };

const NEAR = 1e-5;
const SAMPLERS = [
  sampler({ top_logprobs: 20 }),
  sampler({ temperature: 1.2, seed: 5, top_logprobs: 20 }, { id: 1 }),
];

/** A request whose rows stand anywhere in an arena. */
class Lane {
  /** Slot of each row. */
  slots: number[] = [];
  tokens: number[] = [];
  results: TokenResult[] = [];
  constructor(readonly sampler: number, readonly prompt: number[]) {}
}

/** Rows of several lanes side by side in one frame; each lane's last row is wanted. */
async function runLanes(
  engine: StageEngine,
  arena: string,
  base: number,
  parts: [Lane, number[]][],
): Promise<number> {
  const [tokens, positions, parents, want, samplers]: number[][] = [[], [], [], [], []];
  for (const [lane, added] of parts) {
    for (const token of added) {
      positions.push(lane.slots.length);
      parents.push(lane.slots.at(-1) ?? -1);
      lane.slots.push(base + tokens.length);
      tokens.push(token);
    }
    want.push(tokens.length - 1);
    samplers.push(lane.sampler);
  }
  const [t, p, q, w, s] = [tokens, positions, parents, want, samplers].map((a) =>
    Int32Array.from(a)
  );
  const results = await tokensOf(engine, {
    arena,
    seq: 0,
    samplers: SAMPLERS,
    base,
    tokens: t,
    positions: p,
    parents: q,
    want: w,
    want_samplers: s,
  });
  parts.forEach(([lane], i) => lane.results.push(results[i]));
  return base + tokens.length;
}

/** A frame of rows that nobody wants any more afterwards. */
const waste = (engine: StageEngine, arena: string, base: number, parent: Lane, n: number) =>
  engine.run(chain(arena, base, TOKENS.slice(60, 60 + n), {
    parent: parent.slots.at(-1)!,
    position: parent.slots.length,
    want: [],
  }));

async function alone(
  engine: StageEngine,
  which: number,
  prompt: number[],
  steps: number,
): Promise<TokenResult[]> {
  const lane = new Lane(which, prompt);
  await open(engine, "alone");
  let base = await runLanes(engine, "alone", 0, [[lane, prompt]]);
  for (let i = 0; i < steps; i++) {
    base = await runLanes(engine, "alone", base, [[lane, [lane.results.at(-1)!.token]]]);
  }
  await engine.close("alone");
  return lane.results;
}

Deno.test("arenaBytes() counts the buffers of every layer in f32", () => {
  const cache = { past: "past", present: "present", heads: 5, dim: 7 };
  const layer = [cache, cache];
  assert.equal(arenaBytes([layer, layer, layer], 11), 3 * 2 * 5 * 7 * 11 * 4);
  assert.equal(arenaBytes([layer, [{ ...cache, heads: 1, dim: 30 }]], 1), (2 * 5 * 7 + 30) * 4);
});

Deno.test(
  "KvArena.layout() keeps two requests with holes between their rows what each is alone, at any size",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const STEPS = 14;
    const prompts = [TOKENS.slice(0, 9), TOKENS.slice(30, 47)];
    const expected = [
      await alone(engine, 0, prompts[0], STEPS),
      await alone(engine, 1, prompts[1], STEPS),
    ];
    for (const capacity of [128, 256, 80]) {
      const arena = `of ${capacity}`;
      await open(engine, arena);
      const lanes = prompts.map((prompt, i) => new Lane(i, prompt));
      let base = await runLanes(engine, arena, 0, [[lanes[0], prompts[0].slice(0, 4)]]);
      base = await runLanes(engine, arena, base, [[lanes[1], prompts[1]], [
        lanes[0],
        prompts[0].slice(4),
      ]]);
      lanes[0].results.shift(); // after a part of the prompt
      for (let step = 0; step < STEPS; step++) {
        if (step % 3 === 1) {
          await waste(engine, arena, base, lanes[step % 2], 3);
          base += step % 2 ? 3 : 2; // a rejected draft: left as a hole, or overwritten at its end
        }
        const parts = lanes.map((lane): [Lane, number[]] => [lane, [lane.results.at(-1)!.token]]);
        if (step % 4 === 2) parts.reverse();
        if (step % 4 === 3) {
          for (const part of parts) base = await runLanes(engine, arena, base, [part]);
        } else base = await runLanes(engine, arena, base, parts);
        if (step === 6) {
          const keep = Int32Array.from(lanes.flatMap((l) => l.slots)).sort();
          assert.ok(
            keep.length < base && keep.some((slot, i) => slot !== i),
            "nothing to compact proves nothing",
          );
          await engine.layout(arena, { capacity, keep });
          for (const lane of lanes) lane.slots = lane.slots.map((slot) => keep.indexOf(slot));
          base = keep.length;
        }
      }
      lanes.forEach((lane, i) =>
        assertSame(lane.results, expected[i], `request ${i}, arena ${arena}`, NEAR)
      );
      await engine.close(arena);
    }
    assert.notDeepEqual(expected[0].map((t) => t.token), expected[1].map((t) => t.token));
  },
);

Deno.test(
  "KvArena.layout() keeps the hidden states that a stage in the middle hands on",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine(1, 2);
    const hidden = (seed: number) =>
      fromFloat32([1, 64], Float32Array.from({ length: 64 }, (_, i) => Math.sin(seed * 64 + i)));
    const step = async (arena: string, slot: number, parent: number, position: number) => {
      const frame = {
        ...chain(arena, slot, [1], { parent, position, want: [] }),
        hidden: hidden(position),
      };
      const output = await engine.run(frame);
      return output.kind === "hidden" ? [...new Float32Array(output.hidden.data.buffer)] : [];
    };
    await open(engine, "plain");
    const plain: number[][] = [];
    for (const i of range(8)) plain.push(await step("plain", i, i - 1, i));
    await open(engine, "holes", 16);
    for (const i of range(4)) await step("holes", 2 * i, 2 * i - 2 < 0 ? -1 : 2 * i - 2, i);
    await engine.layout("holes", { capacity: 9, keep: Int32Array.of(0, 2, 4, 6) });
    const got: number[][] = [];
    for (const i of range(4)) got.push(await step("holes", 4 + i, 3 + i, 4 + i));
    got.flat().forEach((x, i) => assert.ok(Math.abs(x - plain.slice(4).flat()[i]) < NEAR));
  },
);

Deno.test(
  "KvArena.layout() brings rows back from the shelf, when others ran in their slots meanwhile",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const STEPS = 6;
    const prompts = [TOKENS.slice(0, 9), TOKENS.slice(30, 47)];
    const expected = [
      await alone(engine, 0, prompts[0], STEPS),
      await alone(engine, 1, prompts[1], STEPS),
    ];
    for (const [capacity, later] of [[64, 64], [64, 96]]) {
      const arena = `of ${capacity}, then ${later}`;
      await open(engine, arena, capacity);
      const [first, second] = prompts.map((prompt, i) => new Lane(i, prompt));
      let base = await runLanes(engine, arena, 0, [[first, prompts[0]]]);
      for (let i = 0; i < 2; i++) {
        base = await runLanes(engine, arena, base, [[first, [first.results.at(-1)!.token]]]);
      }
      await engine.layout(arena, {
        capacity: later,
        keep: new Int32Array(0),
        shelf: Int32Array.from(first.slots),
      });
      first.slots = first.slots.map((_, i) => later - base + i);
      await assert.rejects(
        engine.run(chain(arena, 0, TOKENS.slice(0, later - base + 1), { want: [] })),
        (e) => hasCode(e, "arena_full") && /on its shelf/.test(e.message),
      );
      base = await runLanes(engine, arena, 0, [[second, prompts[1]]]);
      for (let i = 0; i < 2; i++) {
        base = await runLanes(engine, arena, base, [[second, [second.results.at(-1)!.token]]]);
      }
      const keep = Int32Array.from([...second.slots, ...first.slots]);
      await engine.layout(arena, { capacity: later, keep });
      for (const lane of [first, second]) lane.slots = lane.slots.map((slot) => keep.indexOf(slot));
      base = keep.length;
      for (let i = 2; i < STEPS; i++) {
        const step = (lane: Lane): [Lane, number[]] => [lane, [lane.results.at(-1)!.token]];
        base = await runLanes(engine, arena, base, [step(first), step(second)]);
      }
      assertSame(first.results, expected[0], `${arena}: the one that was away`, NEAR);
      assertSame(second.results, expected[1], `${arena}: the other`, NEAR);
      await engine.close(arena);
    }
  },
);

Deno.test(
  "KvArena.view() leaves out the slots of others, and changes no bit of what a row gets",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const own = TOKENS.slice(40, 60);
    /** A request behind so many slots of others, among whose rows a lane goes on meanwhile. */
    const behind = async (others: number) => {
      const arena = `behind ${others}`;
      await open(engine, arena, others + 40);
      for (let base = 0; base < others; base += 50) {
        const rows = TOKENS.slice(0, Math.min(50, others - base));
        await engine.run(chain(arena, base, rows, { parent: -1, position: 0, want: [] }));
      }
      const rooted = { parent: -1, position: 0, want: range(own.length) };
      const prompt = await engine.run(chain(arena, others, own, rooted));
      const base = others + own.length;
      const next = await engine.run(
        chain(arena, base, TOKENS.slice(0, 3), { position: 20, want: range(3) }),
      );
      const both = chain(arena, base + 3, [9, 8], { position: 23, want: [0, 1] });
      // The second row belongs to another lane, at the start of the arena.
      both.parents[1] = 4;
      both.positions[1] = 5;
      const shared = await engine.run(both);
      return [prompt, next, shared].map((output) => {
        assert.equal(output.kind, "tokens");
        const results = output.kind === "tokens" ? output.tokens : [];
        return { past: output.past, results: results.map(({ slot: _, ...result }) => result) };
      });
    };
    const [near, far] = [await behind(6), await behind(6 + 3 * 64)];
    assert.deepEqual(near.map(({ past }) => past), [6, 26, 29]);
    assert.deepEqual(far.map(({ past }) => past), [6, 26, 29 + 3 * 64]);
    for (const i of [0, 1]) assert.deepEqual(far[i].results, near[i].results);
    assertSame(far[2].results as TokenResult[], near[2].results as TokenResult[], "shared", NEAR);
  },
);
