/**
 * Answers that are held to a grammar: the text is that of decoding under masks token by token,
 * whatever is drafted and however stages and head are split. Under the simulator, on toy stages.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { OrreryError, type Sampling, samplingSchema, seededRandom } from "../actors/mod.ts";
import { prompt, read, type ToyDrafter, toyTokens, world } from "./support/generation_world.ts";
import { type ToyGrammar, toyGrammar } from "./support/toy_grammar.ts";

const EOS = 250;
const greedy = samplingSchema.parse({});
const seeded = samplingSchema.parse({ temperature: 0.8, seed: 17 });

const EVEN = Array.from({ length: 100 }, (_, i) => 20 + 2 * i);

/**
 * 1 to `most` records of the form `1 2 3 free 4 5 6 7`: the numbers are forced, and `free` is 1 to 3
 * even tokens from 20 on.
 */
function records(most: number): ToyGrammar {
  return toyGrammar(EOS, (path) => {
    const done = path.filter((token) => token === 7).length;
    const record = path.slice(path.lastIndexOf(7) + 1);
    const last = record.at(-1);
    if (last === EOS) return [];
    if (last === undefined) return done === 0 ? [1] : done < most ? [1, EOS] : [EOS];
    if (last < 3 || (last >= 4 && last < 7)) return [last + 1];
    if (last === 3) return EVEN;
    return record.length < 6 ? [...EVEN, 4] : [4];
  });
}

/** Free text of the tokens below 128 in which a 9 must be followed by 10 11 12. */
const tagged = toyGrammar(EOS, (path) => {
  const last = path.lastIndexOf(9);
  const since = last < 0 ? Infinity : path.length - last;
  return since <= 3 ? [9 + since] : undefined;
});

/** What decoding under masks gives, token by token, without the end token. */
function expected(grammar: ToyGrammar, sampling: Sampling, most: number) {
  const all = toyTokens([...prompt], most, sampling, (drawn, path) => grammar.choose(drawn, path));
  const end = all.indexOf(grammar.eos);
  return { tokens: end < 0 ? all : all.slice(0, end), finish: end < 0 ? "length" : "stop" };
}

const chances = (share: number, seed = 5): ToyDrafter["right"] => {
  const random = seededRandom(seed);
  return () => random() < share;
};

const drafters: Record<string, (() => ToyDrafter) | undefined> = {
  none: undefined,
  "always right": () => ({ right: () => true, chance: 0.9 }),
  "that the grammar refuses": () => ({ right: () => false, chance: 0.7 }),
  "right half of the time, with alternatives": () => ({
    right: chances(0.5),
    chance: 0.8,
    alternatives: true,
  }),
};

for (const [name, drafter] of Object.entries(drafters)) {
  Deno.test(`generationActor holds answers to a grammar as token by token, on any stages and shards, drafter ${name}`, async () => {
    for (const sampling of [greedy, seeded]) {
      for (const [stages, shards, ms] of [[1, 0, 0], [2, 0, 3], [2, 4, 0], [4, 2, 30]]) {
        for (const grammar of [records(3), tagged]) {
          const { tokens, finish } = expected(grammar, sampling, 40);
          const w = world({
            stages,
            shards,
            seed: stages + shards,
            drafter: drafter?.(),
            grammar: { ...grammar, ms },
          });
          const outcome = await w.answer("g", {
            mode: drafter ? "speculative" : "plain",
            ...(drafter && { draft_length: 5 }),
            sampling,
            max_tokens: 40,
          });
          const where = `${stages} stages, ${shards} shards, temperature ${sampling.temperature}`;
          assert.equal(outcome.type, "done", `${where}: ${outcome.error?.message}`);
          assert.deepEqual([outcome.tokens, outcome.done.finish], [tokens, finish], where);
          const { drafted, accepted } = outcome.done.orrery;
          assert.ok(accepted <= drafted, where);
          if (!drafter) assert.equal(outcome.done.orrery.mode, "plain");
        }
      }
    }
  });
}

