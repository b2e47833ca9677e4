import assert from "node:assert/strict";
import { join } from "node:path";
import { ModelStore } from "../models/mod.ts";
import { writeTinyCheckpoint } from "../tests/support/tiny_checkpoint.ts";
import { storedModels } from "./stored_models.ts";

Deno.test("storedModels() lists the store, and verifies one model at a time", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await writeTinyCheckpoint(join(dir, "tiny"), { layers: 2 });
    const store = await ModelStore.open(join(dir, "store"));
    const { manifest } = await store.add(join(dir, "tiny"), { name: "tiny", precision: "f32" });
    await Deno.mkdir(join(dir, "store/models/torn"));
    await Deno.writeTextFile(join(dir, "store/models/torn/manifest.json"), "{");
    const models = storedModels({
      ...{ store, served: () => ["tiny"] },
      adding: () => ({ model: "another", status: "converting", total: 2, completed: 1 }),
    });
    const { models: [tiny, torn], free_bytes, adding } = await models.list();
    assert.equal(adding?.model, "another");
    assert.ok(tiny.state === "ok" && tiny.served && tiny.layers === 2 && free_bytes > 0);
    assert.ok(tiny.bytes >= 4 * tiny.parameters && tiny.parameters > 100, JSON.stringify(tiny));
    assert.ok(torn.state === "broken" && !torn.served && torn.reason.length > 10);

    const { signal } = new AbortController();
    const first = models.verify("tiny", signal);
    await assert.rejects(models.verify("tiny", signal), { group: "api", code: "verify_running" });
    assert.deepEqual(await first, []);
    const [blob] = Object.values(manifest.files);
    await Deno.remove(store.blobs.path(blob));
    const [problem] = await models.verify("tiny", signal);
    assert.deepEqual([problem.sha256, problem.problem], [blob, "missing"]);
    await assert.rejects(models.verify("nothing", signal), { code: "model_not_found" });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
