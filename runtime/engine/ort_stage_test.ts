import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode } from "../../actors/system/errors.ts";
import {
  type Frame,
  fromFloat32,
  oneToken,
  packMask,
  type Sampling,
  type TokenResult,
} from "../../actors/pipeline/mod.ts";
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
import { gumbel, randomKey } from "../../actors/pipeline/random.ts";

const options = { sanitizeOps: true, sanitizeResources: true };

/** Error code of each result; undefined where a token was chosen. */
const failures = (tokens: TokenResult[]) => tokens.map((t) => t.failed?.code);

Deno.test("OrtStage.run() counts penalties along a row's own path only", options, async () => {
  await using fixture = await Fixture.make();
  const engine = await fixture.engine();
  await open(engine, "plain");
  await engine.run(chain("plain", 0, TOKENS.slice(0, 10)));
  const [{ token: best }] = await tokensOf(engine, chain("plain", 10, [7]));
  // One branch holds the token that the other one is about to choose: it must not be penalised
  // there.
  await open(engine, "penalised");
  const samplers = [sampler({ presence_penalty: 2, frequency_penalty: 2, repetition_penalty: 10 })];
  await engine.run(chain("penalised", 0, TOKENS.slice(0, 10)));
  await engine.run(chain("penalised", 10, [best, best, best]));
  const [sibling] = await tokensOf(
    engine,
    chain("penalised", 13, [7], { parent: 9, position: 10, samplers }),
  );
  assert.equal(sibling.token, best);
  await engine.run(chain("penalised", 14, [best], { parent: 9, position: 10 }));
  const [child] = await tokensOf(engine, chain("penalised", 15, [7], { position: 11, samplers }));
  assert.notEqual(child.token, best);
});

Deno.test(
  "OrtStage.run() spares the prompt from presence and frequency penalties",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    await open(engine, "plain");
    const plain = await tokensOf(engine, chain("plain", 0, TOKENS, { want: range(TOKENS.length) }));
    // A row after which the best token stands in the path already, and a close second does not.
    const rows = 1 + plain.findIndex(({ token, top }, row) => {
      const path = TOKENS.slice(0, row + 1);
      return path.includes(token) && !path.includes(top![1][0]) && top![0][1] - top![1][1] < 3;
    });
    assert.ok(rows > 0, "no row of this model shows the difference");
    const { token, top } = plain[rows - 1];
    for (const [prompt_rows, expected] of [[rows, token], [0, top![1][0]]]) {
      const request = `prompt of ${prompt_rows}`;
      await open(engine, request);
      const samplers = [sampler({ presence_penalty: 2, frequency_penalty: 2 }, { prompt_rows })];
      const [got] = await tokensOf(engine, chain(request, 0, TOKENS.slice(0, rows), { samplers }));
      assert.equal(got.token, expected, request);
    }
  },
);

Deno.test(
  "OrtStage.run() draws with the seed and the position of the sampled token",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    await open(engine, "r");
    const samplers = [sampler({ temperature: 2, top_k: 5, seed: 3 })];
    const tokens = await tokensOf(
      engine,
      chain("r", 0, TOKENS.slice(0, 40), { want: range(40), samplers }),
    );
    const expected = tokens.map(({ top }, row) => {
      const key = randomKey(3, row + 1);
      const scores = top!.map(([token, p]) => p / 2 + gumbel(key, token));
      return top![scores.indexOf(Math.max(...scores))][0];
    });
    assert.deepEqual(tokens.map((t) => t.token), expected);
  },
);

Deno.test(
  "OrtStage.run() refuses what does not fit and keeps the arena usable",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    await open(engine, "r", 16);
    await engine.run(chain("r", 0, TOKENS.slice(0, 10)));
    await assert.rejects(
      engine.run(chain("r", 10, TOKENS.slice(10, 17))),
      (e) => hasCode(e, "arena_full") && e.metadata.capacity === 16 && e.metadata.needed === 17,
    );
    const { vocab, context } = fixture.geometry;
    const bad: Frame[] = [
      chain("r", 10, [vocab]),
      chain("r", 10, [-1]),
      chain("r", 10, [1], { position: context }),
      chain("r", 12, [1]),
      chain("r", 10, [1], { want: [1] }),
      chain("r", 10, []),
      { ...chain("r", 10, [1]), hidden: fromFloat32([1, 64], new Float32Array(64)) },
    ];
    for (const frame of bad) {
      await assert.rejects(
        engine.run(frame),
        (e) => hasCode(e, "bad_frame"),
      );
    }
    await assert.rejects(engine.run(chain("other", 0, [1])), (e) => hasCode(e, "no_arena"));
    assert.equal((await tokensOf(engine, chain("r", 10, [1]))).length, 1);
    assert.equal((await tokensOf(engine, chain("r", 11, [1], { want: [] }))).length, 0);
    assert.equal((await engine.stats()).frames, 3);
  },
);

