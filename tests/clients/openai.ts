/**
 * Checks of an OpenAI-compatible server with OpenAI's own client as the judge.
 *
 * @module
 */
import assert from "node:assert/strict";
import OpenAI from "openai";

/** What the checks need to know about the server. */
export interface ConformanceOptions {
  /** Name of the served model. */
  model: string;
  /**
   * Do equal greedy or seeded requests get equal answers? Checks that compare two answers are left
   * out if not.
   */
  deterministic: boolean;
  /** Runs one named check, e.g. as `t.step`. @default calls it */
  step?: (name: string, check: () => Promise<void>) => Promise<unknown>;
}

/** The client under which the checks run: it never tries again, so that every refusal is seen. */
export function openaiClient(baseURL: string): OpenAI {
  return new OpenAI({ baseURL, apiKey: "none", maxRetries: 0, timeout: 60_000 });
}

type Messages = OpenAI.Chat.ChatCompletionMessageParam[];

const messages: Messages = [
  { role: "system", content: "Answer in a few sentences." },
  { role: "user", content: [{ type: "text", text: "Why is the sky blue?" }] },
];

/**
 * Runs every check against the API at `baseURL` (ends in `/v1`); throws an AssertionError at the
 * first that fails.
 */
export async function openaiConformance(
  baseURL: string,
  options: ConformanceOptions,
): Promise<void> {
  const { step = (_, check) => check() } = options;
  const client = openaiClient(baseURL);
  for (
    const [name, check] of Object.entries({
      ...models,
      ...chat,
      ...completions,
      ...refusals,
      ...transport,
    })
  ) {
    await step(name, () => check(client, options));
  }
}

type Checks = Record<string, (client: OpenAI, options: ConformanceOptions) => Promise<void>>;

