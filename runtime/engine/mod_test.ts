import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode } from "../../actors/system/errors.ts";
import type { Frame, TokenResult } from "../../actors/pipeline/mod.ts";
import { buildStageGraph } from "../../models/graph/mod.ts";
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
import { loadEngine } from "./mod.ts";

const options = { sanitizeOps: true, sanitizeResources: true };

Deno.test(
  "loadEngine() runs a prompt in pieces of 1, 7, 64 and all rows with the same result",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const results: TokenResult[][] = [];
    for (const piece of [TOKENS.length, 1, 7, 64]) {
      const request = `pieces of ${piece}`;
      await open(engine, request);
      const tokens: TokenResult[] = [];
      for (let base = 0; base < TOKENS.length; base += piece) {
        const part = TOKENS.slice(base, base + piece);
        tokens.push(
          ...await tokensOf(engine, chain(request, base, part, { want: range(part.length) })),
        );
      }
      results.push(tokens);
    }
    const [whole, ...pieces] = results;
    assert.deepEqual(whole.map((t) => t.slot), range(TOKENS.length));
    assert.ok(
      new Set(whole.map((t) => t.token)).size > 5,
      "a model that always says the same proves nothing",
    );
    pieces.forEach((tokens, i) => assertSame(tokens, whole, `pieces of ${[1, 7, 64][i]}`));
  },
);

Deno.test(
  "loadEngine() runs stages one after the other with the result of the whole",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const whole = await fixture.engine();
    const stages = [
      await fixture.engine(0, 0),
      await fixture.engine(1, 2),
      await fixture.engine(3, 3),
    ];
    for (const engine of [whole, ...stages]) await open(engine, "r");
    for (const [base, n] of [[0, 20], [20, 1], [21, 5]]) {
      const frame = chain("r", base, TOKENS.slice(base, base + n), { want: [0, n - 1] });
      const expected = await tokensOf(whole, frame);
      let moving = frame;
      for (const engine of stages.slice(0, -1)) {
        const output = await engine.run(moving);
        assert.ok(output.kind === "hidden");
        assert.deepEqual(output.hidden.shape, [n, fixture.geometry.hidden]);
        moving = { ...frame, hidden: output.hidden };
      }
      assertSame(await tokensOf(stages[2], moving), expected, `rows ${base} to ${base + n - 1}`);
    }
  },
);

Deno.test(
  "loadEngine() keeps two branches of an arena apart: each equals itself alone",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const prefix = TOKENS.slice(0, 10);
    const branches = [TOKENS.slice(10, 16), TOKENS.slice(40, 46)];
    const alone: TokenResult[][] = [];
    for (const [i, branch] of branches.entries()) {
      await open(engine, `alone ${i}`);
      await engine.run(chain(`alone ${i}`, 0, prefix));
      alone.push(await tokensOf(engine, chain(`alone ${i}`, 10, branch, { want: range(6) })));
    }
    assert.notDeepEqual(alone[0].map((t) => t.top), alone[1].map((t) => t.top));

    await open(engine, "one frame");
    await engine.run(chain("one frame", 0, prefix));
    const both: Frame = {
      ...chain("one frame", 10, branches.flat(), { want: range(12) }),
      positions: Int32Array.from({ length: 12 }, (_, i) => 10 + i % 6),
      parents: Int32Array.from({ length: 12 }, (_, i) => i % 6 === 0 ? 9 : 9 + i),
    };
    const tokens = await tokensOf(engine, both);
    assertSame(tokens.slice(0, 6), alone[0], "first branch, one frame");
    assertSame(tokens.slice(6), alone[1], "second branch, one frame");

    await open(engine, "by turns");
    await engine.run(chain("by turns", 0, prefix));
    const got: TokenResult[][] = [[], []];
    for (const step of range(6)) {
      // Slots alternate: the rows of a branch do not lie side by side.
      for (const b of [0, 1]) {
        const slot = 10 + 2 * step + b;
        const where = { parent: step === 0 ? 9 : slot - 2, position: 10 + step };
        got[b].push(...await tokensOf(engine, chain("by turns", slot, [branches[b][step]], where)));
      }
    }
    assertSame(got[0], alone[0], "first branch, by turns");
    assertSame(got[1], alone[1], "second branch, by turns");
  },
);

