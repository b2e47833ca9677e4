/**
 * Stages and shards move, or are lost and replaced, while answers of every kind run: prompts, plain
 * decoding, speculation, outlines, answers held to a grammar. Every text is the undisturbed one.
 * Under the simulator, on toy stages.
 */
import assert from "node:assert/strict";
import { type OutlineText, samplingSchema, seededRandom } from "../actors/mod.ts";
import {
  type GenerationWorldOptions,
  type Outcome,
  prompt,
  read,
  toyTokens,
  world,
} from "./support/generation_world.ts";
import { TOY_VOCAB, type ToyEngine } from "./support/toy_engine.ts";
import { toyGrammar } from "./support/toy_grammar.ts";

const greedy = samplingSchema.parse({});
const seeded = samplingSchema.parse({ temperature: 0.8, seed: 17 });
const outline = toyTokens(Array.from(prompt), 12, greedy);
const END = outline[10];

/** Four points, whose branches end with the outline's end token or after their share. */
const words: OutlineText = {
  route: { suited: true, why: "it has parts" },
  outlinePrompt: () => prompt.slice(),
  parse: () => ({ points: ["A", "B", "C", "D"] }),
  write: (points) => ({ tokens: outline.slice(0, 10), text: "", points }),
  branchPrompt: ({ tokens }, k) =>
    Int32Array.from([...prompt, ...tokens, END, 5, 6, 40 + k, 41 + k, 42]),
  heading: (all, k) => `${k + 1}. ${all[k]}: `,
};

const EOS = 250;
/** Records whose numbers are forced, and a few even tokens between them. */
const grammar = toyGrammar(EOS, (path) => {
  const last = path.at(-1);
  if (last === EOS) return [];
  if (last === undefined || last === 7) return path.length > 24 ? [EOS] : [1];
  if (last < 3 || (last >= 4 && last < 7)) return [last + 1];
  const even = Array.from({ length: 60 }, (_, i) => 20 + 2 * i);
  return path.slice(path.lastIndexOf(3)).length > 4 ? [4] : even;
});

const halfRight = () => {
  const random = seededRandom(5);
  return { right: () => random() < 0.6, chance: 0.8, ms: 2 };
};

interface Kind {
  options?: () => GenerationWorldOptions;
  request: Record<string, unknown>;
}

const KINDS: Record<string, Kind> = {
  "a long prompt": {
    request: {
      prompt: Int32Array.from({ length: 400 }, (_, i) => (i * 31 + 5) % TOY_VOCAB),
      pieces: [32],
    },
  },
  "plain decoding": { request: { sampling: seeded } },
  speculation: {
    options: () => ({ drafter: halfRight() }),
    request: { mode: "speculative", draft_length: 5 },
  },
  "an outline": {
    options: () => ({ outline: () => words }),
    request: { mode: "outline", max_branches: 4, max_tokens: 60, eos: [END] },
  },
  "an outline with drafts": {
    options: () => ({ outline: () => words, drafter: halfRight() }),
    request: { mode: "outline+speculative", max_branches: 4, max_tokens: 60, eos: [END] },
  },
  "a grammar": { options: () => ({ grammar: { ...grammar, ms: 3 } }), request: {} },
  "a grammar with drafts": {
    options: () => ({ grammar: { ...grammar, ms: 3 }, drafter: halfRight() }),
    request: { mode: "speculative", draft_length: 4 },
  },
};

interface Run {
  outcome: Outcome;
  rebuilds: number;
  ms: number;
}

/** Two answers of a kind side by side, disturbed or not. The second one begins a little later. */
async function run(
  { options, request }: Kind,
  { seed, shards, disturb, engine }: {
    seed: number;
    shards: number;
    disturb?: (w: ReturnType<typeof world>, sleep: (ms: number) => Promise<void>) => Promise<void>;
    engine?: (engine: ToyEngine) => void;
  },
): Promise<Run[]> {
  const w = world({ stages: 3, seed, shards, silenceMs: 60_000, ...options?.() });
  const sleep = (ms: number) => new Promise<void>((resolve) => void w.sim.clock.after(ms, resolve));
  if (engine) {
    const all = w.engines[1];
    const push = all.push.bind(all);
    all.push = (...more) => {
      if (all.length > 0) more.forEach(engine);
      return push(...more);
    };
  }
  const began = w.sim.clock.now();
  const answers = ["g", "h"].map(async (key, i) => {
    const inbox = await w.start(key, { max_tokens: 40, ...request });
    if (i === 0) await w.sim.run({ forMs: 30 });
    return inbox;
  });
  const inboxes = [await answers[0], await answers[1]];
  const ended = inboxes.map(read);
  const all = Promise.all(ended);
  await w.sim.until(Promise.all([all, disturb?.(w, sleep)]));
  const { rebuilds } = await w.arbiter();
  const ms = w.sim.clock.now() - began;
  return (await all).map((outcome) => ({ outcome, rebuilds, ms }));
}