Deno.test("generationActor holds any answer to any grammar, whatever is drafted, dropped and late", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.nat(1000),
        stages: fc.constantFrom(1, 2, 4),
        shards: fc.constantFrom(0, 0, 3),
        temperature: fc.constantFrom(0, 1),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
        alternatives: fc.boolean(),
        draft_length: fc.integer({ min: 0, max: 8 }),
        max_tokens: fc.integer({ min: 1, max: 30 }),
        ms: fc.integer({ min: 0, max: 40 }),
        drafterMs: fc.integer({ min: 0, max: 30 }),
        pieces: fc.integer({ min: 1, max: 50 }),
        past_eos: fc.boolean(),
        states: fc.array(
          fc.uniqueArray(fc.constantFrom(3, 4, 5, 50, 51, 120, 121, 200, EOS), {
            minLength: 1,
            maxLength: 4,
          }),
          { minLength: 1, maxLength: 5 },
        ),
      }),
      async (c) => {
        const sampling = samplingSchema.parse({ temperature: c.temperature, seed: c.seed });
        // A machine whose state is a function of the last two tokens.
        const grammar = toyGrammar(EOS, (path) => {
          if (path.at(-1) === EOS) return [];
          const state = (7 * (path.at(-1) ?? 0) + (path.at(-2) ?? 0)) % c.states.length;
          return c.states[state];
        });
        const on = (tokens: number[] | undefined) =>
          tokens && tokens.length > 1 && c.past_eos ? tokens.filter((t) => t !== EOS) : tokens;
        const chosen = toyGrammar(EOS, (path) => on(grammar.allowed(path)));
        const { tokens, finish } = expected(chosen, sampling, c.max_tokens);
        const w = world({
          stages: c.stages,
          shards: c.shards,
          seed: c.seed,
          drafter: {
            right: chances(c.share, c.seed),
            alternatives: c.alternatives,
            ms: c.drafterMs,
            chance: 0.7,
          },
          grammar: { ...grammar, ms: c.ms },
        });
        const outcome = await w.answer("g", {
          mode: "speculative",
          sampling,
          draft_length: c.draft_length,
          max_tokens: c.max_tokens,
          past_eos: c.past_eos,
          pieces: [c.pieces],
        });
        assert.equal(outcome.type, "done", outcome.error?.message);
        assert.deepEqual([outcome.tokens, outcome.done.finish], [tokens, finish]);
        assert.equal(outcome.done.completion_tokens, tokens.length + (finish === "stop" ? 1 : 0));
      },
    ),
    { numRuns: 80, seed: 9 },
  );
});

Deno.test("generationActor runs a forced chain in one frame with the row before it, in mode plain too", async () => {
  const line = Array.from({ length: 20 }, (_, i) => 30 + i);
  const grammar = toyGrammar(EOS, (path) => {
    if (path.length === 0) return [3, 4];
    return path.length <= line.length ? [line[path.length - 1]] : [EOS];
  });
  const w = world({ stages: 2, grammar });
  const { tokens, done } = await w.answer("g", { max_tokens: 60 });
  assert.deepEqual(tokens.slice(1), line);
  assert.ok([3, 4].includes(tokens[0]));
  const { mode, drafted } = done.orrery;
  assert.deepEqual([mode, drafted, done.finish], ["plain", 0, "stop"]);
  const { frames } = await w.arbiter();
  assert.equal(
    frames,
    3 + 1,
    "three pieces of the prompt, and one frame for 21 tokens and the end",
  );
});

/** Free text of even tokens: a mask, and nothing that is forced. */
const evens = toyGrammar(EOS, () => EVEN);

Deno.test("generationActor works out a row's mask while the row's frame is under way, but not where shards have the head", async () => {
  for (const [stages, shards] of [[1, 0], [3, 0], [2, 2]]) {
    const tpot = async (ms: number) => {
      const w = world({ stages, shards, grammar: { ...evens, ms }, latencyMs: { min: 1, max: 1 } });
      const { tokens, done } = await w.answer("g", { max_tokens: 60 });
      assert.deepEqual(tokens, expected(evens, greedy, 60).tokens);
      return done.tpot_ms;
    };
    const [now, later] = [await tpot(0), await tpot(8)];
    const added = later - now;
    if (shards === 0) assert.ok(added < 1, `${stages} stages: ${added} ms a token`);
    else assert.ok(added > 7, `a mask of 8 ms adds ${added} ms a token`);
  }
});