function checkUsage(usage: OpenAI.CompletionUsage | null | undefined, maxTokens: number): void {
  assert.ok(usage, "there is a usage");
  assert.ok(usage.prompt_tokens > 0);
  assert.ok(usage.completion_tokens > 0 && usage.completion_tokens <= maxTokens);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

const models: Checks = {
  async "models.list and models.retrieve name the model"(client, { model }) {
    const list = await client.models.list();
    assert.equal(list.object, "list");
    assert.ok(list.data.some(({ id, object }) => id === model && object === "model"));
    const card = await client.models.retrieve(model);
    assert.equal(card.id, model);
    assert.equal(typeof card.created, "number");
    assert.equal(typeof card.owned_by, "string");
    await assert.rejects(client.models.retrieve("no/such-model"), OpenAI.NotFoundError);
  },
};

const chat: Checks = {
  async "chat.completions answers whole"(client, { model }) {
    const answer = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 12,
      temperature: 0,
    });
    assert.match(answer.id, /^chatcmpl-./);
    assert.equal(answer.object, "chat.completion");
    assert.ok(Math.abs(answer.created - Date.now() / 1000) < 600);
    assert.equal(answer.model, model);
    assert.equal(answer.choices.length, 1);
    const [choice] = answer.choices;
    assert.equal(choice.index, 0);
    assert.equal(choice.message.role, "assistant");
    assert.ok(choice.message.content, "there is text");
    assert.equal(choice.logprobs, null);
    assert.match(choice.finish_reason, /^(stop|length)$/);
    checkUsage(answer.usage, 12);
  },

  async "chat.completions streams the same text, usage last"(client, { model, deterministic }) {
    const request = { model, messages, max_completion_tokens: 12, temperature: 0 };
    const stream = await client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const last = chunks.pop()!;
    assert.deepEqual(last.choices, []);
    checkUsage(last.usage, 12);
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    for (const chunk of chunks) {
      assert.equal(chunk.object, "chat.completion.chunk");
      assert.equal(chunk.id, last.id);
      assert.equal(chunk.usage, null);
    }
    const reasons = chunks.map(({ choices }) => choices[0].finish_reason);
    assert.match(reasons.pop()!, /^(stop|length)$/);
    assert.ok(
      reasons.every((reason) => reason === null),
      "only the last chunk has a finish reason",
    );
    const text = chunks.map(({ choices }) => choices[0].delta.content ?? "").join("");
    assert.notEqual(text, "");
    if (deterministic) {
      const whole = await client.chat.completions.create(request);
      assert.equal(text, whole.choices[0].message.content);
      assert.deepEqual(last.usage, whole.usage);
    }
  },

  async "the client's own stream helper assembles a message"(client, { model }) {
    const runner = client.chat.completions.stream({
      model,
      messages,
      max_tokens: 8,
      temperature: 0,
    });
    const final = await runner.finalChatCompletion();
    assert.ok(final.choices[0].message.content);
  },

  async "model may be default"(client, { model }) {
    const answer = await client.chat.completions.create({
      model: "default",
      messages,
      max_tokens: 1,
    });
    assert.equal(answer.model, model);
  },

  async "max_tokens ends with length"(client, { model }) {
    const answer = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 2,
      temperature: 0,
    });
    assert.equal(answer.usage!.completion_tokens, 2);
    assert.equal(answer.choices[0].finish_reason, "length");
  },

  async "stop ends before its text"(client, { model, deterministic }) {
    if (!deterministic) return;
    const request = { model, messages, max_tokens: 16, temperature: 0 };
    const text = (await client.chat.completions.create(request)).choices[0].message.content!;
    const characters = [...text];
    const stop = characters.slice(characters.length >> 1, (characters.length >> 1) + 3).join("");
    const cut = await client.chat.completions.create({ ...request, stop: ["\u0007 never", stop] });
    assert.equal(cut.choices[0].message.content, text.slice(0, text.indexOf(stop)));
    assert.equal(cut.choices[0].finish_reason, "stop");
  },

  async "a seed repeats an answer, n counts it up"(client, { model, deterministic }) {
    const request = { model, messages, max_tokens: 8, temperature: 1, seed: 11 };
    const both = await client.chat.completions.create({ ...request, n: 2 });
    assert.deepEqual(both.choices.map(({ index }) => index), [0, 1]);
    if (!deterministic) return;
    const first = await client.chat.completions.create(request);
    const second = await client.chat.completions.create({ ...request, seed: 12 });
    assert.equal(both.choices[0].message.content, first.choices[0].message.content);
    assert.equal(both.choices[1].message.content, second.choices[0].message.content);
    assert.equal(both.usage!.prompt_tokens, first.usage!.prompt_tokens);
    assert.equal(
      both.usage!.completion_tokens,
      first.usage!.completion_tokens + second.usage!.completion_tokens,
    );
  },

  async "logprobs list every token with its alternatives"(client, { model }) {
    const request = {
      model,
      messages,
      max_tokens: 6,
      temperature: 0,
      logprobs: true,
      top_logprobs: 3,
    };
    const whole = await client.chat.completions.create(request);
    const entries = whole.choices[0].logprobs!.content!;
    assert.ok(entries.length > 0 && entries.length <= whole.usage!.completion_tokens);
    for (const entry of entries) {
      assert.ok(entry.logprob <= 0 && Number.isFinite(entry.logprob));
      assert.equal(entry.top_logprobs.length, 3);
      assert.ok(entry.top_logprobs[0].logprob >= entry.top_logprobs[2].logprob, "best first");
      // Greedy: the token is the best one.
      assert.equal(entry.token, entry.top_logprobs[0].token);
      if (entry.bytes) {
        assert.equal(new TextDecoder().decode(new Uint8Array(entry.bytes)), entry.token);
      }
    }
    let streamed = 0;
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      streamed += chunk.choices[0].logprobs?.content?.length ?? 0;
    }
    assert.equal(streamed, entries.length);
  },
};

