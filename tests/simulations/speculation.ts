/**
 * Speculation is lossless: whatever the drafter says, the tokens are those of plain decoding, with
 * misses, slow links, other requests and cancellations, and no row is left behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import { samplingSchema, seededRandom } from "../../actors/mod.ts";
import { Lane } from "../../actors/generation/lane.ts";
import { prompt, read, toyTokens, world } from "../support/generation_world.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

const LATENCIES = [{ min: 0.1, max: 1 }, { min: 1, max: 30 }, { min: 5, max: 5 }];

function run(seed: number): Promise<SeedReport> {
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  const one = <T>(list: readonly T[]): T => list[int(list.length)];
  const sampling = samplingSchema.parse({ temperature: one([0, 1]), seed });
  const stages = one([1, 2, 4]);
  const share = one([0, 0.3, 0.6, 0.9, 1]);
  const [drafts, guesses] = [seededRandom(seed + 1), seededRandom(seed + 2)];
  // Of every second seed's model, half of the layers keep few rows.
  const window = seed % 2 ? 4 + seed % 13 : undefined;
  const w = world({
    ...{ stages, seed, latencyMs: one(LATENCIES) },
    ...(window && { windowed: { window, slackRows: 8 } }),
    frameMs: (rows) => (20 + 3 * rows) / stages,
    drafter: {
      right: () => drafts() < share,
      window,
      ...{ alternatives: random() < 0.5, ms: 1, chance: 0.8 },
      ...(random() < 0.2 && { diesAfter: int(8), dies: one(["silent", "refuses", "crashes"]) }),
    },
  });
  const { sim, api } = w;
  const cancelled = random() < 0.4 ? 1 + int(600) : undefined;
  const predicted = random() < 0.5;
  const draft_length = random() < 0.5 ? undefined : 1 + int(12);
  return reportOf(sim, async () => {
    const requests = Array.from({ length: 1 + int(3) }, async (_, k) => {
      const before = prompt.map((t, i) => (t + k * i) % 251);
      const truth = toyTokens(Array.from(before), 40, sampling, undefined, { window });
      const prediction = Int32Array.from(truth, (t) => guesses() < share ? t : (t + 1) % 251);
      const key = `g${k}`;
      const start = w.startOf(key, {
        ...{ prompt: before, mode: "speculative", sampling, draft_length, max_tokens: 40 },
        ...(predicted && k === 0 && { prediction }),
      });
      const inbox = api.inbox(start.client, { capacity: 4 });
      await api.tell(`d/generation/${key}`, start);
      const reading = read(inbox);
      if (k === 0 && cancelled !== undefined) return undefined; // it may end, or be cancelled
      const { tokens, done, error } = await reading;
      assert.equal(error, undefined, `failed: ${error?.message}`);
      assert.equal(tokens.join(), truth.join(), `${key}: other tokens`);
      return done;
    });
    if (cancelled !== undefined) {
      const cancel = () => void api.tell("d/generation/g0", { type: "cancel" }).catch(() => {});
      sim.clock.after(cancelled, cancel);
    }
    const answers = (await sim.until(Promise.all(requests))).filter((done) => done !== undefined);
    await sim.run({ forMs: 20_000 });
    const stats = await w.arbiter();
    assert.equal(stats.requests, 0, `${stats.requests} requests are left`);
    assert.equal(stats.frames_in_flight, 0, "frames are under way in the end");
    assert.equal(
      stats.free_rows + stats.holes + stats.cached_rows,
      stats.capacity,
      "rows are left",
    );
    const accepted = answers.reduce((sum, { orrery }) => sum + orrery.accepted, 0);
    return { answers: answers.length, accepted };
  });
}

const { settle } = Lane.prototype;

/** See the module's text. */
export const SPECULATION: SimulationArea = {
  name: "speculation",
  promise: "the tokens are those of plain decoding, whatever drafters say",
  share: 10,
  run,
  least: { answers: 0.8, accepted: 4 },
  broken: [{
    name: "a draft that is taken without a look at what the model says",
    shows: /other tokens/,
    seeds: seedsFrom(0, 20),
    run: (seed) =>
      withMethods(Lane, {
        settle(this: Lane) {
          const { result, children: [draft] } = this.tip;
          if (result && !result.failed && draft?.draft) result.token = draft.token;
          return settle.call(this);
        },
      }, () => run(seed)),
  }],
};
