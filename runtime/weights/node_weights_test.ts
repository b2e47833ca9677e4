import assert from "node:assert/strict";
import { join } from "node:path";
import {
  ActorSystem,
  blobBytesSchema,
  type Clock,
  type Deployment,
  deploymentSchema,
  directoryOf,
  hasCode,
  LocalNetwork,
  parseAddress,
  systemClock,
  weightsActor,
} from "../../actors/mod.ts";
import { blobsOf, type Manifest, ModelStore } from "../../models/mod.ts";
import { inFolder } from "../../tests/support/store_folder.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { manifestSha256 } from "./find_manifest.ts";
import { NodeWeights, type NodeWeightsOptions } from "./node_weights.ts";
import { weightStore } from "./weight_store.ts";
import { targetOf } from "./whole_models.ts";

/** A clock on which everything takes a hundredth of the time. */
const QUICK: Clock = {
  now: () => 100 * systemClock.now(),
  after: (ms, fn) => systemClock.after(ms / 100, fn),
};

/** A node with a store that gives weights away. */
interface WeightsNode {
  system: ActorSystem;
  store: ModelStore;
  weights: NodeWeights;
  /** Names of the models that it serves. */
  served: string[];
}

/** Nodes that know each other, with stores of their own; `a` has model `m`. */
async function withNodes(
  names: string,
  run: (nodes: Record<string, WeightsNode>, world: {
    manifest: Manifest;
    network: LocalNetwork;
    deployment: Deployment;
    dir: string;
  }) => Promise<void>,
  options: Partial<NodeWeightsOptions> & { freeBytes?: (dir: string) => Promise<number> } = {},
): Promise<void> {
  await inFolder(async (dir) => {
    const network = new LocalNetwork();
    const nodes: Record<string, WeightsNode> = {};
    for (const name of names) {
      const system = new ActorSystem({
        transport: network.connect(name),
        directory: directoryOf((to) => parseAddress(to).key),
        clock: systemClock,
        random: Math.random,
      });
      const store = await ModelStore.open(join(dir, name), options);
      const weights = new NodeWeights({ system, store, clock: QUICK, ...options });
      const served = ["m"];
      const resource = weightStore({ store, served: () => served, running: () => false });
      system.register(weightsActor, { config: {}, resources: () => ({ store: resource }) });
      nodes[name] = { system, store, weights, served };
    }
    await writeTinyCheckpoint(join(dir, "checkpoint"));
    const { manifest } = await nodes.a.store.add(join(dir, "checkpoint"), { name: "m" });
    const deployment = deploymentSchema.parse({
      id: "d",
      model: "m",
      source: "a",
      manifest_sha256: manifestSha256(manifest),
      stages: [{ node: "a", first: 0, last: 3 }],
      members: [...names].map((node) => ({
        node,
        host: "10.0.0.1",
        port: 1,
        cores: 1,
        memory_bytes: 1,
      })),
    });
    try {
      await run(nodes, { manifest, network, deployment, dir });
    } finally {
      for (const { weights, system } of Object.values(nodes)) {
        await weights.close();
        await system.close();
      }
    }
  });
}

const { signal } = new AbortController();
const ALL = { layers: "all" as const, parts: [], signal };

/** Whether everything of a model is in a store. */
const isWhole = async (store: ModelStore, manifest: Manifest) =>
  (await store.verify(manifest.name)).length === 0;

