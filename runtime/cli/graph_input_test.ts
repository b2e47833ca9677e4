import assert from "node:assert/strict";
import { join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";
import { ModelStore } from "../../models/mod.ts";
import { plan } from "../../planner/mod.ts";
import { planAs } from "../cluster/plan_as.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { geometryHash, type Profile, PROFILE_VERSION, ProfileCache } from "../profile/mod.ts";
import { resolveDraft, resolveModel } from "../serve/resolve_model.ts";
import { readGraph } from "./graph_input.ts";

/** A profile of an invented machine that computes one layer of one row in `seconds`. */
function profileOf(geometry: string, hostname: string, seconds: number): Profile {
  const flat = (s: number) => ({ rows: [1, 8], past: [0], seconds: [[s], [4 * s]] });
  return {
    version: PROFILE_VERSION,
    key: {
      geometry,
      precision: "q4",
      threads: 1,
      spinning: false,
      machine: { hostname, cpu: "imagined", cores: 4, memory_bytes: 4e9 },
    },
    cpu_share: 1,
    model: "tiny",
    measured_at: "2026-01-01T00:00:00.000Z",
    quick: true,
    synthetic: false,
    took_s: 1,
    layer: flat(seconds),
    embed: flat(seconds / 10),
    head: flat(seconds),
    frame_s: 0.0001,
    overhead_bytes: 1e6,
    layer_bytes: 1e6,
    stale: null,
  };
}

Deno.test("readGraph() takes measured devices from the profiles of the model, and says where there are none", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const checkpoint = join(dir, "checkpoint");
    await writeTinyCheckpoint(checkpoint);
    const data = join(dir, "data");
    const store = await ModelStore.open(data);
    const { manifest } = await store.add(checkpoint, { name: "tiny", precision: "q4" });
    const file = join(dir, "graph.yaml");
    const links = 'links: [{ from: "*", to: "*", seconds: 1 ms, bytes_per_s: 1 Gbit/s }]\n';
    await Deno.writeTextFile(
      file,
      `model: tiny\nworkload: { prompt_tokens: 32, output_tokens: 16 }\nconstraints: { exclude: [snail] }\n${links}`,
    );
    await assert.rejects(readGraph(file, { data }), (error) => {
      assert.ok(error instanceof OrreryError && error.code === "no_profile", String(error));
      assert.match(error.message, /^no machine is measured with tiny yet; run deno task profile/);
      return true;
    });
    const cache = new ProfileCache(data);
    const geometry = geometryHash(manifest);
    await cache.put(profileOf(geometry, "hare", 0.001));
    await cache.put(profileOf(geometry, "snail", 0.5));
    await cache.put(profileOf("0".repeat(64), "stranger", 0.001));
    const { input } = await readGraph(file, { data });
    assert.deepEqual(input.devices.map((d) => [d.name, d.memoryBytes]), [["hare", 2e9], [
      "snail",
      2e9,
    ]]);
    assert.equal(input.model.layers, manifest.geometry.layers);
    assert.deepEqual(plan(input).stages.map((s) => s.host), ["hare"]);
    const drafting = `model: tiny\nactors: { drafter: { model: tiny } }\n${links}`;
    await Deno.writeTextFile(file, drafting);
    const { draft } = (await readGraph(file, { data })).input;
    assert.ok(draft!.bytes > 0 && draft!.secondsPerToken[0] < draft!.secondsPerToken[1] / 100);
    await Deno.writeTextFile(file, drafting.replace("{ model: tiny }", "{ model: absent }"));
    await assert.rejects(readGraph(file, { data }), /absent/);
    await Deno.writeTextFile(file, `model: absent\n`);
    await assert.rejects(readGraph(file, { data }), /absent/);
    await Deno.writeTextFile(file, `model: tiny\nconstraints: { exclude: [hares] }\n${links}`);
    await assert.rejects(
      readGraph(file, { data }),
      /exclude names host "hares", which is not among the devices; did you mean hare\?/,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("readGraph() plans the embedded model as it would be served, in the store or not, and changes nothing", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const file = join(dir, "graph.yaml");
    const device = (name: string) =>
      `{ name: ${name}, memory_bytes: 1 GB, layer_seconds: { 1: 2 ms, 64: 20 ms } }`;
    const links = 'links: [{ from: "*", to: "*", seconds: 1 ms, bytes_per_s: 1 Gbit/s }]\n';
    const devices = `devices: [${device("a")}, ${device("b")}]\n${links}`;
    await Deno.writeTextFile(file, `model: embedded\n${devices}`);
    const { graph, input } = await readGraph(file, { data: join(dir, "none") });
    assert.equal(input.workload.acceptance, 0.9);
    assert.equal(input.wire, "f32");
    const made = planAs(input, graph);
    assert.equal(made.draft.source, "model");
    assert.equal(made.wire.why, "the weights are f32, and so a split changes no bit");
    assert.deepEqual([...Deno.readDirSync(dir)].map((f) => f.name), ["graph.yaml"]);

    const data = join(dir, "data");
    const store = await ModelStore.open(data);
    const { manifest } = await resolveModel(store, {});
    const { draft } = await resolveDraft(store, { target: {} });
    assert.deepEqual((await readGraph(file, { data })).input, input);

    // As start does: the graph may say otherwise, or take a draft model of its own.
    await Deno.writeTextFile(
      file,
      `model: embedded\nactors: { drafter: none }\ndecode: { wire: f16 }\n${devices}`,
    );
    const without = (await readGraph(file, { data })).input;
    assert.deepEqual([without.draft, without.workload.acceptance, without.wire], [
      undefined,
      undefined,
      "f16",
    ]);
    await Deno.writeTextFile(
      file,
      `model: embedded\nactors: { drafter: { model: embedded-draft } }\n${devices}`,
    );
    assert.equal((await readGraph(file, { data })).input.workload.acceptance, 0.7);

    // A draft model that was measured itself is as fast as it was; a workload is no longer than the
    // context.
    const cache = new ProfileCache(data);
    const measured = { ...profileOf(geometryHash(manifest), "hare", 0.001) };
    await cache.put({ ...measured, key: { ...measured.key, precision: "f32" } });
    await Deno.writeTextFile(file, `model: embedded\nworkload: { prompt_tokens: 100000 }\n`);
    const scaled = (await readGraph(file, { data })).input;
    assert.equal(
      scaled.workload.promptTokens + scaled.workload.outputTokens,
      manifest.geometry.context,
    );
    const drafter = profileOf(geometryHash(draft!.manifest), "hare", 3);
    await cache.put({ ...drafter, key: { ...drafter.key, precision: "f32" } });
    const seconds = (await readGraph(file, { data })).input.draft!.secondsPerToken[0];
    assert.ok(seconds > 3 && scaled.draft!.secondsPerToken[0] < 0.1, String(seconds));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
