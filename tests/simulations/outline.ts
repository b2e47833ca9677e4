/**
 * Answers by an outline: each branch says what its own prompt alone would give, and the text is in
 * order, on any stages and links, with drafts, beside other requests, and when one is cancelled.
 *
 * @module
 */
import assert from "node:assert/strict";
import { OrreryError, samplingSchema, seededRandom } from "../../actors/mod.ts";
import { OrderedText } from "../../actors/generation/ordered_text.ts";
import { prompt, read, toyTokens, world } from "../support/generation_world.ts";
import { EOS, names, whole, words } from "../support/outline_words.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

const greedy = samplingSchema.parse({});
const FAILED = new OrreryError({ group: "engine", code: "engine_failed", message: "out of luck" });

function run(seed: number): Promise<SeedReport> {
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  const stages = [1, 2, 4][int(3)];
  const points = 2 + int(10);
  const each = 9 + int(8); // with fewer tokens there is no room for an outline
  const w = world({
    ...{ stages, seed, outline: () => words(names(points)) },
    latencyMs: [{ min: 0.1, max: 2 }, { min: 1, max: 30 }][int(2)],
    drafter: { right: () => random() < 0.7, chance: 0.8, ms: 1 },
  });
  const { sim, api, engines } = w;
  const wait = (ms: number) => new Promise<void>((resolve) => void sim.clock.after(ms, resolve));
  return reportOf(sim, async () => {
    const counts = { answers: 0, failures: 0 };
    const ask = async (key: string, more: Record<string, unknown>) => {
      await wait(random() * 300);
      const start = w.startOf(key, { max_tokens: 11 + points * each, eos: [EOS], ...more });
      const inbox = api.inbox(start.client, { capacity: 1 + int(6) });
      await api.tell(`d/generation/${key}`, start);
      return inbox;
    };
    const outlined = async (key: string) => {
      const mode = random() < 0.5 ? "outline" : "outline+speculative";
      const inbox = await ask(key, { mode, max_branches: 2 + int(7) });
      const { text, error, done } = await read(inbox);
      assert.equal(error, undefined, `failed: ${error?.message}`);
      assert.equal(done.orrery.branches, points, done.orrery.why);
      assert.equal(text, whole(points, each), `${key}: another text`);
      counts.answers++;
    };
    const beside = async () => {
      const { tokens } = await read(await ask("plain", { max_tokens: 20, eos: [] }));
      assert.equal(tokens.join(), toyTokens([...prompt], 20, greedy).join(), "other tokens");
    };
    const cancelled = async () => {
      const inbox = await ask("cancelled", { mode: "outline" });
      await wait(random() * 600);
      if (random() < 0.5) {
        await api.tell("d/generation/cancelled", { type: "cancel" }).catch(() => {});
      }
      inbox.close();
    };
    const fault = async () => {
      await wait(random() * 600);
      const engine = engines[int(stages)].at(-1);
      if (!engine || random() < 0.7) return;
      engine.failNext = FAILED;
      counts.failures++;
    };
    await sim.until(Promise.all([outlined("a"), outlined("b"), beside(), cancelled(), fault()]));
    await sim.run({ forMs: 20_000 });
    assert.equal(w.generations().length, 0, "a generation is left");
    const { requests, frames_in_flight } = await w.arbiter();
    assert.equal(requests + frames_in_flight, 0, "something is left at the arbiter");
    return counts;
  });
}

const { push } = OrderedText.prototype;

/** See the module's text. */
export const OUTLINE: SimulationArea = {
  name: "outline",
  promise: "each branch says what its prompt alone would give, in one text in order",
  share: 8,
  run,
  least: { answers: 2, failures: 0.15 },
  broken: [{
    name: "a branch that ends its turn with its first piece",
    shows: /another text/,
    seeds: seedsFrom(0, 5),
    run: (seed) =>
      withMethods(OrderedText, {
        push(this: OrderedText, k, piece) {
          push.call(this, k, { ...piece, last: true });
        },
      }, () => run(seed)),
  }],
};
