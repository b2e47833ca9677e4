/**
 * The two routes of a request on real nodes, separate processes: one node and the pipeline say the
 * same.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ask, askAll, assertSame } from "./support/compare_answers.ts";
import { startCluster } from "./support/processes.ts";
import { PROMPTS } from "./support/prompts.ts";
import { inFolder } from "./support/store_folder.ts";

const ASKED = PROMPTS.slice(0, 6);
const OUTLINED = "How do birds fly?";

Deno.test("POST /v1/chat/completions gives the same tokens by both routes, drafts and branches included", async () => {
  await inFolder(async (data) => {
    const graph = join(data, "graph.yaml");
    await writeFile(graph, "model: embedded\ndecode: { route: one }\n");
    await using cluster = await startCluster(2, data, ["--layers", "0-2,3-5", "--graph", graph]);
    const { url } = cluster;
    for (const mode of ["plain", "speculative"]) {
      // Drafts from the plain answers would all be right.
      const how = { mode, reuse: mode === "plain" };
      const [one, pipeline] = [
        await askAll(url, ASKED, { orrery: how }),
        await askAll(url, ASKED, { orrery: { ...how, route: "pipeline" } }),
      ];
      assertSame(one, pipeline, mode);
      for (const { orrery } of one) {
        assert.deepEqual([orrery.route, orrery.stages], ["one", 1], orrery.why);
      }
      for (const { orrery } of pipeline) {
        assert.deepEqual([orrery.route, orrery.stages], ["pipeline", 2], orrery.why);
      }
    }
    const outline = (route: string) =>
      ask(url, OUTLINED, {
        logprobs: false,
        top_logprobs: undefined,
        max_tokens: undefined,
        orrery: { mode: "outline", route },
      });
    const [one, pipeline] = [await outline("one"), await outline("pipeline")];
    assert.ok(one.orrery.branches > 1, one.orrery.why);
    assert.equal(one.text, pipeline.text);
  });
});