const completions: Checks = {
  async "completions answers whole and streamed"(client, { model, deterministic }) {
    const request = { model, prompt: "Once upon a time", max_tokens: 8, temperature: 0 };
    const whole = await client.completions.create(request);
    assert.match(whole.id, /^cmpl-./);
    assert.equal(whole.object, "text_completion");
    assert.match(whole.choices[0].finish_reason, /^(stop|length)$/);
    checkUsage(whole.usage, 8);
    const stream = await client.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage;
    const reasons = [];
    for await (const chunk of stream) {
      assert.equal(chunk.object, "text_completion");
      text += chunk.choices[0]?.text ?? "";
      if (chunk.choices[0]) reasons.push(chunk.choices[0].finish_reason);
      usage = chunk.usage;
    }
    checkUsage(usage, 8);
    assert.match(reasons.at(-1)!, /^(stop|length)$/);
    if (deterministic) assert.equal(text, whole.choices[0].text);
  },

  async "completions takes several prompts, n and echo"(client, { model }) {
    const prompt = ["Once upon a time", "The sea is"];
    const answer = await client.completions.create({
      model,
      prompt,
      n: 2,
      echo: true,
      max_tokens: 3,
    });
    assert.deepEqual(answer.choices.map(({ index }) => index), [0, 1, 2, 3]);
    for (const { index, text } of answer.choices) assert.ok(text.startsWith(prompt[index >> 1]));
  },

  async "completions takes token ids and defaults to 16 tokens"(client, { model }) {
    const answer = await client.completions.create({ model, prompt: [5, 6, 7] });
    assert.equal(answer.usage!.prompt_tokens, 3);
    assert.ok(answer.usage!.completion_tokens <= 16);
  },

  async "completions lists logprobs with offsets"(client, { model }) {
    const answer = await client.completions.create({
      model,
      prompt: "The sea",
      max_tokens: 4,
      logprobs: 2,
    });
    const { tokens, token_logprobs, top_logprobs, text_offset } = answer.choices[0].logprobs!;
    assert.ok(tokens!.length > 0);
    assert.equal(token_logprobs!.length, tokens!.length);
    assert.ok(top_logprobs!.every((top) => Object.keys(top).length <= 2));
    assert.equal(text_offset![0], 0);
    for (let i = 1; i < tokens!.length; i++) {
      assert.equal(text_offset![i], text_offset![i - 1] + tokens![i - 1].length);
    }
  },
};

/** The error with which a request is refused; its class must be this one. */
async function refused<E extends InstanceType<typeof OpenAI.APIError>>(
  request: Promise<unknown>,
  // deno-lint-ignore no-explicit-any
  kind: new (...args: any[]) => E,
): Promise<E> {
  try {
    await request;
  } catch (error) {
    assert.ok(error instanceof kind, `expected ${kind.name}, got ${error}`);
    assert.ok(error.message.length > 5);
    return error;
  }
  throw new assert.AssertionError({ message: `expected ${kind.name}, the request was answered` });
}

