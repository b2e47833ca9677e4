import assert from "node:assert/strict";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { type ApiOptions, type ApiServer, createApi, serveApi } from "./mod.ts";

interface Setup {
  generator: ScriptedGenerator;
  server: ApiServer;
  stop: AbortController;
}

const checked = { sanitizeOps: true, sanitizeResources: true };

/** Runs `body` against a served scripted generator, then drains and waits for the end. */
async function withApi(body: (setup: Setup) => Promise<void>, options?: ApiOptions): Promise<void> {
  const generator = new ScriptedGenerator();
  const stop = new AbortController();
  const app = createApi(generator, options);
  const server = await serveApi({
    app,
    host: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    drainMs: 2_000,
  });
  try {
    await body({ generator, server, stop });
  } finally {
    stop.abort();
    await server.finished;
  }
  assert.equal(generator.active, 0, "every generation has ended");
}

function post(server: ApiServer, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...init,
  });
}

const say = (content: string) => [{ role: "user" as const, content }];

Deno.test(
  "createApi() passes the request's fields to the generator and leaves out those that were left out",
  checked,
  () =>
    withApi(async ({ generator, server }) => {
      const answer = await post(server, {
        messages: [
          {
            role: "developer",
            content: [{ type: "text", text: "a" }, { type: "text", text: "b" }],
          },
          { role: "user", content: "c", name: "me" },
        ],
        temperature: 0.5,
        top_k: 4,
        min_p: 0.1,
        repetition_penalty: 1.1,
        seed: -1,
        n: 2,
        stop: "zzz",
        max_tokens: 5,
        max_completion_tokens: 2,
        logit_bias: { "7": -100 },
        orrery: { piece_rows: 64, ignore_eos: true, reuse: false },
      });
      await answer.body?.cancel();
      const sampling = {
        logprobs: false,
        top_logprobs: 0,
        temperature: 0.5,
        top_k: 4,
        min_p: 0.1,
        repetition_penalty: 1.1,
        logit_bias: [[7, -100]],
      };
      const shared = {
        model: "default",
        prompt: {
          kind: "chat",
          messages: [{ role: "system", content: "a\nb" }, {
            role: "user",
            content: "c",
            name: "me",
          }],
        },
        stop: ["zzz"],
        maxTokens: 2,
        pieceRows: 64,
        ignoreEos: true,
        reuse: false,
      };
      assert.deepEqual(generator.requests, [
        { ...shared, sampling: { ...sampling, seed: 0xffffffff } },
        { ...shared, sampling: { ...sampling, seed: 0 } },
      ]);
    }),
);

Deno.test(
  "createApi() answers a refusal of the generator with its status, streamed or not",
  checked,
  () =>
    withApi(async ({ server }) => {
      for (const stream of [false, true]) {
        const busy = await post(server, { messages: say("[busy]"), stream });
        assert.equal(busy.status, 429);
        assert.equal(busy.headers.get("retry-after"), "7");
        assert.equal((await busy.json()).error.code, "busy");
        const notReady = await post(server, { messages: say("[not ready]"), stream });
        assert.equal(notReady.status, 503);
        assert.equal((await notReady.json()).error.code, "not_ready");
        const broken = await post(server, { messages: say("[broken]"), stream });
        assert.equal(broken.status, 500);
        assert.ok(!(await broken.text()).includes("secret"), "what is internal stays inside");
      }
    }),
);

Deno.test(
  "createApi() answers 502 when a stage fails, and within a stream with an error event that ends it",
  checked,
  () =>
    withApi(async ({ server }) => {
      const whole = await post(server, { messages: say("[fail]") });
      assert.equal(whole.status, 502);
      assert.equal((await whole.json()).error.code, "engine_failed");

      const streamed = await (await post(server, { messages: say("[fail]"), stream: true })).text();
      const events = streamed.trimEnd().split("\n\n");
      assert.deepEqual(JSON.parse(events.at(-1)!.slice("data: ".length)).error, {
        message: "stage 1 is gone",
        type: "server_error",
        param: null,
        code: "engine_failed",
      });
      assert.equal(events.length, 4, "role, two tokens, error, and no [DONE]");
    }),
);

