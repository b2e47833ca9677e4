import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { ModelStore } from "../../models/mod.ts";
import { notedGraph, ownGraph } from "./served_graph.ts";

Deno.test("notedGraph() has the embedded models although no weights have come, and no others", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const stores = [await ModelStore.open(`${data}/a`), await ModelStore.open(`${data}/b`)];
    const { main, target } = await ownGraph(stores[0], { nodes: 1 });
    const noted = await notedGraph(stores[1], main); // its first node is gone before it was served
    assert.deepEqual(noted.target.manifest, target.manifest);
    assert.equal(noted.draft?.manifest.name, main.draft?.model);
    await assert.rejects(
      notedGraph(stores[1], { ...main, model: "mine" }),
      (e) => hasCode(e, "model_not_found"),
    );
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
