import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import type { StageEngine } from "../../actors/pipeline/engine.ts";
import { hasCode } from "../../actors/system/errors.ts";
import type { Frame, TokenResult } from "../../actors/pipeline/frame.ts";
import { fromFloat32 } from "../../actors/pipeline/tensor.ts";
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
import { moves, Slots } from "./slots.ts";

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

Deno.test(
  "two requests in one arena, with holes, are what each is alone, before and after a layout of any size",
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
  "a stage in the middle hands on the same hidden states after a layout",
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
  "StageEngine.layout() refuses what cannot be kept and leaves the arena as it was",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const keep = (...slots: number[]) => Int32Array.from(slots);
    await assert.rejects(
      engine.layout("r", { capacity: 8, keep: keep(0) }),
      (e) => hasCode(e, "no_arena") && /arena r/.test(e.message),
    );
    await open(engine, "r", 16);
    await open(engine, "plain", 16);
    for (const arena of ["r", "plain"]) await engine.run(chain(arena, 0, TOKENS.slice(0, 6)));
    await engine.run(chain("r", 8, [1], { parent: 5, position: 6 }));
    const bad: [number, Int32Array][] = [
      [16, keep(1)], // its parent goes
      [16, keep(1, 0)],
      [16, keep(0, 0)],
      [16, keep(0, 1, 7)], // a hole
      [16, keep(0, 99)],
      [16, keep(-1)],
      [2, keep(0, 1, 2)],
      [0, keep()],
    ];
    for (const [capacity, kept] of bad) {
      await assert.rejects(
        engine.layout("r", { capacity, keep: kept }),
        (e) => hasCode(e, "bad_frame"),
        `${kept}`,
      );
    }
    await assert.rejects(
      engine.layout("r", { capacity: 1 << 20, keep: keep(0) }),
      (e) => hasCode(e, "arena_memory") && Number(e.metadata.bytes) > Number(e.metadata.budget),
    );
    assertSame(
      await tokensOf(engine, chain("r", 6, [7, 8], { want: [0, 1] })),
      await tokensOf(engine, chain("plain", 6, [7, 8], { want: [0, 1] })),
      "after refused layouts",
    );
  },
);

Deno.test(
  "StageEngine.layout() counts capacity against the budget, the arena's own old one not",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const bytes = (await fixture.engine()).info.kvBytesPerRow;
    const engine = await fixture.engine(0, 3, 100 * bytes);
    await open(engine, "a", 40);
    await open(engine, "b", 40);
    await engine.run(chain("a", 0, TOKENS.slice(0, 30)));
    const keep = Int32Array.from(range(30));
    await assert.rejects(
      engine.layout("a", { capacity: 61, keep }),
      (e) => hasCode(e, "arena_memory") && e.metadata.used === 40 * bytes,
    );
    await engine.layout("a", { capacity: 60, keep });
    assert.equal((await engine.stats()).arenaBytes, 100 * bytes);
    await engine.layout("a", { capacity: 30, keep });
    assert.equal((await engine.stats()).arenaBytes, 70 * bytes);
    await assert.rejects(
      engine.run(chain("a", 30, [1])),
      (e) => hasCode(e, "arena_full") && e.metadata.capacity === 30,
    );
    await engine.layout("a", { capacity: 30, keep: new Int32Array(0) });
    await assert.rejects(
      engine.run(chain("a", 5, [1])),
      (e) => hasCode(e, "bad_frame"),
      "rows that were let go",
    );
    assert.equal((await tokensOf(engine, chain("a", 0, [1]))).length, 1);
  },
);

const failures = (tokens: TokenResult[]) => tokens.map((t) => t.failed?.code);