for (const stream of [true, false]) {
  Deno.test(
    `createApi() aborts the generation when the client goes away (stream: ${stream})`,
    checked,
    () =>
      withApi(async ({ generator, server }) => {
        const aborted = Promise.withResolvers<void>();
        generator.onAbort = aborted.resolve;
        // A bare socket: the client's own abort logic takes no part.
        const socket = await Deno.connect({ port: server.port });
        const body = JSON.stringify({ messages: say(stream ? "[endless]" : "[hang]"), stream });
        const head =
          `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
          `content-length: ${body.length}\r\n\r\n`;
        await socket.write(new TextEncoder().encode(head + body));
        if (stream) await socket.read(new Uint8Array(4096));
        while (generator.active === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        socket.close();
        await aborted.promise;
        assert.equal(generator.active, 0);
      }),
  );
}

Deno.test(
  "createApi() ends the generation of a stream that is cancelled while nobody reads",
  checked,
  async () => {
    const generator = new ScriptedGenerator();
    const response = await createApi(generator).request("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: say("[endless]"), stream: true }),
    });
    const aborted = Promise.withResolvers<void>();
    generator.onAbort = aborted.resolve;
    const reader = response.body!.getReader();
    await reader.read();
    // The stream's buffer is full again by now, so that no read of the generator is under way.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await reader.cancel();
    await aborted.promise;
    assert.equal(generator.active, 0);
  },
);

Deno.test(
  "createApi() ends all choices when one fails",
  checked,
  () =>
    withApi(async ({ generator, server }) => {
      const answer = await fetch(`${server.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prompt: ["[hang]", "[fail]"] }),
      });
      assert.equal(answer.status, 502);
      await answer.body?.cancel();
      assert.equal(generator.requests.length, 2);
    }),
);