/** Resolves once `over` holds. */
async function until(over: () => Promise<boolean>): Promise<void> {
  for (const late = performance.now() + 10_000; !await over();) {
    assert.ok(performance.now() < late, "it never came to be so");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("NodeWeights.ensure() fetches the layers that are needed, and no others", async () => {
  await withNodes("ab", async ({ b }, { deployment, manifest }) => {
    const stored = await b.weights.ensure({
      ...targetOf(deployment),
      layers: [{ first: 0, last: 1 }],
      parts: [{ first: 3, last: 4 }],
      signal,
    });
    assert.deepEqual(stored.manifest, manifest);
    const missing = (await b.store.verify("m")).map((p) => p.role);
    assert.deepEqual(missing.filter((role) => /^layer/.test(role)), ["layer 2", "layer 3"]);
    assert.equal(missing.filter((role) => /^head part/.test(role)).length, 6);
    await stored.tokenizer(); // the text files are there
  });
});

Deno.test("NodeWeights.ensure() needs no node that is gone, where others have the model", async () => {
  await withNodes("abc", async ({ b, c }, { deployment, manifest, network }) => {
    await b.weights.ensure({ ...targetOf(deployment), ...ALL });
    network.crash("a");
    await c.weights.ensure({ ...targetOf(deployment), ...ALL });
    assert.ok(await isWhole(c.store, manifest));
    // It needs nobody for what it has.
    network.crash("b");
    await c.weights.ensure({ ...targetOf(deployment), ...ALL });
  });
});

Deno.test("NodeWeights.ensure() takes no manifest but the deployment's, and says who sent which", async () => {
  await withNodes("ab", async ({ a, b }, { deployment, dir }) => {
    await writeTinyCheckpoint(join(dir, "other"), { seed: 9 });
    await a.store.add(join(dir, "other"), { name: "m" });
    await assert.rejects(
      b.weights.ensure({ ...targetOf(deployment), ...ALL }),
      (e) => hasCode(e, "manifest_missing") && /a: its manifest has the hash/.test(e.message),
    );
  });
});

Deno.test("NodeWeights.ensure() refuses nodes that differ, where the deployment names no hash", async () => {
  await withNodes("abc", async ({ b, c }, { deployment, dir, network }) => {
    const old = { ...deployment, manifest_sha256: undefined };
    await writeTinyCheckpoint(join(dir, "other"), { seed: 9 });
    await b.store.add(join(dir, "other"), { name: "m" });
    // The node that had the model when the deployment was made decides while it lives.
    await c.weights.ensure({ ...targetOf(old), ...ALL });
    network.crash("a");
    await b.store.add(join(dir, "checkpoint"), { name: "m" });
    await c.weights.ensure({ ...targetOf(old), ...ALL });
  });
  await withNodes("abc", async ({ b, c }, { deployment, dir }) => {
    await writeTinyCheckpoint(join(dir, "other"), { seed: 9 });
    await b.store.add(join(dir, "other"), { name: "m" });
    await assert.rejects(
      c.weights.ensure({
        ...targetOf({ ...deployment, manifest_sha256: undefined, source: "gone" }),
        ...ALL,
      }),
      (e) => hasCode(e, "manifests_differ") && /at a; .* at b/.test(e.message),
    );
  });
});

Deno.test("NodeWeights.follow() copies the whole model in the background, and others get it from there", async () => {
  await withNodes("abc", async ({ b, c }, { deployment, manifest, network }) => {
    b.weights.follow(deployment);
    await until(() => b.store.get("m").then(() => isWhole(b.store, manifest), () => false));
    network.crash("a");
    c.weights.follow(deployment);
    await until(() => c.store.get("m").then(() => isWhole(c.store, manifest), () => false));
  });
});

Deno.test("NodeWeights.follow() copies no weights to a disk without three times the room", async () => {
  let asked = 0;
  const freeBytes = (dir: string) => {
    if (dir.endsWith("a")) return Promise.resolve(1e12);
    asked++;
    return Promise.resolve(3_000);
  };
  await withNodes("ab", async ({ b }, { deployment, manifest }) => {
    b.weights.follow(deployment);
    await until(() => Promise.resolve(asked > 0));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await b.store.has(manifest.layers[0].sha256), false);
  }, { freeBytes });
});

Deno.test("weightStore() tells and gives what the cluster serves, whole, and nothing else", async () => {
  await withNodes("ab", async ({ a, b }, { manifest }) => {
    const ask = b.system.get(weightsActor, "a");
    const [{ sha256, bytes }, part] = manifest.layers;
    await Deno.writeFile(a.store.blobs.path(part.sha256) + ".part", new Uint8Array(77));
    await Deno.remove(a.store.blobs.path(part.sha256));
    const gone = manifest.layers[2].sha256;
    await Deno.remove(a.store.blobs.path(gone));
    const blobs = [sha256, part.sha256, gone, "0".repeat(64)];
    assert.deepEqual(await ask.have({ blobs }), {
      running: false,
      readers: 1,
      blobs: [
        { sha256, bytes, whole: true },
        { sha256: part.sha256, bytes: 77, whole: false },
      ],
    });
    const range = { offset: 0, length: 100 };
    const some = blobBytesSchema.parse(await ask.blob({ sha256, ...range, told: true }));
    assert.deepEqual([some.data.length, some.running, some.readers], [100, false, 1]);
    const plain = await ask.blob({ sha256, ...range });
    assert.ok(plain instanceof Uint8Array && plain.length === 100);
    await assert.rejects(
      ask.blob({ sha256: part.sha256, ...range, told: true }),
      (e) => hasCode(e, "blob_missing"),
    );
    await assert.rejects(
      ask.blob({ sha256: "0".repeat(64), ...range }),
      (e) => hasCode(e, "not_served"),
    );
    a.served.pop();
    assert.deepEqual((await ask.have({ blobs })).blobs, []);
    await assert.rejects(ask.manifest({ model: "m" }), (e) => hasCode(e, "not_served"));
  });
});

Deno.test("weightStore() gives little at a time while requests run, to who knows why", async () => {
  await withNodes("a", async ({ a }, { manifest }) => {
    const blob = blobsOf(manifest).find(({ role }) => role === "embedding")!;
    await Deno.writeFile(a.store.blobs.path(blob.sha256), new Uint8Array(2 ** 20));
    const store = weightStore({ store: a.store, served: () => ["m"], running: () => true });
    const range = { sha256: blob.sha256, offset: 0, length: 2 ** 20 };
    const { data, running } = await store.blob(range, "b");
    assert.deepEqual([data.length, running], [128 * 1024, true]);
    assert.equal((await store.blob(range)).data.length, 2 ** 20, "it would take it for the end");
    assert.equal((await store.have([blob.sha256], "c")).readers, 3);
  });
});