Deno.test(
  "StageEngine.run() fails a row that nothing can be chosen for, and that one alone",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    await open(engine, "r");
    const none = sampler({}, { id: 4 });
    none.sampling.banned = range(fixture.geometry.vocab); // more than a request may name
    const samplers = [sampler(), none];
    const all = range(3);
    const frame = chain("r", 0, TOKENS.slice(0, 3), { want: all, samplers });
    const plain = await tokensOf(engine, frame);
    const mixed = { ...frame, want_samplers: Int32Array.of(0, 4, 9) };
    const tokens = await tokensOf(engine, mixed);
    assert.deepEqual(failures(tokens), [undefined, "bad_logits", "no_sampler"]);
    assert.deepEqual(tokens.map((t) => t.slot), all);
    assertSame(tokens.slice(0, 1), plain.slice(0, 1), "the row beside");
    await engine.layout("r", { capacity: 64, keep: Int32Array.of(0) });
    const later = { ...chain("r", 1, [5], { samplers: [] }), drop_samplers: [4] };
    assert.deepEqual(
      failures(await tokensOf(engine, { ...later, want_samplers: Int32Array.of(0) })),
      [
        undefined,
      ],
    );
    assert.deepEqual(
      failures(await tokensOf(engine, { ...later, want_samplers: Int32Array.of(4) })),
      [
        "no_sampler",
      ],
    );
  },
);

Deno.test(
  "rows with hidden states that are not finite fail, with what hangs on them, and spare the others",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const { hidden: width } = fixture.geometry;
    const stages = [await fixture.engine(1, 2), await fixture.engine(3, 3)];
    /** Two chains of two rows each, by turns; row 0 as told. */
    const run = async (arena: string, base: number, first: number): Promise<TokenResult[]> => {
      let hidden = Float32Array.from({ length: 4 * width }, (_, i) => Math.cos(i + base));
      hidden[3] = first;
      const frame: Frame = {
        ...chain(arena, base, [1, 2, 3, 4], { want: range(4) }),
        positions: Int32Array.from([0, 0, 1, 1], (p) => p + base / 2),
        parents: Int32Array.from(
          base === 0 ? [-1, -1, 0, 1] : [base - 2, base - 1, base, base + 1],
        ),
      };
      const middle = await stages[0].run({ ...frame, hidden: fromFloat32([4, width], hidden) });
      assert.ok(middle.kind === "hidden");
      hidden = new Float32Array(middle.hidden.data.buffer as ArrayBuffer);
      return await tokensOf(stages[1], { ...frame, hidden: middle.hidden });
    };
    for (const arena of ["well", "ill"]) for (const engine of stages) await open(engine, arena);
    const well = [...await run("well", 0, 1), ...await run("well", 4, 1)];
    for (const damage of [NaN, Infinity, -Infinity]) {
      const ill = [...await run("ill", 0, damage), ...await run("ill", 4, 1)];
      assert.deepEqual(
        failures(ill),
        range(8).map((row) => row % 2 === 0 ? "bad_hidden" : undefined),
        "the other chain is well, this one is lost in later frames too",
      );
      const others = (tokens: TokenResult[]) => tokens.filter((_, row) => row % 2 === 1);
      assertSame(others(ill), others(well), `beside ${damage}`);
    }
    // Overwritten by good rows, the slots are good again; nothing is left of what stood there.
    assertSame([...await run("ill", 0, 1), ...await run("ill", 4, 1)], well, "after the damage");
  },
);

Deno.test(
  "a token with damaged weights is lost, and rows of later frames do not meet it",
  options,
  async () => {
    await using fixture = await Fixture.make({ tied: false });
    const { manifest, blobsDir } = fixture.model;
    const { sha256, tensors } = manifest.embedding;
    const token = 9;
    using file = await Deno.open(join(blobsDir, sha256), { read: true, write: true });
    await file.seek(
      tensors.embed.data.offset + token * fixture.geometry.hidden * 4,
      Deno.SeekMode.Start,
    );
    await file.write(new Uint8Array(Float32Array.of(NaN).buffer));
    const engine = await fixture.engine();
    for (const arena of ["well", "ill"]) await open(engine, arena);
    const root = { parent: -1, position: 0 };
    await engine.run(chain("well", 0, [8]));
    assert.deepEqual(failures(await tokensOf(engine, chain("ill", 0, [token]))), ["bad_hidden"]);
    assert.deepEqual(failures(await tokensOf(engine, chain("ill", 1, [7]))), ["bad_hidden"]);
    assertSame(
      await tokensOf(engine, chain("ill", 1, [5, 6], root)),
      await tokensOf(engine, chain("well", 1, [5, 6], root)),
      "another root",
    );
  },
);