Deno.test("generationActor lets no other request wait for the mask of a row that is given up", async () => {
  // Its walk is silent after a while, with a row under way.
  const w = world({ grammar: { ...evens, ms: 8, dies: "silent", diesAfter: 12 }, stages: 2 });
  const inbox = await w.start("g", { max_tokens: 60 });
  const until = (ms: number) =>
    w.sim.until(new Promise<void>((resolve) => w.sim.clock.after(ms, resolve)));
  void read(inbox);
  await until(1_000);
  assert.equal((await w.arbiter()).frames_in_flight, 1);
  await w.sim.until(w.api.tell("d/generation/g", { type: "cancel" }));
  await until(100);
  const { frames_in_flight, requests } = await w.arbiter();
  assert.deepEqual([frames_in_flight, requests], [0, 0]);
  const free = await w.answer("h", { constrained: undefined, max_tokens: 5 });
  assert.equal(free.type, "done");
});

Deno.test("generationActor opens a request with its first mask, or computes the prompt while that is late", async () => {
  for (const [ms, pieces] of [[2, 1], [200, 2]]) {
    const w = world({ stages: 2, grammar: { ...records(2), ms } });
    const { done } = await w.answer("g", { max_tokens: 2, pieces: [64] });
    assert.equal(done.orrery.pieces, pieces, `a mask after ${ms} ms`);
  }
});

Deno.test("generationActor fails a request whose walk breaks or is silent, and keeps nothing of it", async () => {
  for (
    const [dies, diesAfter] of [["rejects", 0], ["rejects", 3], ["silent", 0], [
      "silent",
      3,
    ]] as const
  ) {
    const w = world({ grammar: { ...records(9), dies, diesAfter }, silenceMs: 2_000 });
    const outcome = await w.answer("g", { max_tokens: 60 });
    assert.equal(outcome.type, "failed");
    if (dies === "silent") assert.equal(outcome.error.code, "grammar_silent");
    else assert.match(outcome.error.message, /the walk has a bug/);
    assert.deepEqual(w.generations(), []);
    const opened = diesAfter > 0 || dies === "silent";
    if (opened) assert.equal((await w.arbiter()).requests, 0);
  }
});

Deno.test("generationActor gives a walk that is slow its time while the stages have nothing to do", async () => {
  const grammar = records(2);
  const { tokens } = expected(grammar, greedy, 30);
  const w = world({ grammar: { ...grammar, ms: 900 }, silenceMs: 2_000 });
  assert.deepEqual((await w.answer("g", { max_tokens: 30 })).tokens, tokens);
});

Deno.test("generationActor.cancel ends an answer that waits for its grammar", async () => {
  const w = world({ grammar: { ...records(2), dies: "silent", diesAfter: 2 } });
  const inbox = await w.start("g", { max_tokens: 30 });
  await w.sim.until(inbox.next());
  await w.sim.until(w.api.tell("d/generation/g", { type: "cancel" }));
  await w.sim.until(new Promise<void>((resolve) => w.sim.clock.after(500, resolve)));
  assert.deepEqual(w.generations(), []);
  assert.equal((await w.arbiter()).requests, 0);
});

Deno.test("generationActor refuses an outline of an answer that is held to a grammar, and auto does without", async () => {
  const w = world({ grammar: records(2) });
  const refused = await w.answer("g", { mode: "outline", max_tokens: 20 });
  assert.deepEqual([refused.type, refused.error.code], ["failed", "invalid_value"]);
  assert.match(refused.error.message, /orrery.mode: there can be no outline: .* held to a grammar/);
  const { done } = await w.answer("h", { mode: "auto", max_tokens: 20 });
  assert.match(done.orrery.why, /no outline: an answer that is held to a grammar is one text/);
});

Deno.test("generationActor begins a constrained answer anew on the pipeline where the whole model fails", async () => {
  const grammar = records(3);
  const w = world({
    grammar,
    solo: {
      frameMs: () => 5,
      fails: new OrreryError({ group: "engine", code: "engine_failed", message: "no memory" }),
    },
  });
  const { tokens } = await w.answer("g", { max_tokens: 40, route: "one" });
  assert.deepEqual(tokens, expected(grammar, greedy, 40).tokens);
});

Deno.test("generationActor says that a stage is outdated that refuses the rows of strict samplers", async () => {
  const w = world({ stages: 2, grammar: records(2), outdated: true });
  const { error } = await w.answer("g", { max_tokens: 20 });
  assert.equal(error.code, "stages_outdated");
  assert.match(error.message, /bring every node up to date/);
});
