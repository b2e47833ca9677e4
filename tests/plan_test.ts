/**
 * Placement by measurement, with separate processes.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ask } from "./support/compare_answers.ts";
import { writeProfiles } from "./support/known_profiles.ts";
import { NodeProcess } from "./support/processes.ts";

const getPlan = async (url: string) => {
  const response = await fetch(`${url}/api/plan`);
  return { status: response.status, body: await response.json() };
};

const answer = async (url: string) =>
  (await ask(url, "Why does it rain?", { max_tokens: 24 })).text;

Deno.test("deno task start prints and serves the plan that the planner makes for two measured nodes", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const graph = join(data, "graph.yaml");
    await Deno.writeTextFile(
      graph,
      "model: embedded\nconstraints:\n  pin:\n    - { host: second, layers: 3-5 }\n",
    );
    // It was measured before; the second one measures itself.
    await writeProfiles([join(data, "first")]);
    await using first = NodeProcess.start([
      ...[
        "--data",
        join(data, "first"),
        "--nodes",
        "2",
        "--graph",
        graph,
        "--name",
        "first",
        "--draft",
        "none",
      ],
    ]);
    await using second = NodeProcess.start([
      ...["--data", join(data, "second"), ...await first.join(), "--name", "second"],
    ]);
    await first.line(/^not ready measuring 2 nodes and the links between them/);
    await first.line(/^plan +embedded, blended: first token after .* tokens\/s/);
    await first.line(/^ {2}stage +host +layers +a row +why$/);
    const [url, secondUrl] = [await first.url(), await second.url()];
    const plan = await getPlan(url);
    assert.equal(plan.status, 200);
    assert.deepEqual(await getPlan(secondUrl), plan);
    const { stages, predicted, bottleneck, lower_bound, gap } = plan.body;
    const { host, first_layer, last_layer, seconds_per_row, weight_bytes, kv_bytes, why } = stages
      .at(-1);
    assert.match(host, /^second:/);
    assert.ok(first_layer <= 3 && last_layer === 5, "the graph pins layers 3-5 to the second node");
    for (
      const n of [
        seconds_per_row,
        weight_bytes,
        kv_bytes,
        predicted.ttft_s,
        predicted.tpot_s,
        lower_bound,
      ]
    ) {
      assert.ok(n > 0, JSON.stringify(plan.body));
    }
    assert.ok(why.length > 10 && bottleneck.why.length > 0 && gap >= 0);
    assert.doesNotMatch(second.output, /^plan /m);
    const text = await answer(url);
    assert.ok(text.length > 20);
    assert.equal(await answer(secondUrl), text);
    const profiles = [...Deno.readDirSync(join(data, "second", "profiles"))].map((e) => e.name);
    assert.ok(
      profiles.length >= 1 && profiles.every((name) => name.endsWith(".json")),
      String(profiles),
    );
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("deno task start serves a plan that uses the other node alone", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const graph = join(data, "graph.yaml");
    await Deno.writeTextFile(
      graph,
      "model: embedded\nconstraints:\n  pin:\n    - { host: second, layers: 0-5 }\n",
    );
    await writeProfiles([data]);
    await using first = NodeProcess.start([
      ...["--data", data, "--nodes", "2", "--graph", graph, "--name", "first"],
    ]);
    await using _second = NodeProcess.start([
      "--data",
      data,
      ...await first.join(),
      "--name",
      "second",
    ]);
    await first.line(/^ready +embedded: layers 0-5 on second:\S+$/);
    await first.line(/^ {2}idle +this node /);
    assert.ok((await answer(await first.url())).length > 20);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("GET /api/plan says that there is no plan, and why, when layers were split evenly", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await using node = NodeProcess.start(["--data", data, "--placement", "even"]);
    const { status, body } = await getPlan(await node.ready(1));
    assert.equal(status, 404);
    assert.match(body.error.message, /no plan: .*--placement even/);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
