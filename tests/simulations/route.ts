/**
 * Two routes for a request, the pipeline and a stage with the whole model: the tokens are the same, and
 * a route that fails at any token costs the client nothing but time.
 *
 * @module
 */
import assert from "node:assert/strict";
import { OrreryError, samplingSchema, seededRandom } from "../../actors/mod.ts";
import { Lane } from "../../actors/generation/lane.ts";
import { read, SOLO_ARBITER, toyTokens, world } from "../support/generation_world.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

const FAILURES = ["engine_failed", "bad_frame"].map((code) =>
  new OrreryError({ group: "engine", code, message: "out of luck" })
);
const LOST = { group: "cluster", code: "node_lost", message: "node whole is gone" };

function run(seed: number): Promise<SeedReport> {
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  const w = world({
    ...{ stages: [1, 2, 4][int(3)], seed },
    solo: {
      frameMs: (rows: number) => 4 + rows,
      ...(random() < 0.15 && { fails: FAILURES[0] }),
    },
    drafter: { right: () => random() < 0.6, chance: 0.8 },
  });
  const { sim, api } = w;
  const wait = (ms: number) => new Promise<void>((resolve) => void sim.clock.after(ms, resolve));
  return reportOf(sim, async () => {
    const counts = { answers: 0, one: 0, fallen: 0 };
    const request = async (key: string) => {
      const prompt = Int32Array.from({ length: 1 + int(50) }, () => int(251));
      const sampling = samplingSchema.parse({ temperature: int(2), seed: int(1000) });
      const max_tokens = 1 + int(30);
      const route = ["one", "one", "auto", "pipeline"][int(4)];
      const mode = ["plain", "speculative"][int(2)];
      const start = w.startOf(key, { prompt, sampling, max_tokens, route, mode });
      const inbox = api.inbox(start.client, { capacity: 4 });
      await wait(random() * 200);
      await api.tell(`d/generation/${key}`, start);
      const { tokens, text, done, error } = await read(inbox);
      assert.equal(error, undefined, `failed: ${error?.message}`);
      const expected = toyTokens([...prompt], max_tokens, sampling);
      assert.equal(tokens.join(), expected.join(), `${key}: other tokens`);
      assert.equal(text, expected.map((t) => `${t} `).join(""), `${key}: another text`);
      counts.answers++;
      if (done.orrery.route === "one") counts.one++;
      else if (done.orrery.why.includes("since one node failed")) counts.fallen++;
    };
    const fault = async () => {
      await wait(random() * 400);
      const fate = random();
      const engine = w.wholes.at(-1);
      if (fate < 0.4 && engine) engine.failNext = FAILURES[int(2)];
      else if (fate < 0.7) {
        sim.crash("whole");
        await api.tell(SOLO_ARBITER, { type: "lost", error: LOST }).catch(() => {});
      }
    };
    await sim.until(
      Promise.all([...Array.from({ length: 1 + int(3) }, (_, i) => request(`g${i}`)), fault()]),
    );
    await sim.run({ forMs: 20_000 });
    assert.equal(w.generations().length, 0, "a generation is left");
    if (w.engines.flat().some(({ frames }) => frames > 0)) {
      assert.equal((await w.arbiter()).requests, 0, "a request is left at the arbiter");
    }
    return counts;
  });
}

const { replay } = Lane.prototype;

/** See the module's text. */
export const ROUTE: SimulationArea = {
  name: "route",
  promise: "the same tokens by both routes, told once when the whole model fails at any token",
  share: 8,
  run,
  least: { answers: 1, one: 0.2, fallen: 0.15 },
  broken: [{
    name: "an answer that falls to the pipeline is told from its beginning",
    shows: /other tokens/,
    seeds: seedsFrom(0, 20),
    run: (seed) =>
      withMethods(Lane, {
        replay(this: Lane, tokens) {
          return replay.call(this, tokens, 0);
        },
      }, () => run(seed)),
  }],
};
