/**
 * Models of long contexts (Qwen3 40,960 rows, Llama 3.x 131,072, some a million), planned and
 * served on two nodes.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ModelStore } from "../models/mod.ts";
import { ask } from "./support/compare_answers.ts";
import { writeProfiles } from "./support/known_profiles.ts";
import { NodeProcess } from "./support/processes.ts";
import { writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

/** Served on one node. */
const SHORTEST = 40_960;
/** Served on two nodes. */
const CONTEXTS = [131_072, 1_048_576];
const NODE = ["--threads", "1"];

const answer = async (url: string) => {
  const { text, tokens } = await ask(url, "Why does it rain?", {
    max_tokens: 16,
    orrery: { ignore_eos: true },
  });
  return { text, tokens: tokens.map(({ token }) => token) };
};

Deno.test("deno task start serves models of long contexts on two nodes, with the tokens of one node", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const data = join(dir, "data");
    const store = await ModelStore.open(data);
    for (const context of [SHORTEST, ...CONTEXTS]) {
      const checkpoint = join(dir, `${context}`);
      await writeTinyCheckpoint(checkpoint, { context, headDim: 8 });
      await store.add(checkpoint, { name: `tiny-${context}`, precision: "f32" });
    }
    // The weights are the same whatever the context, and so is what one node answers.
    const alone = await (async () => {
      await using node = NodeProcess.start([
        "--data",
        data,
        "--model",
        `tiny-${SHORTEST}`,
        "--draft",
        "none",
        ...NODE,
      ]);
      return await answer(await node.ready(1));
    })();
    for (const context of CONTEXTS) {
      await t.step(`${context} rows`, async () => {
        const model = `tiny-${context}`;
        await writeProfiles([data], { threads: 1, model });
        const graph = join(dir, `${model}.yaml`);
        // The planner would put so small a model on one node.
        await Deno.writeTextFile(
          graph,
          `model: ${model}
constraints:
  pin:
    - { host: first, layers: 0-1 }
    - { host: second, layers: 2-3 }
`,
        );
        await using first = NodeProcess.start([
          ...[
            "--data",
            data,
            "--nodes",
            "2",
            "--graph",
            graph,
            "--name",
            "first",
            "--draft",
            "none",
            ...NODE,
          ],
        ]);
        await using second = NodeProcess.start([
          ...["--data", data, ...await first.join(), "--name", "second", ...NODE],
        ]);
        const url = await first.ready(2);
        const plan = await (await fetch(`${url}/api/plan`)).json();
        const hosts = plan.stages.map((s: { host: string }) => s.host.split(":")[0]);
        assert.deepEqual(hosts, ["first", "second"]);
        assert.equal(plan.piece_buckets.at(-1).prompt_tokens, context);
        // Memory is planned for what is asked for, not for the context.
        assert.ok(plan.kv_rows < context / 8, `${plan.kv_rows} KV rows`);
        const together = await answer(url);
        assert.equal(together.tokens.length, 16);
        assert.deepEqual(together, alone);
        assert.deepEqual(await answer(await second.url()), alone);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