const DISTURBANCES = {
  "they move": (random: () => number) => ({ lost: false, betweenMs: random() * 20 }),
  "their nodes are lost": (random: () => number) => ({ lost: true, betweenMs: random() * 200 }),
};

for (const [name, kind] of Object.entries(KINDS)) {
  for (const [what, how] of Object.entries(DISTURBANCES)) {
    Deno.test(`arbiterActor.replaced keeps the text of ${name}, whichever stages and shards, when ${what}`, async () => {
      let rebuilds = 0;
      for (let seed = 1; seed <= 3; seed++) {
        const shards = seed % 3 === 0 ? 2 : 0;
        const expected = await run(kind, { seed, shards });
        const random = seededRandom(seed * 77);
        const names = ["s0", "s1", "s2", ...Array.from({ length: shards }, (_, i) => `h${i}`)];
        const disturbed = await run(kind, {
          seed,
          shards,
          async disturb({ move }, sleep) {
            for (let n = 0; n < 3; n++) {
              await sleep(random() * expected[0].ms / 3);
              const some = names.filter(() => random() < 0.35);
              if (some.length === 0) some.push(names[Math.floor(random() * names.length)]);
              await move(some, how(random));
            }
          },
        });
        for (const [i, { outcome }] of disturbed.entries()) {
          const where = `seed ${seed}, answer ${i}`;
          assert.equal(outcome.type, "done", `${where}: ${outcome.error?.message}`);
          assert.equal(outcome.text, expected[i].outcome.text, where);
          assert.deepEqual(outcome.tokens, expected[i].outcome.tokens, where);
          assert.equal(outcome.done.finish, expected[i].outcome.done.finish, where);
          assert.equal(outcome.done.orrery.pauses, undefined, `${where}: it was begun anew`);
        }
        rebuilds += disturbed[0].rebuilds;
      }
      assert.ok(rebuilds >= 4, `${rebuilds} rebuilds: they hit nothing`);
    });
  }
}

Deno.test("arbiterActor.replaced keeps every text when the new node dies during the move", async () => {
  for (const [name, kind] of Object.entries(KINDS)) {
    for (let seed = 1; seed <= 2; seed++) {
      const expected = await run(kind, { seed, shards: 0 });
      const random = seededRandom(seed);
      const stage = `s${seed % 3}`;
      const disturbed = await run(kind, {
        seed,
        shards: 0,
        async disturb({ move }, sleep) {
          await sleep(random() * expected[0].ms / 2);
          await move([stage]);
          await sleep(random() * 30); // it is being rebuilt there
          await move([stage], { lost: true, betweenMs: random() * 100 });
        },
      });
      for (const [i, { outcome }] of disturbed.entries()) {
        const where = `${name}, seed ${seed}, answer ${i}`;
        assert.equal(outcome.type, "done", `${where}: ${outcome.error?.message}`);
        assert.equal(outcome.text, expected[i].outcome.text, where);
      }
    }
  }
});

Deno.test("arbiterActor.replaced gives another text where a new node computes rebuilt rows wrongly", async () => {
  const kind = KINDS["plain decoding"];
  const [{ outcome: expected, ms }] = await run(kind, { seed: 1, shards: 0 });
  const [{ outcome }] = await run(kind, {
    seed: 1,
    shards: 0,
    async disturb({ move }, sleep) {
      await sleep(ms / 2);
      await move(["s1"]);
    },
    engine(engine) {
      const computes = engine.run.bind(engine);
      engine.run = (frame) => {
        const { hidden, rebuild } = frame;
        if (!rebuild || !hidden) return computes(frame);
        const data = new Uint8Array(hidden.data.length);
        return computes({ ...frame, hidden: { ...hidden, data } });
      };
    },
  });
  assert.notDeepEqual(outcome.tokens, expected.tokens);
});
