/**
 * Models added from a hub in this process, by the real thread.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode } from "../../actors/mod.ts";
import { ModelStore } from "../../models/mod.ts";
import { type HubRepository, HubServer } from "../../tests/support/hub_server.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import type { PullStep } from "../api/mod.ts";
import { Adder, ModelPuller } from "./mod.ts";

const never = new AbortController().signal;

async function scene(
  run: (s: { hub: HubServer; store: ModelStore; puller: ModelPuller }) => Promise<void>,
  repository: Partial<HubRepository> = {},
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-pull-" });
  try {
    await writeTinyCheckpoint(join(dir, "checkpoint"), { layers: 2, shards: 2 });
    const files: HubRepository["files"] = {};
    for await (const { name } of Deno.readDir(join(dir, "checkpoint"))) {
      files[name] = await Deno.readFile(join(dir, "checkpoint", name));
    }
    await using hub = await HubServer.start({
      repositories: { "ada/tiny": { files, ...repository } },
    });
    const store = await ModelStore.open(join(dir, "data"));
    await run({ hub, store, puller: pullerOf(store, hub) });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const pullerOf = (store: ModelStore, { url }: HubServer) =>
  new ModelPuller({
    ...{ store, adder: new Adder(store.dir), endpoint: url },
    asCalled: (text) => text.replaceAll("deno task", "npx orrery"),
  });

const stepsOf = (puller: ModelPuller, name: string, signal = never): Promise<PullStep[]> =>
  Array.fromAsync(puller.pull(name, signal));

const refused = (puller: ModelPuller, name: string, code: string) =>
  assert.rejects(stepsOf(puller, name), (error) => hasCode(error, code));

Deno.test("ModelPuller.pull() adds a model of the hub, tells its files and weights, and knows it the next time", async () => {
  await scene(async ({ hub, store, puller }) => {
    const steps = await stepsOf(puller, "hf.co/ada/tiny:q8");
    assert.equal((await store.get("tiny-q8")).manifest.precision, "q8");
    assert.deepEqual(steps[0], { status: "pulling manifest" });
    assert.deepEqual(steps.at(-1), { status: "success" });
    const shard = steps.findLast(({ status }) => status.startsWith("pulling model-00002"))!;
    assert.match(shard.digest!, /^sha256:[0-9a-f]{64}$/);
    assert.ok(shard.total! > 0 && shard.completed === shard.total);
    const converted = steps.findLast(({ status }) => status === "converting")!;
    assert.equal(converted.completed, converted.total);
    const order = steps.map(({ status }) => status.split(" ")[0]);
    assert.deepEqual([...new Set(order)], [
      ...["pulling", "converting", "verifying", "writing", "stored", "success"],
    ]);
    assert.ok(
      steps.some(({ status }) => status.endsWith("serve it: npx orrery start --model tiny-q8")),
    );
    await stepsOf(puller, "ada/tiny:q4-calibrated");
    assert.equal((await store.get("tiny-q4")).manifest.calibrated, true);
    const before = hub.requests.length;
    assert.equal((await stepsOf(puller, "tiny-q8")).length, 2);
    assert.equal(hub.requests.length, before, "what is in the store is not asked for");
  });
});

Deno.test("ModelPuller.pull() adds one model at a time, stops when aborted, and goes on where it stopped", async () => {
  await scene(async ({ hub, store, puller }) => {
    hub.faults.push({ on: "model-00002-of-00002.safetensors", kind: "silent" });
    const gone = new AbortController();
    const steps = puller.pull("ada/tiny", gone.signal);
    let seen = "";
    while (!seen.startsWith("pulling model-00002")) seen = (await steps.next()).value!.status;
    await refused(puller, "ada/other", "pull_running");
    gone.abort(new DOMException("gone", "AbortError"));
    await assert.rejects(async () => {
      while (!(await steps.next()).done);
    }, { name: "AbortError" });
    assert.deepEqual(await store.entries(), []);
    assert.equal((await stepsOf(puller, "ada/tiny")).at(-1)!.status, "success");
    assert.equal(hub.fetched("model-00001-of-00002.safetensors").length, 1, "it was kept");
  });
});

Deno.test("ModelPuller.pull() says what the hub and the store refuse", async () => {
  await scene(async ({ hub, store, puller }) => {
    await refused(puller, "llama3.2", "invalid_value");
    await refused(puller, "ada/tiny:7b", "invalid_value");
    await refused(puller, "ada/none", "hub_repository");
    await refused(puller, "ada/tiny:none.gguf", "hub_file_missing");
    assert.deepEqual(await store.entries(), []);
    const helpless = new ModelPuller({ store, adder: new Adder("/proc/none"), endpoint: hub.url });
    await refused(helpless, "ada/tiny", "pull_forbidden");
  });
});
