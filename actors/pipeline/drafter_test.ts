/** The drafter in the deterministic simulation, with a toy model. */
import assert from "node:assert/strict";
import {
  address,
  directoryOf,
  type Drafted,
  drafterActor,
  drafterAddress,
  type Frame,
  hasCode,
  type LoadedDraft,
  OrreryError,
  type Sampling,
  samplingSchema,
  Simulation,
  type StageOutput,
  type WireError,
} from "../mod.ts";
import { TOY_VOCAB, toyAnswer, ToyEngine } from "../../tests/support/toy_engine.ts";

const LAYERS = 3;
const PROMPT = Array.from({ length: 20 }, (_, i) => (i * 37 + 11) % 251);

/** A toy engine that also reports log-probabilities, and keeps the frames that it ran. */
class DraftEngine extends ToyEngine {
  seen: Frame[] = [];
  override async run(frame: Frame): Promise<StageOutput> {
    this.seen.push(frame);
    const output = await super.run(frame);
    if (output.kind !== "tokens") return output;
    const { top_logprobs: width } = frame.samplers![0].sampling;
    const tokens = output.tokens.map((t) => ({
      ...t,
      logprob: Math.log(0.5),
      top: Array.from(
        { length: width },
        (_, i): [number, number] => [(t.token + i) % TOY_VOCAB, -(i + 1) * Math.LN2],
      ),
    }));
    return { ...output, tokens };
  }
}

interface Options extends Partial<Omit<LoadedDraft, "engine">> {
  context?: number;
  budgetRows?: number;
  maxChains?: number;
  leaseMs?: number;
  piece?: number;
  load?: () => Promise<LoadedDraft>;
}

function world(options: Options = {}) {
  const { endTokens = [], targetVocab = TOY_VOCAB, context, budgetRows, load } = options;
  const { maxChains = 8, leaseMs = 60_000, piece = 8 } = options;
  const sim = new Simulation({ seed: 3 });
  const system = sim.node("n1", directoryOf(() => "n1"));
  const engines: DraftEngine[] = [];
  system.register(drafterActor, {
    config: drafterActor.config.parse({ maxChains, leaseMs, piece }),
    resources: () => ({
      engine: load ?? (() => {
        const engine = new DraftEngine(
          sim.clock,
          { first: 0, last: LAYERS - 1, layers: LAYERS },
          1,
          {
            budgetRows,
          },
        );
        if (context) (engine.info as { context: number }).context = context;
        engines.push(engine);
        return Promise.resolve({ engine, endTokens, targetVocab });
      }),
    }),
  });
  const to = drafterAddress("d");
  const client = address("d", "client", "x");
  const inbox = system.inbox(client, { capacity: 64 });
  let id = 0;
  const send = async (
    chain: string,
    base: number,
    tokens: number[],
    more: Record<string, unknown> = {},
  ) => {
    const message = {
      type: "draft",
      chain,
      id: id++,
      base,
      tokens: Int32Array.from(tokens),
      length: 4,
      sampling: samplingSchema.parse({}),
      prompt_rows: PROMPT.length,
      reply_to: client,
      ...more,
    };
    await sim.until(system.tell(to, message));
    return message.id;
  };
  /** The next answer, which must be of this type. */
  const next = async <T>(type: string): Promise<T> => {
    const received = await sim.until(inbox.next());
    assert.equal(received?.type, type, JSON.stringify(received?.body));
    return received!.body as T;
  };
  const draft = async (
    chain: string,
    base: number,
    tokens: number[],
    more: Record<string, unknown> = {},
  ) => {
    const sent = await send(chain, base, tokens, more);
    const answer = await next<Drafted>("drafted");
    assert.deepEqual([answer.chain, answer.id], [chain, sent]);
    return answer;
  };
  const refused = async (
    chain: string,
    base: number,
    tokens: number[],
    more: Record<string, unknown> = {},
  ) => {
    const sent = await send(chain, base, tokens, more);
    const answer = await next<{ chain: string; id: number; error: WireError }>("undrafted");
    assert.deepEqual([answer.chain, answer.id], [chain, sent]);
    return answer.error;
  };
  return { sim, system, to, inbox, engines, send, next, draft, refused };
}

