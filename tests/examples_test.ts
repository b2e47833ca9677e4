/**
 * Every example runs as its first lines say, and prints what it promises.
 */
import assert from "node:assert/strict";
import { startCluster } from "./support/processes.ts";

const expected: Record<string, RegExp> = {
  "01_counter.ts":
    /^a counts 42, b counts 40\nrefused: message add to default\/counter\/a: n: .*expected number/,
  "02_two_nodes.ts": /^sum 499500\nactive on right: default\/summer\/a\n$/,
  "03_supervision.ts":
    /^pay 0: no_money.*\ntotal 250\n(.*\n)*.* crashed: a defect.*\n.* stops with 250 cents\n(.*\n)*total after a restart 0\n(.*\n)*pay 100: actor_failed, .* crashed 2 times/,
  "04_generate.ts": /^\S.{40,}\n\d+ tokens, first after [\d.]+ ms, then [\d.]+ ms each\n$/,
  "05_openai_client.ts": /^\S.{40,}\n$/,
  "06_custom_actor.ts":
    /^.*█{4}.*\nrefused: \{[^}]*questions about volcano are not answered here[^}]*"forbidden_topic"[^}]*\}\nthe guard says: \{ refused: 1 \}\n$/,
  "07_plan.ts":
    /^boxes: 1; the model does not fit: box-0 lacks \d+ bytes .*\n(boxes: [2346]; layers 0-\d+, .*; first token after .* of the time\n){4}$/,
  "08_durable_counter.ts": /^it crashed\ncounted 2\nafter a restart \{ count: 2, alarms: 1 \}\n$/,
  "09_durable_graph.ts":
    /^request 1 200\nrequest 2 200\nsaid 2 turns\nrequest 3 200\nrequest 4 429 retry after \d{3} s\nsaid 4 turns\n$/,
};

const ROOT = new URL("..", import.meta.url);
const EXAMPLES = new URL("../examples/", import.meta.url);

Deno.test("examples/ run with the commands in their own first lines", async (t) => {
  const cwd = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await using node = await startCluster(1, cwd);
    const files = [...Deno.readDirSync(EXAMPLES)].map((f) => f.name).filter((f) =>
      f.endsWith(".ts")
    ).sort();
    assert.deepEqual(files, Object.keys(expected));
    for (const file of files) {
      await t.step(file, async () => {
        const source = await Deno.readTextFile(new URL(file, EXAMPLES));
        const [, flags] = /deno run (.*)examples\//.exec(source)!;
        const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "-q",
            "--no-prompt",
            ...(flags.includes("--no-config")
              ? []
              : ["--config", new URL("deno.json", ROOT).pathname]),
            ...flags.split(" ").filter(Boolean),
            new URL(file, EXAMPLES).pathname,
            ...(source.includes("[http://") ? [node.url] : []),
          ],
          cwd, // 04 makes its model store in the current folder
          env: { NO_COLOR: "1" },
        }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        assert.match(new TextDecoder().decode(stdout), expected[file]);
      });
    }
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});
