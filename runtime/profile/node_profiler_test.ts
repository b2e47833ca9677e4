import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode, refsOver, type Sender, type StageEngine } from "../../actors/mod.ts";
import { ModelStore, type StoredModel } from "../../models/mod.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { loadProfiles } from "./cache.ts";
import { NodeProfiler, type NodeProfilerOptions } from "./node_profiler.ts";
import { nodeProfileSchema } from "./profile.ts";
import { stageSeconds } from "./stage_seconds.ts";

const signal = new AbortController().signal;

/** A model of four layers, whose measuring takes little time. */
async function tinyModel(store: ModelStore, data: string): Promise<StoredModel> {
  const checkpoint = join(data, "checkpoint");
  await writeTinyCheckpoint(checkpoint);
  return await store.add(checkpoint, { name: "tiny", precision: "f32" });
}

Deno.test("NodeProfiler.profile() measures once, knows it from then on, and again when frames take longer", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const told = Promise.withResolvers<{ type: string; why: string }>();
  const sender: Sender = {
    tell: (_to, { type, why }) => Promise.resolve(told.resolve({ type, why: String(why) })),
    ask: () => Promise.reject(new Error("nothing is asked here")),
  };
  const options = {
    system: { node: "a", ...refsOver(sender) },
    store: await ModelStore.open(data),
    mailbox: {},
    data,
    memoryBytes: 1e9,
  } as unknown as NodeProfilerOptions;
  const profiler = new NodeProfiler(options);
  try {
    const { manifest } = await tinyModel(options.store, data);
    const ask = async (known_only: boolean) => {
      const answer = await profiler.profile(
        { model: manifest.name, source: "a", known_only },
        signal,
      );
      return answer && nodeProfileSchema.parse(answer);
    };
    assert.equal(await ask(true), null);
    const [one, two] = await Promise.all([ask(false), ask(false)]);
    assert.deepEqual(one!.profile, two!.profile, "two that ask at once share a measurement");
    assert.equal(one!.memory_bytes, 1e9);
    assert.deepEqual((await ask(true))!.profile, one!.profile);

    const { layers, hidden, vocab } = manifest.geometry;
    const range = { first: 0, last: layers - 1 };
    const frame = { rows: 1, past: 0, wanted: 1 };
    const predicted = stageSeconds(one!.profile, manifest, range, frame);
    const engine = profiler.watched({
      info: { firstLayer: 0, lastLayer: layers - 1, layers, hidden, vocab },
      run: () => Promise.resolve({ kind: "tokens", tokens: [], computeMs: 3_000 * predicted }),
    } as unknown as StageEngine);
    const row = { base: 0, tokens: Int32Array.of(1), want: Int32Array.of(0) };
    for (let i = 0; i < 50; i++) {
      await engine.run(row as unknown as Parameters<StageEngine["run"]>[0]);
    }
    assert.deepEqual(
      (await ask(false))!.profile,
      one!.profile,
      "nobody waits until it is measured",
    );
    const { type, why } = await told.promise;
    assert.equal(type, "replan");
    assert.match(why, /layers 0-3 take \+200 % of what was measured/);
    const again = (await ask(true))!.profile;
    assert.notEqual(again.measured_at, one!.profile.measured_at);
    assert.deepEqual((await loadProfiles(data)).map((p) => p.measured_at), [again.measured_at]);
  } finally {
    await profiler.close();
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("NodeProfiler.close() tells whoever waits for a measurement that the node is closed", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const store = await ModelStore.open(data);
  const options = { system: { node: "a" }, store, mailbox: {}, data };
  const profiler = new NodeProfiler(options as unknown as NodeProfilerOptions);
  try {
    const { manifest } = await tinyModel(store, data);
    const request = { model: manifest.name, source: "a", known_only: false };
    const asked = profiler.profile(request, signal);
    // An error of the actors' own: any other one counts as a crash of the member actor.
    const told = assert.rejects(asked, (e) => hasCode(e, "closed"));
    await new Promise((resolve) => setTimeout(resolve)); // the measurement has begun
    await profiler.close();
    await told;
  } finally {
    await profiler.close();
    await Deno.remove(data, { recursive: true });
  }
});