const refusals: Checks = {
  async "an invalid field is a BadRequestError that names it"(client, { model }) {
    const wrong: [Record<string, unknown>, string][] = [
      [{ messages: [] }, "messages"],
      [{ messages: [{ role: "user", content: 5 }] }, "messages[0].content"],
      [{ messages: [{ role: "robot", content: "hello" }] }, "messages[0].role"],
      [{ temperature: 3 }, "temperature"],
      [{ top_p: 0 }, "top_p"],
      [{ max_tokens: 0 }, "max_tokens"],
      [{ max_tokens: 1.5 }, "max_tokens"],
      [{ n: 9 }, "n"],
      [{ stop: [1] }, "stop[0]"],
      [{ logit_bias: { "1": 101 } }, "logit_bias.1"],
      [{ top_logprobs: 2 }, "top_logprobs"],
      [{ stream_options: { include_usage: true } }, "stream_options"],
      [{ orrery: { piece_rows: "64" } }, "orrery.piece_rows"],
    ];
    for (const [fields, param] of wrong) {
      const body = {
        model,
        messages,
        ...fields,
      } as unknown as OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;
      const error = await refused(client.chat.completions.create(body), OpenAI.BadRequestError);
      assert.equal(error.param, param);
      assert.equal(error.type, "invalid_request_error");
    }
  },

  async "an unsupported field is a BadRequestError that names it"(client, { model }) {
    const picture = { type: "image_url", image_url: { url: "data:," } };
    const wrong: [Record<string, unknown>, string][] = [
      [{ functions: [{ name: "f" }] }, "functions"],
      [{ tools: [{ type: "custom", custom: { name: "f" } }] }, "tools[0].type"],
      [{ store: true }, "store"],
      [{ modalities: ["text", "audio"] }, "modalities[1]"],
      [{ audio: { voice: "alloy", format: "wav" } }, "audio"],
      [{ messages: [{ role: "user", content: [picture] }] }, "messages[0].content[0].type"],
      [{ messages: [{ role: "function", content: "x", name: "f" }] }, "messages[0].role"],
    ];
    for (const [fields, param] of wrong) {
      const body = {
        model,
        messages,
        ...fields,
      } as unknown as OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;
      const error = await refused(client.chat.completions.create(body), OpenAI.BadRequestError);
      assert.equal(error.param, param);
      assert.equal(error.code, "unsupported_parameter");
    }
  },

  async "fields without effect and null are tolerated"(client, { model }) {
    const fields = {
      user: "u",
      metadata: { a: "b" },
      store: false,
      tools: [],
      stop: null,
      seed: null,
      made_up: 1,
    };
    const body = { model, messages, max_tokens: 1, ...fields };
    const answer = await client.chat.completions.create(
      body as OpenAI.Chat.ChatCompletionCreateParamsNonStreaming,
    );
    assert.equal(answer.usage!.completion_tokens, 1);
  },

  async "an unknown model is a NotFoundError"(client) {
    const error = await refused(
      client.chat.completions.create({ model: "nobody", messages }),
      OpenAI.NotFoundError,
    );
    assert.equal(error.code, "model_not_found");
    assert.equal(error.param, "model");
  },

  async "a prompt past the context is refused, streamed or not"(client, { model }) {
    const list = await client.models.list();
    const card = list.data.find(({ id }) => id === model) as unknown as {
      orrery: { context: number };
    };
    const content = "word ".repeat(card.orrery.context + 64);
    for (const stream of [false, true]) {
      const error = await refused(
        client.chat.completions.create({ model, messages: [{ role: "user", content }], stream }),
        OpenAI.BadRequestError,
      );
      assert.equal(error.code, "context_length_exceeded");
    }
  },
};

const transport: Checks = {
  async "leaving a stream early ends it and the server goes on"(client, { model }) {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    assert.ok(stream.controller.signal.aborted);
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 1 });
    assert.equal(answer.usage!.completion_tokens, 1);
  },

  async "raw HTTP: statuses, error bodies and headers"(client) {
    const url = `${client.baseURL}/chat/completions`;
    const json = { "content-type": "application/json" };
    const cases: [string, RequestInit, number, string][] = [
      [`${client.baseURL}/nothing`, {}, 404, "not_found"],
      [url, {}, 405, "method_not_allowed"],
      [
        url,
        { method: "POST", body: "{}", headers: { "content-type": "text/plain" } },
        415,
        "unsupported_media_type",
      ],
      [url, { method: "POST", body: "{", headers: json }, 400, "invalid_json"],
      [url, { method: "POST", body: "[]", headers: json }, 400, "invalid_value"],
    ];
    for (const [target, init, status, code] of cases) {
      const response = await fetch(target, init);
      const { error } = await response.json();
      assert.equal(response.status, status);
      assert.deepEqual(Object.keys(error), ["message", "type", "param", "code"]);
      assert.equal(error.code, code);
      assert.ok(response.headers.get("x-request-id"));
    }
    const echoed = await fetch(`${client.baseURL}/models`, {
      headers: { "x-request-id": "mine-1" },
    });
    await echoed.body?.cancel();
    assert.equal(echoed.headers.get("x-request-id"), "mine-1");
  },

  async "model may be left out"(client, { model }) {
    const response = await fetch(`${client.baseURL}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 1 }),
    });
    assert.equal(response.status, 200);
    assert.equal((await response.json()).model, model);
  },

  async "healthz and readyz say yes"(client) {
    for (const path of ["/healthz", "/readyz"]) {
      const response = await fetch(new URL(path, client.baseURL));
      assert.equal(response.status, 200, path);
      await response.body?.cancel();
    }
  },
};
