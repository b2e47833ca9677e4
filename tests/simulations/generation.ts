/**
 * Generations, arbiters, stages and shards: requests that end, are cancelled, lose their client, and
 * stages whose engines fail, on any split, latency and schedule.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Delta,
  type Inbox,
  OrreryError,
  samplingSchema,
  seededRandom,
} from "../../actors/mod.ts";
import { ArbiterCore } from "../../actors/arbiter/core.ts";
import { toyTokens, world } from "../support/generation_world.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

const FAILED = new OrreryError({ group: "engine", code: "engine_failed", message: "out of luck" });

/** What came of a request: its tokens, how it ended, and what came after its end. */
interface Heard {
  tokens: number[];
  end: string;
  after: string[];
}

/** Reads a client's messages to the end, and listens on. */
async function hear(inbox: Inbox): Promise<Heard> {
  const heard: Heard = { tokens: [], end: "", after: [] };
  for (;;) {
    const { type, body } = (await inbox.next())!;
    if (type === "delta") heard.tokens.push(...(body as Delta).tokens.map((t) => t.token));
    else {
      heard.end = type === "failed" ? JSON.stringify(body) : type;
      void inbox.next().then((more) => more && heard.after.push(more.type));
      return heard;
    }
  }
}

function run(seed: number): Promise<SeedReport> {
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  const one = <T>(list: readonly T[]): T => list[int(list.length)];
  const stages = one([1, 2, 3, 4, 6]);
  // Of every second seed's model, half of the layers keep few rows.
  const window = seed % 2 ? 4 + seed % 13 : undefined;
  const w = world({
    ...{ stages, seed, shards: one([0, 0, 2]) },
    ...(window && { windowed: { window, slackRows: 8 } }),
    latencyMs: one([{ min: 0.1, max: 2 }, { min: 1, max: 30 }]),
    ...(random() < 0.5 && { drafter: { right: () => random() < 0.6, window, chance: 0.7, ms: 2 } }),
  });
  const { sim, api } = w;
  const wait = (ms: number) => new Promise<void>((resolve) => void sim.clock.after(ms, resolve));
  return reportOf(sim, async () => {
    const counts = { answers: 0, cancelled: 0, failures: 0 };
    const inboxes: Inbox[] = [];
    const heard: Heard[] = [];
    const request = async (key: string) => {
      await wait(random() * 400);
      const prompt = Int32Array.from({ length: 1 + int(60) }, () => int(251));
      const max_tokens = 1 + int(30);
      const sampling = samplingSchema.parse({ temperature: one([0, 1]), seed: int(1000) });
      const start = w.startOf(key, {
        ...{ prompt, max_tokens, sampling, mode: one(["plain", "speculative", "auto"]) },
        pieces: [1 + int(20)],
      });
      const inbox = api.inbox(start.client, { capacity: 1 + int(8) });
      inboxes.push(inbox);
      const to = `d/generation/${key}`;
      await api.tell(to, start);
      const fate = random();
      if (fate < 0.7) {
        const all = await hear(inbox);
        heard.push(all);
        assert.equal(all.end, "done", `${key} failed: ${all.end}`);
        const expected = toyTokens([...prompt], max_tokens, sampling, undefined, { window });
        assert.equal(all.tokens.join(), expected.join(), `${key}: other tokens`);
        counts.answers++;
        return;
      }
      await wait(random() * 500);
      counts.cancelled++;
      if (fate < 0.85) await api.tell(to, { type: "cancel" }).catch(() => {}); // it has ended
      inbox.close();
    };
    const fault = async () => {
      await wait(random() * 1_000);
      const engine = w.engines[int(stages)].at(-1);
      if (!engine || random() < 0.5) return;
      engine.failNext = FAILED;
      counts.failures++;
    };
    await sim.until(
      Promise.all([...Array.from({ length: 1 + int(4) }, (_, i) => request(`g${i}`)), fault()]),
    );
    await sim.run({ forMs: 20_000 });
    for (const { after } of heard) assert.equal(after.join(), "", "a message after the end");
    for (const inbox of inboxes) inbox.close();
    assert.equal(w.generations().length, 0, "a generation is left");
    if (!w.engines.flat().some(({ frames }) => frames > 0)) return counts;
    const stats = await w.arbiter();
    assert.equal(stats.requests, 0, `${stats.requests} requests are left at the arbiter`);
    assert.equal(stats.frames_in_flight, 0, "frames are under way in the end");
    const rows = stats.free_rows + stats.holes + stats.cached_rows;
    assert.equal(rows, stats.capacity, `${rows} rows are free, of ${stats.capacity}`);
    return counts;
  });
}

/** See the module's text. */
export const GENERATION: SimulationArea = {
  name: "generation",
  promise: "every request ends once, with its own tokens, and leaves no row behind",
  share: 12,
  run,
  least: { answers: 1, cancelled: 0.4, failures: 0.2 },
  broken: [{
    name: "an arbiter that keeps requests which are over",
    shows: /are left at the arbiter/,
    seeds: seedsFrom(0, 5),
    run: (seed) =>
      withMethods(ArbiterCore, {
        close: () => ({}) as ReturnType<ArbiterCore["close"]>,
      }, () => run(seed)),
  }],
};
