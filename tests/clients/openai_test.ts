/**
 * OpenAI's own client as the judge of the API: over a scripted generator, and over real nodes.
 */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { OrreryError } from "../../actors/system/errors.ts";
import { createApi, serveApi } from "../../runtime/api/mod.ts";
import { startCluster } from "../support/processes.ts";
import { ScriptedGenerator } from "../support/scripted_generator.ts";
import config from "./deno.json" with { type: "json" };
import rootConfig from "../../deno.json" with { type: "json" };
import { openaiClient, openaiConformance } from "./openai.ts";

/** Runs `body` against a served scripted generator, then drains and waits for the end. */
async function withScripted(
  body: (setup: { generator: ScriptedGenerator; baseURL: string }) => Promise<void>,
): Promise<void> {
  const generator = new ScriptedGenerator();
  const stop = new AbortController();
  const server = await serveApi({
    app: createApi(generator),
    host: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    drainMs: 2_000,
  });
  try {
    await body({ generator, baseURL: `${server.url}/v1` });
  } finally {
    stop.abort();
    await server.finished;
  }
  assert.equal(generator.active, 0, "every generation has ended");
}

const say = (content: string) => [{ role: "user" as const, content }];

Deno.test("createApi() satisfies OpenAI's client", async (t) => {
  await withScripted(({ baseURL }) =>
    openaiConformance(baseURL, {
      model: "scripted",
      deterministic: true,
      step: (name, check) => t.step(name, check),
    })
  );
});

Deno.test("createApi() refuses with the statuses for which OpenAI's client has classes", () =>
  withScripted(async ({ baseURL }) => {
    const client = openaiClient(baseURL);
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
  withScripted(async ({ generator, baseURL }) => {
    const client = openaiClient(baseURL).withOptions({ maxRetries: 1 });
    const cases: [group: string, code: string, status: number, requests: number][] = [
      ["model", "chat_template_failed", 400, 1],
      ["engine", "no_token_left", 400, 1],
      ["cluster", "node_lost", 503, 2],
      ["actor", "deadline_exceeded", 504, 2],
    ];
    for (const [group, code, status, requests] of cases) {
      generator.refusal = new OrreryError({ group, code, message: "why" });
      generator.requests.length = 0;
      await assert.rejects(
        client.chat.completions.create({ model: "default", messages: say("Hi") }),
        (error) =>
          error instanceof OpenAI.APIError && error.status === status && error.code === code,
      );
      assert.equal(generator.requests.length, requests, code);
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