const said = (prompt: number[], count: number, sampling?: Sampling) =>
  toyAnswer(Int32Array.from(prompt), count, LAYERS, sampling);

Deno.test("drafterActor.draft answers the tokens that its model chooses, with chances and alternatives", async () => {
  const { draft, inbox } = world();
  using _ = inbox;
  const answer = await draft("c", 0, PROMPT, { length: 5, width: 3 });
  const expected = await said(PROMPT, 5);
  assert.deepEqual([...answer.tokens], expected);
  assert.deepEqual([...answer.chances], [0.5, 0.5, 0.5, 0.5, 0.5]);
  assert.deepEqual(
    answer.alternatives.map((a) => a.map(([token]) => token)),
    expected.map((t) => [t, t + 1, t + 2]),
  );
  answer.alternatives.forEach((a) =>
    a.forEach(([, p], i) => assert.ok(Math.abs(p - 2 ** -(i + 1)) < 1e-12))
  );
  assert.equal(answer.compute_ms, 24, "20 rows of the prompt and 4 drafted ones at 1 ms each");
});

Deno.test("drafterActor.draft samples with the request's settings, seed and end of the prompt", async () => {
  const { draft, inbox, engines } = world();
  using _ = inbox;
  const sampling = samplingSchema.parse({
    temperature: 0.7,
    seed: 77,
    top_p: 0.9,
    presence_penalty: 1,
  });
  assert.deepEqual(
    [...(await draft("c", 0, PROMPT, { sampling })).tokens],
    await said(PROMPT, 4, sampling),
  );
  for (const { samplers, positions, base } of engines[0].seen) {
    assert.deepEqual(samplers, [
      {
        id: 0,
        sampling: { ...sampling, logprobs: true, top_logprobs: 1 },
        prompt_rows: PROMPT.length,
      },
    ]);
    assert.equal(positions[0], base, "the position counts for the draw");
  }
});

Deno.test("drafterActor.draft keeps the rows of accepted drafts and overwrites those of rejected ones", async () => {
  const { draft, inbox, engines } = world();
  using _ = inbox;
  const first = [...(await draft("c", 0, PROMPT)).tokens];
  const rows = () => engines[0].rows;
  assert.equal(rows(), 23);
  // All four accepted and one more token: the fourth and that one have no rows yet.
  const text = [...PROMPT, ...first, 5];
  assert.deepEqual([...(await draft("c", 20, [...first, 5])).tokens], await said(text, 4));
  assert.equal(rows(), 23 + 2 + 3);
  // Nothing accepted: one token, another than was drafted.
  const other = [...text, 9];
  assert.deepEqual([...(await draft("c", 25, [9])).tokens], await said(other, 4));
  assert.equal(rows(), 28 + 1 + 3);
  // Cut far back, nothing new: the last row that holds runs again.
  assert.deepEqual([...(await draft("c", 12, [])).tokens], await said(PROMPT.slice(0, 12), 4));
  assert.equal(rows(), 32 + 1 + 3);
  assert.deepEqual(
    [...(await draft("c", 12, [1, 2])).tokens],
    await said([...PROMPT.slice(0, 12), 1, 2], 4),
  );
});

Deno.test("drafterActor.draft keeps chains apart, in whatever order they ask", async () => {
  const { draft, inbox } = world();
  using _ = inbox;
  const texts = [[...PROMPT], PROMPT.slice(3), [1]];
  const told = [0, 0, 0];
  for (let step = 0; step < 6; step++) {
    for (const [i, text] of texts.entries()) {
      const { tokens } = await draft(`c${i}`, told[i], text.slice(told[i]), { length: 2 });
      assert.deepEqual([...tokens], await said(text, 2));
      told[i] = text.length;
      text.push(tokens[0], (step * 31) % 7 ? tokens[1] : 3);
    }
  }
});