Deno.test(
  "OrtStage.run() refuses a frame without hidden states, when it is not the first stage",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine(2, 3);
    await open(engine, "r");
    await assert.rejects(engine.run(chain("r", 0, [1])), (e) => hasCode(e, "bad_frame"));
  },
);

Deno.test(
  "OrtStage.run() fails one row alone, when nothing can be chosen for it",
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
    assert.deepEqual(failures(tokens), [undefined, "no_token_left", "no_sampler"]);
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
  "OrtStage.run() holds rows to their masks, and fails alone those whose mask allows nothing or is unknown",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const { vocab } = fixture.geometry;
    await open(engine, "r");
    const rows = range(4);
    const frame = chain("r", 0, TOKENS.slice(0, 4), { want: rows });
    const plain = await tokensOf(engine, frame);
    const masked = {
      ...frame,
      masks: [
        { id: 3, bits: packMask(oneToken(17), vocab) },
        { id: 5, bits: packMask(new Int32Array(0), vocab) },
      ],
      want_masks: Int32Array.of(-1, 3, 5, 9),
    };
    const tokens = await tokensOf(engine, masked);
    assert.deepEqual(failures(tokens), [undefined, undefined, "no_token_left", "no_mask"]);
    assertSame(tokens.slice(0, 1), plain.slice(0, 1), "the row without a mask");
    assert.equal(tokens[1].token, 17);
    assert.deepEqual(tokens[1].top, plain[1].top, "log-probabilities are those without the mask");
    const later = { ...frame, want_masks: Int32Array.of(3, 3, 3, 3) };
    assert.deepEqual((await tokensOf(engine, later)).map((t) => t.token), [17, 17, 17, 17]);
    const dropped = await tokensOf(engine, { ...later, drop_masks: [3] });
    assert.deepEqual(failures(dropped), rows.map(() => "no_mask"));
    const beyond = { id: 1, bits: packMask(oneToken(vocab), vocab + 1) };
    await assert.rejects(
      engine.run({ ...frame, masks: [beyond] }),
      (e) => hasCode(e, "bad_frame") && /mask 1: .* beyond the/.test((e as Error).message),
    );
  },
);

Deno.test(
  "OrtStage.run() of a program that knows no masks refuses the rows of strict samplers",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    await open(engine, "r");
    const frame = { ...chain("r", 0, [1, 2], { samplers: [] }), strict_samplers: [sampler()] };
    assert.deepEqual(failures(await tokensOf(engine, frame)), [undefined]);
    await open(engine, "s");
    // What a stage of the version before reads of the frame.
    const { strict_samplers: _, ...read } = frame;
    assert.deepEqual(failures(await tokensOf(engine, { ...read, arena: "s" })), ["no_sampler"]);
  },
);

Deno.test(
  "OrtStage.run() fails rows with hidden states that are not finite and what hangs on them, and spares the others",
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
  "OrtStage.run() fails a token with damaged weights, and hides it from rows of later frames",
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

Deno.test(
  "OrtStage.run() chooses among the tokens that have logits as if all others were banned",
  options,
  async () => {
    // The second range lies in two parts of the head, the last one ends with the vocabulary.
    const kept = [{ first: 5, rows: 20 }, { first: 60, rows: 60 }, { first: 287, rows: 1 }];
    const has = (id: number) => kept.some(({ first, rows }) => id >= first && id < first + rows);
    const banned = range(288).filter((id) => !has(id)); // more than a request may ban
    const banning = (some: Partial<Sampling>) => {
      const own = sampler(some);
      return { ...own, sampling: { ...own.sampling, banned } };
    };
    for (const precision of ["f32", "q4"] as const) {
      await using fixture = await Fixture.make({ layers: 2 }, precision);
      const whole = await fixture.engine();
      const trimmed = await fixture.engine(0, 1, 1 << 24, kept);
      for (
        const sampling of [
          {},
          { temperature: 1.1, seed: 3 },
          { temperature: 2, top_k: 7, seed: 4 },
          { temperature: 2, top_p: 0.8, seed: 5 },
          { temperature: 1, repetition_penalty: 1.5, logit_bias: [[61, 3], [150, 90]], seed: 6 },
        ] as Partial<Sampling>[]
      ) {
        await open(whole, "w");
        await open(trimmed, "t");
        const want = { want: range(TOKENS.length) };
        const all = await tokensOf(
          whole,
          chain("w", 0, TOKENS, { ...want, samplers: [banning(sampling)] }),
        );
        const some = await tokensOf(
          trimmed,
          chain("t", 0, TOKENS, { ...want, samplers: [sampler(sampling)] }),
        );
        const what = `${precision} ${JSON.stringify(sampling)}`;
        assert.deepEqual(some.map((t) => t.token), all.map((t) => t.token), what);
        // A probability is that among the tokens that have logits.
        for (const { top } of some) {
          assert.ok(top!.every(([id]) => has(id)), what);
          assert.ok(top!.reduce((sum, [, p]) => sum + Math.exp(p), 0) <= 1 + 1e-6, what);
        }
        await whole.close("w");
        await trimmed.close("t");
      }
    }
  },
);
