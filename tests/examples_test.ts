/**
 * Every example runs as its first lines say, and prints what it promises.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findProgram } from "./support/find_program.ts";
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
  "10_four_nodes.ts":
    /^layers 0-1 on desk\nlayers 2-3 on den\nlayers 4-4 on attic\nlayers 5-5 on shed\n\S[^]{40,}\n4 stages on 4 nodes, \w+\n$/,
  "11_outline.ts":
    /^1\. \S[^]+\n2\. \S[^]+\npieces came by turns from branches (?!(\d) (\1 )*\.\.\.)[\d ]+\.\.\.\noutline: [2-9] branches, outline as asked; \d points\n$/,
  "12_speculation.ts":
    /^\S.{40,}\nplain: +\d+ tokens\/s\nspeculative: \d+ tokens\/s, [1-9]\d* of [1-9]\d* drafted tokens came true\nthe same text: true\n$/,
  "13_structured_output.ts":
    /^\{ kind: "(rain|snow|hail|fog)", wet: (true|false), millimetres: \d{1,3} \}\n$/,
  "14_tools.ts":
    /^the model calls get_weather\(\{"city":"(Rome|Oslo|Lima)"\}\), which gives "(sunny|rain|fog), \d\d °C"\nand answers: \S.*\n/,
  "15_private_prompts.ts":
    /^a client says: .*ada@example\.org.*\nthe model is told: Write to \[e-mail\] or call \[telephone\]: why does it rain\?\nprivate counts: +\{ seen: 3, taken: 6 \}\n$/,
  "16_retrieval.ts":
    /^40 texts, of 256 numbers each; nearest to "What is a mailbox\?":\n( {2}0\.\d{3} \S.*\n){3}\S.*\n/,
  "17_fleet.ts":
    /^64 devices planned in [\d.]+ s\n( {2}layers \d+-\d+ on \w+-\d-\d, .* a row\n)+first token after .*tokens\/s; at most [\d.]+ % above the best possible\n\d\d devices are idle; \S+: idle: .*\n$/,
  "18_langchain.ts": /^\S.{40,}\n$/,
  "19_ai_sdk.ts": /^\S.{40,}\n+ *\{ answer: "(yes|no)" \}\n$/,
};

const ROOT = new URL("..", import.meta.url);
const EXAMPLES = new URL("../examples/", import.meta.url);

const pathOf = (file: string): string => fileURLToPath(new URL(file, ROOT));

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
            // Paths in its flags are from the root.
            ...(/--(no-)?config/.test(flags) ? [] : ["--config", pathOf("deno.json")]),
            ...flags.split(" ").filter(Boolean).map((flag) =>
              flag.endsWith(".json") ? pathOf(flag) : flag
            ),
            fileURLToPath(new URL(file, EXAMPLES)),
            ...(source.includes("[http://") ? [node.url] : []),
          ],
          cwd, // 04 makes its model store in the current folder
          env: { NO_COLOR: "1" },
        }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        const [shown, next] = new TextDecoder().decode(stdout).split(/^next: /m);
        assert.match(shown, expected[file]);
        assert.match(next ?? "", /^\S/, "it says what to try next");
      });
    }
    await t.step({
      name: "20_curl.sh",
      ignore: await findProgram("curl") === undefined || Deno.build.os === "windows",
      async fn() {
        const args = [fileURLToPath(new URL("20_curl.sh", EXAMPLES)), node.url];
        const { code, stdout, stderr } = await new Deno.Command("sh", { args }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        const [shown, next] = new TextDecoder().decode(stdout).split(/^next: /m);
        assert.match(shown, /^\S.{30,}\n\[\{"seq":\d+,.*"stages":\[\{"stage":0,.*\}\]\n$/);
        assert.match(next ?? "", /^curl /);
      },
    });
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});
