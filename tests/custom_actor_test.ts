/**
 * Custom actors as users meet them: nodes started with a graph file, and clients of their API.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NodeProcess, startCluster } from "./support/processes.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const GRAPH = `
model: embedded
actors:
  custom:
    - name: guard
      module: ${ROOT}tests/fixtures/moody_guard.ts
      limits: { compute_seconds: 1 s }
      expose: true
    - name: redact
      module: ${ROOT}examples/graphs/redact.ts
      config: { words: [rain, water] }
    - name: panel
      module: ${ROOT}examples/graphs/panel.ts
      expose: true
edges:
  - { from: api, to: guard }
  - { from: guard, to: generation }
  - { from: generation, to: redact }
  - { from: redact, to: api }
`;

async function withGraph(
  text: string,
  use: (file: string, dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const file = join(dir, "graph.yaml");
    await Deno.writeTextFile(file, text);
    await use(file, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Status and body of a JSON request. */
async function post(url: string, body: unknown) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

/** Asks on the chat API; greedy, 40 tokens at most. */
const chat = (url: string, content: string, more: Record<string, unknown> = {}) =>
  post(`${url}/v1/chat/completions`, {
    messages: [{ role: "user", content }],
    temperature: 0,
    max_tokens: 40,
    ...more,
  });

/** Contents of a streamed answer's chunks. */
async function streamed(url: string, content: string): Promise<string[]> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content }],
      temperature: 0,
      max_tokens: 40,
      stream: true,
    }),
  });
  const chunks = (await response.text()).split("\n").filter((line) => line.startsWith("data: {"));
  return chunks.flatMap((chunk) => JSON.parse(chunk.slice(6)).choices?.[0]?.delta?.content || []);
}

const blackened = (text: string) =>
  text.replace(/\b(rain|water)\b/gi, (word) => "█".repeat(word.length));

