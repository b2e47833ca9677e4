/**
 * What a graph file says of requests that do not say, at a node that has never seen the file.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ask } from "./support/compare_answers.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";

const whyOf = async (url: string, orrery?: Record<string, unknown>) =>
  (await ask(url, "Why does it rain?", {
    max_tokens: 300,
    logprobs: false,
    top_logprobs: undefined,
    orrery,
  }))
    .orrery.why;

Deno.test("deno task start --graph applies mode, outline texts and router at the second node too", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const graph = join(data, "graph.yaml");
    // The model was taught other words to ask for an outline: asked so, it answers as if it were
    // asked plainly.
    await Deno.writeTextFile(
      graph,
      `model: embedded
actors:
  outline:
    templates: { outline: "{question}", point: "Expand point {index}: {point}" }
    router: false
decode: { mode: plain }
`,
    );
    await using first = NodeProcess.start([
      ...[
        "--data",
        join(data, "first"),
        "--nodes",
        "2",
        "--graph",
        graph,
        "--draft",
        "none",
        ...EVEN,
      ],
    ]);
    await using second = NodeProcess.start([
      ...["--data", join(data, "second"), ...await first.join()],
    ]);
    const url = await second.ready(2);
    assert.equal(await whyOf(url), "plain as the graph says");
    assert.match(
      await whyOf(url, { mode: "auto" }),
      /; no outline: the graph leaves outlines to requests that ask for one/,
    );
    assert.match(await whyOf(url, { mode: "outline" }), /; the outline could not be used: /);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