Deno.test("drafterActor.draft answers a stale request soon and without tokens, when a newer one of its chain is there", async () => {
  const { send, next, inbox, engines, sim } = world();
  using _ = inbox;
  const old = await send("c", 0, PROMPT, { length: 64 });
  const other = await send("other", 0, PROMPT, { length: 1 });
  await sim.run({ forMs: 30 });
  const newer = await send("c", 0, [...PROMPT, 1], { length: 2 });
  const answers = [
    await next<Drafted>("drafted"),
    await next<Drafted>("drafted"),
    await next<Drafted>("drafted"),
  ];
  assert.deepEqual(answers.map((a) => [a.id, a.tokens.length]), [[old, 0], [other, 1], [newer, 2]]);
  assert.deepEqual([...answers[2].tokens], await said([...PROMPT, 1], 2));
  assert.ok(engines[0].rows < 20 + 20 + 20 + 24, `${engines[0].rows} rows were run`);
});

Deno.test("drafterActor.draft ends a stale request between two pieces, when it catches up with a long text", async () => {
  const { send, next, inbox, engines } = world({ piece: 4 });
  using _ = inbox;
  await send("c", 0, PROMPT, { length: 2 });
  await send("c", 0, PROMPT.slice(0, 3), { length: 2 });
  assert.equal((await next<Drafted>("drafted")).tokens.length, 0);
  assert.deepEqual([...(await next<Drafted>("drafted")).tokens], await said(PROMPT.slice(0, 3), 2));
  assert.ok(engines[0].rows < 20, `${engines[0].rows} rows were run`);
});

Deno.test("drafterActor.close ends the chain's draft without an answer and frees its arena", async () => {
  const { send, draft, inbox, engines, sim, system, to } = world();
  using _ = inbox;
  await send("c", 0, PROMPT, { length: 64 });
  await sim.run({ forMs: 25 });
  assert.equal(engines[0].arenas.size, 1);
  await sim.until(system.tell(to, { type: "close", chain: "c" }));
  await sim.run({ forMs: 200 });
  assert.equal(engines[0].arenas.size, 0);
  assert.equal(inbox.mailbox.size, 0);
  assert.ok(engines[0].rows < 40);
  assert.deepEqual(
    [...(await draft("c", 0, PROMPT)).tokens],
    await said(PROMPT, 4),
    "and it may come again",
  );
});

Deno.test("drafterActor.draft answers `undrafted`, when it does not know the tokens that a draft builds on", async () => {
  const { draft, refused, inbox } = world();
  using _ = inbox;
  const unknown = await refused("c", 5, [1]);
  assert.deepEqual([unknown.code, unknown.metadata], ["no_chain", {
    chain: "c",
    known: 0,
    base: 5,
  }]);
  await draft("c", 0, PROMPT);
  assert.equal((await refused("c", 24, [1])).metadata?.known, 23);
  const bad = await refused("c", 20, [TOY_VOCAB]);
  assert.deepEqual([bad.code, bad.metadata], ["bad_token", { token: TOY_VOCAB, vocab: TOY_VOCAB }]);
  assert.deepEqual(
    [...(await draft("c", 20, [1])).tokens],
    await said([...PROMPT, 1], 4),
    "it goes on all the same",
  );
});

Deno.test("drafterActor.draft frees the least recently used chain, when memory is short", async () => {
  const { draft, refused, inbox, engines } = world({ budgetRows: 128 });
  using _ = inbox;
  await draft("a", 0, PROMPT);
  await draft("b", 0, PROMPT);
  await draft("a", 20, [1]);
  await draft("c", 0, PROMPT);
  assert.deepEqual([...engines[0].arenas.keys()], ["a", "c"]);
  assert.equal((await refused("b", 20, [1])).code, "no_chain");
  const long = Array.from({ length: 100 }, (_, i) => i % 200);
  assert.deepEqual([...(await draft("a", 0, long)).tokens], await said(long, 4));
  assert.deepEqual([...engines[0].arenas.keys()], ["a"]);
  const longer = Array.from({ length: 126 }, (_, i) => i % 200);
  assert.equal((await refused("b", 0, longer)).code, "arena_memory");
  assert.equal(
    (await draft("b", 0, longer.slice(0, 125))).tokens.length,
    4,
    "an arena may be just large enough",
  );
});