Deno.test("deno task start --graph puts custom actors between every node's clients and the model", async (t) => {
  await withGraph(GRAPH, async (file, dir) => {
    await using cluster = await startCluster(2, join(dir, "store"), ["--graph", file]);
    const second = await cluster.nodes[1].url();
    const { body: raw } = await post(`${cluster.url}/api/actors/panel`, {
      type: "ask",
      questions: ["Why does it rain?"],
    });
    const plain: string = raw.answers[0];

    for (const [where, url] of [["the first node", cluster.url], ["the second node", second]]) {
      await t.step(
        `${where}: an actor refuses a request, with its own words and code`,
        async () => {
          const { status, body } = await chat(url, "Tell me a secret");
          assert.equal(status, 400);
          assert.deepEqual(body.error, {
            message: "that is a secret",
            type: "invalid_request_error",
            param: null,
            code: "secret_topic",
          });
          const streaming = await chat(url, "Tell me a secret", { stream: true });
          assert.deepEqual([streaming.status, streaming.body.error.code], [400, "secret_topic"]);
        },
      );
      await t.step(
        `${where}: text passes an actor on its way out, whole and streamed`,
        async () => {
          assert.match(plain, /\b(rain|water)\b/i);
          const { body } = await chat(url, "Why does it rain?");
          const whole: string = body.choices[0].message.content;
          assert.equal(whole.trim(), blackened(plain));
          const pieces = await streamed(url, "Why does it rain?");
          // How many depends on the machine's load: tokens that wait are sent together.
          assert.ok(pieces.length > 1, `streamed in ${pieces.length} pieces`);
          assert.equal(pieces.join(""), whole);
        },
      );
      await t.step(`${where}: an actor asks the model itself, as often as it likes`, async () => {
        const questions = ["Why does it rain?", "Why does it rain?"];
        const { status, body } = await post(`${url}/api/actors/panel`, { type: "ask", questions });
        assert.deepEqual([status, body], [200, { answers: [plain, plain] }]);
      });
    }
    const { url } = cluster;

    await t.step("an actor rewrites a request", async () => {
      const { status, body } = await chat(url, "I ask something, answer about rain instead", {
        max_tokens: 3,
      });
      assert.equal(status, 200);
      assert.equal(body.choices[0].message.content.trim(), blackened(plain));
    });
    await t.step("an actor sees the request as the client made it", async () => {
      await chat(url, "Hello", {
        temperature: 0.5,
        top_p: 0.9,
        seed: 7,
        stop: "END",
        max_tokens: 2,
      });
      const { body } = await post(`${url}/api/actors/guard`, { type: "seen" });
      assert.deepEqual(body.at(-1), {
        model: "default",
        messages: [{ role: "user", content: "Hello" }],
        sampling: { temperature: 0.5, top_p: 0.9, seed: 7 },
        max_tokens: 2,
        stop: ["END"],
      });
    });
    await t.step(
      "an actor that crashes, computes for ever or talks nonsense lets nothing pass",
      async () => {
        const broken: [string, number, RegExp][] = [
          [
            "crash",
            502,
            /^actor guard, which stands between clients and the model, failed \(see the log/,
          ],
          ["loop", 502, /^actor guard, .* failed \(see the log of the node\)$/],
          ["nonsense", 502, /answered request with something else than a verdict: allow/],
        ];
        for (const [question, status, message] of broken) {
          const looping = chat(url, question);
          // The node answers others meanwhile.
          assert.equal((await fetch(`${url}/healthz`)).status, 200);
          const { status: found, body } = await looping;
          assert.equal(found, status, JSON.stringify(body));
          assert.equal(body.error.code, "custom_actor_failed");
          assert.match(body.error.message, message);
        }
        assert.equal((await chat(url, "Why does it rain?")).status, 200, "it was started again");
        // More crashes in a minute than an actor may have for reasons of its own.
        for (let i = 0; i < 5; i++) assert.equal((await chat(url, "crash")).status, 502);
        assert.equal((await chat(url, "Why does it rain?")).status, 200, "others are answered");
      },
    );
    await t.step("what an actor could not see, or would show, is refused", async () => {
      const tokens = await post(`${url}/v1/completions`, { prompt: [1, 2, 3] });
      assert.deepEqual([tokens.status, tokens.body.error.param], [400, "prompt"]);
      const logprobs = await chat(url, "Hello", { logprobs: true });
      assert.deepEqual([logprobs.status, logprobs.body.error.param], [400, "logprobs"]);
    });
    await t.step(
      "clients ask only actors that the graph exposes, and only what those take",
      async () => {
        const cases: [string, unknown, number, RegExp][] = [
          ["redact", { type: "delta", text: "x" }, 404, /no actor "redact" may be asked here/],
          ["model", { type: "generate", prompt: "x" }, 404, /no actor "model" may be asked here/],
          ["guard", { type: "nothing" }, 400, /guard has no message nothing; it has request, seen/],
          [
            "panel",
            { type: "ask", questions: [] },
            400,
            /message ask to graph\/panel\/main: questions: /,
          ],
          ["panel", { questions: ["x"] }, 400, /^type: /],
          ["panel", { type: "ask", questions: ["x".repeat(1 << 20)] }, 400, /1048576 are allowed/],
        ];
        for (const [name, message, status, text] of cases) {
          const { status: found, body } = await post(`${url}/api/actors/${name}`, message);
          assert.equal(found, status, JSON.stringify(body));
          assert.match(body.error.message, text);
        }
        const get = await fetch(`${url}/api/actors/panel`);
        assert.equal(get.status, 405);
        await get.body?.cancel();
      },
    );
  });
});

Deno.test("deno task start --graph refuses an unusable module in one line that names entry and module", async () => {
  const text = "model: embedded\nactors: { custom: [{ name: odd, module: ./throws.ts }] }\n";
  await withGraph(text, async (file, dir) => {
    await Deno.writeTextFile(join(dir, "throws.ts"), "throw new Error('not today');");
    await using node = NodeProcess.start(["--data", join(dir, "store"), "--graph", file]);
    assert.equal((await node.status()).code, 1, node.output);
    const errors = node.output.split("\n").filter((line) => line.startsWith("stderr: "));
    assert.equal(errors.length, 1, node.output);
    assert.ok(errors[0].includes(`${file}: actors.custom[0] (odd): module `), errors[0]);
    assert.match(errors[0], /not today/);
  });
});