Deno.test("moves() and Slots.moved() keep every path, for any tree and any rows that are kept with their ancestors, below or on the shelf", () => {
  const node = fc.record({
    parent: fc.nat(),
    chained: fc.boolean(),
    wanted: fc.boolean(),
    away: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(node, { minLength: 1, maxLength: 24 }),
      fc.nat({ max: 6 }),
      (nodes, spare) => {
        const parents = nodes.map(({ parent, chained }, slot) =>
          chained ? slot - 1 : parent % (slot + 1) - 1
        );
        const slots = new Slots(nodes.length);
        const tokens = Int32Array.from(nodes, (_, slot) => 100 + slot);
        const positions = Int32Array.from(tokens, (_, slot) => slot);
        slots.write({ base: 0, tokens, positions, parents: Int32Array.from(parents) });
        const kept = new Set<number>();
        const below = new Set<number>();
        nodes.forEach(({ wanted, away }, slot) => {
          for (let s = slot; wanted && s >= 0; s = parents[s]) {
            kept.add(s);
            if (!away) below.add(s);
          }
        });
        const keep = Int32Array.from(below).sort();
        const shelf = Int32Array.from([...kept].filter((slot) => !below.has(slot))).sort();
        const capacity = kept.size + spare || 1;
        const moved = slots.moved(capacity, keep, shelf);
        const now = new Map([...keep].map((from, to) => [from, to]));
        shelf.forEach((from, i) => now.set(from, capacity - shelf.length + i));
        for (const [from, to] of now) {
          const parent = parents[from];
          assert.equal(moved.parent(to), parent < 0 ? -1 : now.get(parent));
          assert.equal(moved.position(to), slots.position(from));
          if (below.has(from)) assert.deepEqual(moved.path(to, 3), slots.path(from, 3));
        }
        const room = capacity - shelf.length;
        const rows = (base: number, parent: number) => ({
          base,
          ...{
            tokens: Int32Array.of(1),
            positions: Int32Array.of(99),
            parents: Int32Array.of(parent),
          },
        });
        assert.throws(() => moved.check(rows(room, -1)), (e) => hasCode(e, "arena_full"));
        for (let slot = 0; slot < room - 1; slot++) {
          if (slot < keep.length) moved.check(rows(room - 1, slot));
          else {assert.throws(
              () => moved.check(rows(room - 1, slot)),
              (e) => hasCode(e, "bad_frame"),
            );}
        }
        const all = [...moves(keep), ...moves(shelf, room)]
          .flatMap(({ from, to, rows }) => range(rows).map((i) => [from + i, to + i]));
        assert.deepEqual(all, [...now]);
        // Down again, the shelf's rows after the others: what was there before.
        const back = Int32Array.from([...keep, ...shelf], (from) => now.get(from)!);
        const again = slots.moved(capacity, keep, shelf);
        const order = [...back].sort((a, b) => again.position(a) - again.position(b));
        const down = again.moved(capacity, Int32Array.from(order));
        order.forEach((_, to) =>
          assert.equal(down.position(to), [...kept].sort((a, b) => a - b)[to])
        );
      },
    ),
    { numRuns: 500, seed: 9 },
  );
});

Deno.test(
  "a request goes on after its rows were on the shelf, while others ran where they had stood",
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