Deno.test("loadEngine() overwrites a chain that was cut", options, async () => {
  await using fixture = await Fixture.make();
  const engine = await fixture.engine();
  for (const request of ["cut", "plain"]) await open(engine, request);
  await engine.run(chain("cut", 0, TOKENS.slice(0, 20)));
  await engine.run(chain("cut", 20, TOKENS.slice(60, 70)));
  const cut = await tokensOf(engine, chain("cut", 14, TOKENS.slice(50, 53), { want: range(3) }));
  await engine.run(chain("plain", 0, TOKENS.slice(0, 14)));
  assertSame(
    cut,
    await tokensOf(engine, chain("plain", 14, TOKENS.slice(50, 53), { want: range(3) })),
    "after a cut",
  );
  await assert.rejects(engine.run(chain("cut", 18, [7])), (e) => hasCode(e, "bad_frame"));
});

Deno.test(
  "loadEngine() serves requests by turns without one disturbing another",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const prompts = [TOKENS.slice(0, 9), TOKENS.slice(30, 52), TOKENS.slice(70, 71)];
    const decode = async (request: string, prompt: number[]) => {
      await open(engine, request);
      let [last] = await tokensOf(engine, chain(request, 0, prompt));
      const all = [last];
      for (const step of range(12)) {
        [last] = await tokensOf(engine, chain(request, prompt.length + step, [last.token]));
        all.push(last);
      }
      return all;
    };
    const alone: TokenResult[][] = [];
    for (const [i, prompt] of prompts.entries()) alone.push(await decode(`alone ${i}`, prompt));
    const together = await Promise.all(prompts.map((prompt, i) => decode(`together ${i}`, prompt)));
    assert.deepEqual(together, alone);
  },
);

Deno.test(
  "loadEngine() draws the same tokens for a seed however rows are cut into frames",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const sampling = {
      temperature: 1.5,
      top_p: 0.95,
      repetition_penalty: 1.3,
      presence_penalty: 0.5,
      seed: 99,
    };
    const samplers = [sampler(sampling)];
    const draws: number[][] = [];
    for (const piece of [30, 4]) {
      await open(engine, `${piece}`);
      const drawn: number[] = [];
      for (let base = 0; base < 30; base += piece) {
        const part = TOKENS.slice(base, Math.min(30, base + piece));
        const tokens = await tokensOf(
          engine,
          chain(`${piece}`, base, part, { want: range(part.length), samplers }),
        );
        drawn.push(...tokens.map((t) => t.token));
      }
      draws.push(drawn);
    }
    assert.deepEqual(draws[0], draws[1]);
    await open(engine, "greedy");
    const greedy = await tokensOf(
      engine,
      chain("greedy", 0, TOKENS.slice(0, 30), { want: range(30) }),
    );
    assert.notDeepEqual(draws[0], greedy.map((t) => t.token));
  },
);

Deno.test("loadEngine() names the graph, when it does not load", options, async () => {
  await using fixture = await Fixture.make();
  const graph = await buildStageGraph(fixture.model.manifest, {
    firstLayer: 0,
    lastLayer: 3,
    blobDir: fixture.model.blobsDir,
  });
  const path = join(fixture.dir, "none.onnx");
  await assert.rejects(
    loadEngine({
      graph: { ...graph, path },
      geometry: fixture.geometry,
      threads: 1,
      arenaBudgetBytes: 1,
    }),
    (e) => hasCode(e, "engine_failed") && e.message.includes(path),
  );
});