Deno.test(
  "createApi() answers more choices than it runs at once",
  checked,
  () =>
    withApi(async ({ server }) => {
      const prompt = Array.from({ length: 11 }, (_, i) => `prompt ${i}`);
      const response = await fetch(`${server.url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prompt, n: 2, max_tokens: 1, echo: true }),
      });
      const answer: { choices: { text: string }[]; usage: { prompt_tokens: number } } =
        await response.json();
      assert.equal(answer.choices.length, 22);
      answer.choices.forEach(({ text }, i) => assert.ok(text.startsWith(`prompt ${i >> 1}`)));
      assert.equal(answer.usage.prompt_tokens, 22);
    }),
);

Deno.test(
  "createApi() keeps a silent stream alive with comments",
  checked,
  () =>
    withApi(async ({ server }) => {
      const response = await post(server, { messages: say("[hang]"), stream: true });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      while (!/(: keep-alive\n\n){2}$/.test(text)) text += (await reader.read()).value;
      await reader.cancel();
    }, { keepAliveMs: 20 }),
);

Deno.test(
  "createApi() refuses a body past the limit, declared or chunked",
  checked,
  () =>
    withApi(async ({ server }) => {
      const text = JSON.stringify({ messages: say("x".repeat(5000)) });
      for (const body of [text, new Blob([text]).stream()]) {
        const response = await post(server, null, { body });
        assert.equal(response.status, 413);
        assert.equal((await response.json()).error.code, "body_too_large");
      }
    }, { maxBodyBytes: 4096 }),
);

Deno.test(
  "createApi() refuses a body that does not arrive in time",
  checked,
  () =>
    withApi(async ({ server }) => {
      const socket = await Deno.connect({ port: server.port });
      const head =
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
      await socket.write(new TextEncoder().encode(head));
      const answer = new Uint8Array(4096);
      const bytes = await socket.read(answer);
      assert.match(
        new TextDecoder().decode(answer.subarray(0, bytes!)),
        /^HTTP\/1.1 408 [^]*request_timeout/,
      );
      socket.close();
    }, { bodyTimeoutMs: 50 }),
);

Deno.test(
  "createApi() answers 503 with the reason until the node is ready",
  checked,
  () =>
    withApi(async ({ generator, server }) => {
      generator.ready = false;
      generator.cards = [];
      const response = await fetch(`${server.url}/readyz`);
      assert.equal(response.status, 503);
      assert.deepEqual(await response.json(), { ready: false, reason: "waiting for 1 more node" });
      const list = await fetch(`${server.url}/v1/models`);
      assert.deepEqual(await list.json(), { object: "list", data: [] });
      const card = await fetch(`${server.url}/v1/models/scripted`);
      assert.equal(card.status, 404);
      await card.body?.cancel();
    }),
);

Deno.test(
  "createApi() says on /readyz what a check of the stages shows, and answers /health",
  checked,
  () =>
    withApi(async ({ generator, server }) => {
      const verdict = { ready: false, reason: "a prompt is not answered now: its stage is gone" };
      Object.assign(generator, { check: () => Promise.resolve(verdict) });
      const response = await fetch(`${server.url}/readyz`);
      assert.equal(response.status, 503);
      assert.deepEqual(await response.json(), verdict);
      const health = await fetch(`${server.url}/health`);
      assert.deepEqual([health.status, await health.json()], [200, { status: "ok" }]);
    }),
);

Deno.test(
  "createApi() refuses a logit bias outside the vocabulary",
  checked,
  () =>
    withApi(async ({ server }) => {
      const response = await post(server, { messages: say("hello"), logit_bias: { "1000": 1 } });
      assert.equal(response.status, 400);
      assert.equal((await response.json()).error.param, "logit_bias.1000");
    }),
);

Deno.test("createApi() refuses more logit biases than the engine takes", checked, async () => {
  await withApi(async ({ server }) => {
    const logit_bias = Object.fromEntries(Array.from({ length: 1025 }, (_, id) => [id, 1]));
    const response = await post(server, { messages: say("hello"), logit_bias });
    assert.equal(response.status, 400);
    const { error } = await response.json();
    assert.deepEqual([error.param, error.code], ["logit_bias", "invalid_value"]);
    assert.match(error.message, /^logit_bias: takes at most 1024 tokens/);
  });
});

Deno.test(
  "createApi() answers client_closed for a body whose sender is gone",
  checked,
  async () => {
    const body = new ReadableStream({
      start: (controller) => controller.error(new Deno.errors.BadResource("gone")),
    });
    const headers = { "content-type": "application/json" };
    const request = new Request("http://x/v1/chat/completions", { method: "POST", headers, body });
    const response = await createApi(new ScriptedGenerator()).fetch(request);
    assert.equal(response.status, 499);
    assert.equal((await response.json()).error.code, "client_closed");
  },
);

Deno.test("createApi() sends CORS headers only to allowed origins", checked, async () => {
  const origin = "https://app.example";
  const allowed = async (server: ApiServer) => {
    const response = await fetch(`${server.url}/healthz`, { headers: { origin } });
    await response.body?.cancel();
    return response.headers.get("access-control-allow-origin");
  };
  await withApi(async ({ server }) => assert.equal(await allowed(server), null));
  await withApi(async ({ server }) => assert.equal(await allowed(server), origin), {
    access: { origins: [origin] },
  });
});

Deno.test(
  "createApi() refuses fields of completions that it cannot honour",
  checked,
  () =>
    withApi(async ({ server }) => {
      const wrong: [Record<string, unknown>, string][] = [
        [{ prompt: [] }, "prompt"],
        [{ prompt: ["a", 1] }, "prompt"],
        [{ prompt: "a", best_of: 2, n: 3 }, "best_of"],
        [{ prompt: "a", best_of: 2, stream: true }, "best_of"],
        [{ prompt: "a", suffix: "b", echo: true }, "suffix"],
        [{ prompt: [1, 2], suffix: "b" }, "suffix"],
        [{ prompt: "a", max_tokens: 0 }, "max_tokens"],
      ];
      for (const [body, param] of wrong) {
        const response = await fetch(`${server.url}/v1/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        assert.equal(response.status, 400);
        assert.equal((await response.json()).error.param, param);
      }
    }),
);

