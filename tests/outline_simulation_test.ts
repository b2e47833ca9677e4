/**
 * Answers by an outline under the simulator: each branch says what its own prompt alone would give,
 * and the text is in order.
 */
import assert from "node:assert/strict";
import {
  address,
  type Delta,
  type OutlineText,
  samplingSchema,
  seededRandom,
} from "../actors/mod.ts";
import { OUTLINE } from "./simulations/outline.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { ARBITER, plainCodec, read, toyTokens, world } from "./support/generation_world.ts";
import { alone, EOS, names, outline, plain, whole, words } from "./support/outline_words.ts";

const greedy = samplingSchema.parse({});

Deno.test("generationActor in mode outline gives each branch's text on every seed", async () => {
  await assertSeeds(OUTLINE, seedsFrom(0, 12));
});

for (const broken of OUTLINE.broken) {
  Deno.test(`OUTLINE.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("generationActor in mode outline gives each branch's own text, in one text in order", async () => {
  assert.equal(outline.indexOf(EOS), 10, "the outline must not end early");
  for (const stages of [1, 2, 4]) {
    for (const [n, max_branches] of [[2, 8], [5, 8], [5, 2], [12, 3]]) {
      for (const mode of ["outline", "outline+speculative"]) {
        const drafter = { right: (i: number) => i % 4 > 0, chance: 0.8, ms: 1 };
        const w = world({ stages, seed: n, outline: () => words(names(n)), drafter });
        const { text, deltas, done } = await w.answer("g", {
          mode,
          max_branches,
          max_tokens: 11 + n * 9,
          eos: [EOS],
        });
        const where = `${stages} stages, ${n} points, ${max_branches} at once, ${mode}`;
        assert.equal(text, whole(n, 9), where);
        assert.equal(done.orrery.branches, n);
        assert.equal(done.orrery.mode.startsWith("outline"), true, done.orrery.why);
        if (mode === "outline") assert.equal(done.orrery.drafted, 0);
        assert.equal(done.finish, names(n).some((_, k) => alone(k, 9).cut) ? "length" : "stop");
        const branches = deltas.map(({ branch }) => branch!);
        assert.deepEqual(
          branches,
          branches.toSorted((a, b) => a - b),
          "a plain client sees them in order",
        );
        await w.sim.run({ forMs: 1_000 });
        assert.deepEqual(w.generations(), []);
        assert.equal((await w.arbiter()).requests, 0);
      }
    }
  }
});

Deno.test("generationActor in mode outline runs eight branches in far less than eight times one", async () => {
  const time = async (max_branches: number) => {
    const frameMs = (rows: number) => 15 + 2 * (rows - 1);
    const w = world({ stages: 4, frameMs, outline: () => words(names(8)) });
    const { done } = await w.answer("g", {
      mode: "outline",
      max_branches,
      max_tokens: 11 + 8 * 30,
      eos: [EOS],
    });
    return 1000 / done.orrery.tokens_per_s;
  };
  assert.ok(
    await time(8) < 0.6 * await time(2),
    "more branches at once, fewer milliseconds a token",
  );
});

Deno.test("generationActor in mode outline sends live branches as they come, with their numbers", async () => {
  const w = world({ stages: 2, outline: () => words(names(4)) });
  const { deltas } = await w.answer("g", {
    mode: "outline",
    max_tokens: 60,
    eos: [EOS],
    live_branches: true,
  });
  const order = deltas.map(({ branch }) => branch!);
  assert.notDeepEqual(order, order.toSorted((a, b) => a - b));
  const limit = Math.floor((60 - 11) / 4);
  for (let k = 0; k < 4; k++) {
    const text = deltas.filter(({ branch }: Delta) => branch === k).map((d) => d.text).join("");
    assert.equal(text, `${k + 1}. Point${k}: ${alone(k, limit).text}`);
  }
});

Deno.test("generationActor in mode outline answers plainly, and says why, when the outline is useless", async () => {
  const cases: [string, OutlineText, Record<string, unknown>, RegExp][] = [
    ["malformed", words([], { parse: () => ({ malformed: "no list" }) }), {}, /no list/],
    ["one point", words(["Only"]), {}, /1 point/],
    ["endless", words(names(3)), { eos: [250] }, /did not end/],
    ["too many points", words(names(30)), {}, /too few for 30 points/],
    [
      "other beginning",
      words(names(3), { branchPrompt: () => Int32Array.of(1, 2) }),
      {},
      /do not begin/,
    ],
  ];
  for (const [name, text, more, why] of cases) {
    const w = world({ outline: () => text });
    const max_tokens = 40;
    const { tokens, done } = await w.answer("g", {
      mode: "outline",
      max_tokens,
      eos: [EOS],
      ...more,
    });
    assert.match(done.orrery.why, why, name);
    assert.match(done.orrery.why, /plain though outline was asked for/);
    assert.equal(done.orrery.mode, "plain");
    assert.equal(done.orrery.branches, 0);
    assert.ok(tokens.length > 0 && done.completion_tokens <= max_tokens, name);
    assert.deepEqual(tokens, plain.slice(0, tokens.length), name);
    await w.sim.run({ forMs: 1_000 });
    assert.equal((await w.arbiter()).requests, 0);
  }
});

Deno.test("generationActor in mode outline answers plainly at once when no outline can be right", async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ stop: ["x"] }, /stop strings/],
    [{ sampling: { ...greedy, logprobs: true } }, /log-probabilities/],
    [{ sampling: { ...greedy, presence_penalty: 1 } }, /penalties/],
    [{ max_branches: 1 }, /one branch/],
    [{ context: 50 }, /context of 50/],
    [{ mode: "auto" }, /how long answers are here is not measured yet/],
    [{ mode: "auto", answer_tokens: 20 }, /too short/],
  ];
  for (const [more, why] of cases) {
    const w = world({ outline: () => words(names(3)) });
    const { tokens, done } = await w.answer("g", { mode: "outline", max_tokens: 20, ...more });
    assert.match(done.orrery.why, why);
    assert.deepEqual(tokens, plain.slice(0, 20));
  }
  const { done } = await world().answer("g", { mode: "outline" });
  assert.match(done.orrery.why, /not a conversation/);
});

Deno.test("generationActor in mode auto answers by outline where the router says so and answers are long", async () => {
  const w = world({ outline: () => words(names(6)) });
  const { done } = await w.answer("g", {
    mode: "auto",
    max_tokens: 200,
    answer_tokens: 150,
    eos: [EOS],
  });
  assert.equal(done.orrery.mode, "outline", done.orrery.why);
  assert.match(done.orrery.why, /outline because it has parts; 6 points/);
  const unsuited = words(names(6), { route: { suited: false, why: "it is a sum" } });
  const other = await world({ outline: () => unsuited }).answer("g", {
    mode: "auto",
    answer_tokens: 150,
  });
  assert.match(other.done.orrery.why, /no outline: it is a sum/);
});

Deno.test("generationActor.cancel, or a client that is gone, ends all branches of an outline", async () => {
  for (let seed = 0; seed < 12; seed++) {
    const w = world({ stages: 2, seed, outline: () => words(names(6)), codec: plainCodec });
    const inbox = await w.start("g", { mode: "outline", max_tokens: 200, eos: [EOS] });
    await w.sim.run({ forMs: 100 + 40 * seed });
    if (seed % 2) inbox.close();
    else await w.sim.until(w.api.tell(address("d", "generation", "g"), { type: "cancel" }));
    inbox.close();
    await w.sim.run({ forMs: 20_000 });
    assert.deepEqual(w.generations(), []);
    assert.equal((await w.arbiter()).requests, 0);
  }
});

Deno.test("generationActor in mode outline fails when a stage dies", async () => {
  const w = world({ stages: 2, outline: () => words(names(6)) });
  const inbox = await w.start("g", { mode: "outline", max_tokens: 200, eos: [EOS] });
  await w.sim.until(inbox.next());
  w.sim.crash("s1");
  const { type } = await w.sim.until(read(inbox));
  assert.equal(type, "failed");
});

Deno.test("generationActor in mode outline expands the client's points without making an outline", async () => {
  for (const stages of [1, 3]) {
    for (
      const [n, max_branches, mode] of [[1, 8, "auto"], [5, 2, "outline"], [
        6,
        8,
        "outline+speculative",
      ]] as const
    ) {
      const w = world({ stages, outline: () => words([]) });
      const { text, done } = await w.answer("g", {
        mode,
        max_branches,
        points: names(n),
        max_tokens: n * 9,
        eos: [EOS],
      });
      assert.equal(text, whole(n, 9), `${stages} stages, ${n} points, ${mode}`);
      assert.equal(done.orrery.branches, n);
      assert.match(done.orrery.why, /outline of the points that were given/);
      const told = names(n).map((_, k) => alone(k, 9)).map(({ text, cut }) =>
        text.split(" ").length + (cut ? 0 : 1)
      );
      assert.equal(done.completion_tokens, told.reduce((a, b) => a + b), "no outline is generated");
      await w.sim.run({ forMs: 1_000 });
      assert.equal((await w.arbiter()).requests, 0);
    }
  }
});

Deno.test("generationActor in mode outline refuses points that cannot be expanded, naming the field", async () => {
  const points = names(5);
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ stop: ["x"] }, /^orrery.points: stop strings/],
    [{ max_tokens: 10 }, /^orrery.points: 10 tokens are too few for 5 points/],
    [{ context: 44, max_tokens: 25 }, /^orrery.points: a point's/],
    [{ mode: "plain" }, /^orrery.points: mode plain has no outline/],
  ];
  for (const [more, why] of cases) {
    const w = world({ outline: () => words([]) });
    const { type, error } = await w.answer("g", { mode: "outline", points, ...more });
    assert.equal(type, "failed");
    assert.equal(error.code, "invalid_value");
    assert.match(error.message, why);
    await w.sim.run({ forMs: 1_000 });
    assert.deepEqual(w.generations(), []);
  }
  const { error } = await world().answer("g", { mode: "outline", points });
  assert.match(error.message, /^orrery.points: the prompt is not a conversation/);
});

Deno.test("generationActor in mode outline asks for no more rows than its branches may take", async () => {
  // The arena of the toy world holds 4096 rows; the context is what a request is refused for, not
  // the arena.
  const w = world({ stages: 2, outline: () => words(names(8)) });
  const { done, type } = await w.answer("g", {
    mode: "outline",
    max_tokens: 8 * 9 + 11,
    eos: [EOS],
    context: 128,
  });
  assert.equal(type, "done");
  assert.equal(done.orrery.mode, "outline", done.orrery.why);
  assert.ok(
    (await w.sim.until(w.api.ask(ARBITER, { type: "stats" })) as { capacity: number }).capacity <=
      256,
  );
});

/**
 * Milliseconds of a frame by its rows, as a core measured them for a quarter of a 0.5B model;
 * between them a straight line.
 */
const MEASURED = [[1, 3.2], [2, 3.2], [3, 4.1], [4, 4.8], [6, 6], [8, 7.6], [16, 13.4], [32, 26], [
  4096,
  3300,
]];

function measuredMs(rows: number): number {
  const at = Math.max(1, MEASURED.findIndex(([n]) => n >= rows));
  const [[n, ms], [next, nextMs]] = MEASURED.slice(at - 1, at + 1);
  return ms + (nextMs - ms) * (rows - n) / (next - n);
}

/**
 * What all branches say in `each` tokens, with their prompts' ends before it, a share of the tokens
 * changed.
 */
function almost(points: string[], each: number, share: number): Int32Array<ArrayBuffer> {
  const random = seededRandom(3);
  return Int32Array.from(points.flatMap((_, k) => {
    const own = Array.from(
      words([]).branchPrompt({ tokens: outline.slice(0, 10), text: "", points: [] }, k),
    );
    const truth = toyTokens(own, each, greedy);
    return [...own.slice(-5), ...truth.map((t) => random() < share ? t : (t + 7) % 251)];
  }));
}

/**
 * Virtual milliseconds of three answers of eight branches, each with what those before have
 * measured.
 */
async function answersMs(
  mode: string,
  { stages, share, by }: { stages: number; share: number; by: "model" | "lookup" },
): Promise<number> {
  const each = 64;
  const random = seededRandom(6);
  const w = world({
    stages,
    frameMs: (rows) => measuredMs(rows) * 4 / stages / 0.45,
    outline: () => words(names(8)),
    ...(by === "model" &&
      { drafter: { right: () => random() < share, chance: Math.max(0.3, share), ms: 1 } }),
  });
  let [ms, measured] = [0, {}];
  for (const key of ["a", "b", "c"]) {
    const began = w.sim.clock.now();
    const { done } = await w.answer(key, {
      mode,
      points: names(8),
      max_tokens: 8 * each,
      measured,
      ...(by === "lookup" && { prediction: almost(names(8), each, share) }),
    });
    measured = { ...measured, ...done.measured };
    ms += w.sim.clock.now() - began;
  }
  return ms;
}

Deno.test("generationActor in mode outline drafts in branches at under 6 % cost, and saves 15 % if drafts are right", async () => {
  const ratios: number[] = [];
  for (const stages of [1, 2, 4]) {
    const alone = await answersMs("outline", { stages, share: 0, by: "model" });
    for (const by of ["model", "lookup"] as const) {
      for (const share of [0, 0.3, 0.6, 0.8, 0.95]) {
        const ratio = await answersMs("outline+speculative", { stages, share, by }) / alone;
        assert.ok(
          ratio < 1.06,
          `${by} on ${stages} stages, ${share} right: ${ratio} of the outline's time`,
        );
        ratios.push(ratio);
      }
    }
  }
  const mean = ratios.reduce((a, b) => a + b) / ratios.length;
  assert.ok(mean < 1.02, `${mean} of the outline's time in the mean`);
  // A sixth of the steps of these first answers go into measuring all three ways to decode.
  assert.ok(Math.min(...ratios) < 0.85, `${Math.min(...ratios)} of the outline's time at best`);
});
