/**
 * OpenAI's own client as the judge of the API: over a scripted generator, and over real nodes.
 */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { startCluster } from "../support/processes.ts";
import config from "./deno.json" with { type: "json" };
import rootConfig from "../../deno.json" with { type: "json" };
import { openaiClient, openaiConformance } from "./openai.ts";
import { withScripted } from "./scripted_api.ts";

const say = (content: string) => [{ role: "user" as const, content }];

Deno.test("createApi() satisfies OpenAI's client", async (t) => {
  await withScripted((url) =>
    openaiConformance(`${url}/v1`, {
      model: "scripted",
      deterministic: true,
      step: (name, check) => t.step(name, check),
    })
  );
});

Deno.test("createApi() refuses with the statuses for which OpenAI's client has classes", () =>
  withScripted(async (url) => {
    const client = openaiClient(`${url}/v1`);
    for (const stream of [false, true]) {
      const create = (text: string) =>
        client.chat.completions.create({ model: "default", messages: say(text), stream });
      await assert.rejects(create("[busy]"), OpenAI.RateLimitError);
      for (const [text, status] of [["[not ready]", 503], ["[broken]", 500]] as const) {
        await assert.rejects(
          create(text),
          (error) => error instanceof OpenAI.InternalServerError && error.status === status,
        );
      }
    }
    const stream = await client.chat.completions.create({
      model: "default",
      messages: say("[fail]"),
      stream: true,
    });
    await assert.rejects(async () => {
      for await (const _ of stream);
    }, OpenAI.APIError);
  }));

Deno.test("createApi() has OpenAI's client send again what may succeed, and give up what cannot", () =>
  withScripted(async (url) => {
    let requests = 0;
    const client = openaiClient(`${url}/v1`).withOptions({
      maxRetries: 1,
      fetch: (...request) => {
        requests++;
        return fetch(...request);
      },
    });
    const cases: [group: string, code: string, status: number, requests: number][] = [
      ["model", "chat_template_failed", 400, 1],
      ["engine", "no_token_left", 400, 1],
      ["cluster", "node_lost", 503, 2],
      ["actor", "deadline_exceeded", 504, 2],
    ];
    for (const [group, code, status, wanted] of cases) {
      requests = 0;
      const messages = say(`[refuse ${group} ${code}]`);
      await assert.rejects(
        client.chat.completions.create({ model: "default", messages }),
        (error) =>
          error instanceof OpenAI.APIError && error.status === status && error.code === code,
      );
      assert.equal(requests, wanted, code);
    }
  }));

Deno.test("deno task start serves the official OpenAI client with one node and with two", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    for (const nodes of [1, 2]) {
      await using cluster = await startCluster(nodes, data);
      await t.step(
        `${nodes} node(s)`,
        (step) =>
          openaiConformance(`${cluster.url}/v1`, {
            model: "embedded",
            deterministic: true,
            step: (name, run) => step.step(name, run),
          }),
      );
    }
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("deno.json of the clients has the product's packages in the product's versions", async () => {
  const own: Record<string, string> = config.imports;
  const product: Record<string, string> = rootConfig.imports;
  for (const [name, version] of Object.entries(own)) {
    if (name in product) assert.equal(version, product[name]);
  }
  const example = await Deno.readTextFile(
    new URL("../../examples/05_openai_client.ts", import.meta.url),
  );
  assert.ok(example.includes(`"${own.openai}"`), `the example imports another than ${own.openai}`);
  for (const client of ["openai", "ai", "ollama", "@anthropic-ai/sdk", "@langchain/openai"]) {
    assert.ok(!(client in product), `${client} is in the product's deno.json: a set-up carries it`);
  }
});