Deno.test(
  "createApi() takes the orrery object's settings and reports how the answer was made",
  checked,
  () =>
    withApi(async ({ generator, server }) => {
      const orrery = {
        mode: "outline",
        draft_length: 0,
        max_branches: 3,
        pieces: 2,
        live_branches: true,
      };
      const whole = await (await post(server, { messages: say("a"), max_tokens: 4, orrery }))
        .json();
      const { mode, draftLength, maxBranches, pieces, liveBranches } = generator.requests[0];
      assert.deepEqual(
        { mode, draftLength, maxBranches, pieces, liveBranches },
        { mode: "outline", draftLength: 0, maxBranches: 3, pieces: 2, liveBranches: true },
      );
      assert.equal(whole.orrery.mode, "outline");
      assert.deepEqual(
        Object.keys(whole.orrery).sort(),
        [
          ..."accepted,branches,bubble_share,bytes_per_token_per_hop,drafted,mode,nodes,pieces"
            .split(","),
          ..."route,stages,tokens_per_s,ttft_ms,wasted_row_share,why".split(","),
        ].sort(),
      );

      const more = { stream: true, stream_options: { include_usage: true } };
      const stream =
        await (await post(server, { messages: say("a"), max_tokens: 4, orrery, ...more }))
          .text();
      const chunks = stream.split("\n\n").filter((line) => line.startsWith("data: {")).map((line) =>
        JSON.parse(line.slice(6))
      );
      const deltas = chunks.flatMap((chunk) => chunk.choices).filter(({ delta }) => delta.content);
      assert.deepEqual(
        deltas.map(({ delta }) => delta.orrery),
        [0, 1, 0, 1].map((branch) => ({ branch })),
      );
      assert.deepEqual(
        chunks.map(({ orrery }) => orrery?.why).filter((why) => why !== undefined),
        ["scripted"],
      );
      assert.equal(chunks.at(-1).orrery.why, "scripted");

      for (
        const wrong of [
          { mode: "fast" },
          { draft_length: -1 },
          { max_branches: 0 },
          { pieces: 0 },
          {
            speed: 1,
          },
        ]
      ) {
        const refused = await post(server, { messages: say("a"), orrery: wrong });
        assert.equal(refused.status, 400, JSON.stringify(wrong));
        await refused.body?.cancel();
      }
    }),
);

Deno.test(
  "createApi() takes a prediction and reports how much of it was accepted",
  checked,
  () =>
    withApi(async ({ generator, server }) => {
      const content = "The café on the hill";
      for (const given of [content, [{ type: "text" as const, text: content }]]) {
        const prediction = { type: "content", content: given };
        const answer = await (await post(server, { messages: say("a"), prediction, n: 2 })).json();
        assert.equal(generator.requests.at(-1)!.prediction, content);
        assert.deepEqual(answer.usage.completion_tokens_details, {
          accepted_prediction_tokens: 6,
          rejected_prediction_tokens: 4,
        });
      }
      const plain = await (await post(server, { messages: say("a") })).json();
      assert.equal(plain.usage.completion_tokens_details, undefined);
      assert.equal("prediction" in generator.requests.at(-1)!, false);
    }),
);

Deno.test(
  "createApi() takes an outline's points with chat messages only",
  checked,
  () =>
    withApi(async ({ generator, server }) => {
      const points = ["Sun", " Cloud "];
      await (await post(server, { messages: say("a"), orrery: { points, draft_tree: false } })).body
        ?.cancel();
      const { points: taken, draftTree } = generator.requests[0];
      assert.deepEqual({ taken, draftTree }, { taken: ["Sun", "Cloud"], draftTree: false });
      const wrong: [string, unknown, RegExp][] = [
        [
          "chat/completions",
          { messages: say("a"), orrery: { points, mode: "plain" } },
          /mode plain has no outline/,
        ],
        ["chat/completions", { messages: say("a"), orrery: { points: [] } }, /orrery.points/],
        [
          "chat/completions",
          { messages: say("a"), orrery: { points: [" "] } },
          /orrery.points\[0\]/,
        ],
        [
          "chat/completions",
          { messages: say("a"), orrery: { points: Array(31).fill("x") } },
          /orrery.points/,
        ],
        ["completions", { prompt: "a", orrery: { points } }, /needs chat messages/],
      ];
      for (const [path, body, why] of wrong) {
        const response = await fetch(`${server.url}/v1/${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        assert.equal(response.status, 400);
        assert.match((await response.json()).error.message, why);
      }
    }),
);