Deno.test("drafterActor.draft frees the least recently used chain, when there are more than `maxChains`", async () => {
  const { draft, inbox, engines } = world({ maxChains: 2 });
  using _ = inbox;
  for (const chain of ["a", "b", "c"]) await draft(chain, 0, PROMPT);
  assert.deepEqual([...engines[0].arenas.keys()], ["b", "c"]);
});

Deno.test("drafterActor.draft ends at the end of the draft model's context", async () => {
  const { draft, inbox } = world({ context: 22 });
  using _ = inbox;
  assert.equal((await draft("c", 0, PROMPT)).tokens.length, 3, "rows at positions 19, 20 and 21");
  assert.equal((await draft("c", 20, [1, 2])).tokens.length, 1);
  assert.equal((await draft("c", 20, [1, 2, 3])).tokens.length, 0);
});

Deno.test("drafterActor.draft ends with an end token, and before a token that the target does not have", async () => {
  const expected = await said(PROMPT, 8);
  const end = expected[2];
  {
    const { draft, inbox } = world({ endTokens: [end] });
    using _ = inbox;
    assert.deepEqual(
      [...(await draft("c", 0, PROMPT, { length: 8 })).tokens],
      expected.slice(0, expected.indexOf(end) + 1),
    );
  }
  const largest = Math.max(...expected);
  const { draft, inbox } = world({ targetVocab: largest });
  using _ = inbox;
  const answer = await draft("c", 0, PROMPT, { length: 8, width: 4 });
  assert.deepEqual([...answer.tokens], expected.slice(0, expected.indexOf(largest)));
  assert.ok(answer.alternatives.flat().every(([token]) => token < largest));
});

Deno.test("drafterActor answers `undrafted` and restarts, when its engine dies", async () => {
  const { draft, refused, inbox, engines, sim } = world();
  using _ = inbox;
  await draft("c", 0, PROMPT);
  engines[0].failNext = new OrreryError({
    group: "engine",
    code: "engine_failed",
    message: "dead",
  });
  assert.equal((await refused("c", 20, [1])).code, "engine_failed");
  await sim.run({ forMs: 1 });
  assert.equal((await refused("c", 20, [1])).code, "no_chain");
  assert.equal(engines.length, 2);
  assert.ok(engines[0].disposed);
  assert.deepEqual([...(await draft("c", 0, PROMPT)).tokens], await said(PROMPT, 4));
});

Deno.test("drafterActor.draft answers `undrafted`, when its engine does not load", async () => {
  const load = () =>
    Promise.reject(new OrreryError({ group: "cluster", code: "no_draft", message: "none" }));
  const { refused, inbox, sim, system, to } = world({ load });
  using _ = inbox;
  assert.equal((await refused("c", 0, PROMPT)).code, "no_draft");
  const warmed = assert.rejects(system.ask(to, { type: "warm" }), (e) => hasCode(e, "no_draft"));
  await sim.run({ forMs: 1 });
  await warmed;
});

Deno.test("drafterActor.retire ends the drafter, when its last chain is closed", async () => {
  const { draft, inbox, engines, sim, system, to } = world();
  using _ = inbox;
  await draft("c", 0, PROMPT);
  await sim.until(system.tell(to, { type: "retire" }));
  await sim.run({ forMs: 10 });
  assert.equal(engines[0].disposed, false);
  await draft("c", 20, [1]);
  await sim.until(system.tell(to, { type: "close", chain: "c" }));
  await sim.run({ forMs: 10 });
  assert.ok(engines[0].disposed);
});

Deno.test("drafterActor frees a chain, when nobody asked for it during its lease", async () => {
  const { draft, inbox, engines, sim } = world({ leaseMs: 1_000 });
  using _ = inbox;
  await draft("c", 0, PROMPT);
  await sim.run({ forMs: 900 });
  assert.equal(engines[0].arenas.size, 1);
  await sim.run({ forMs: 600 });
  assert.equal(engines[0].arenas.size, 0);
});
