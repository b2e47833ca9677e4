/**
 * FlowGenerator with actors and a model that are plain functions.
 */
import assert from "node:assert/strict";
import { type Flow, flowSchema, type Message, OrreryError } from "../../actors/mod.ts";
import { type GenerateRequest, type GenerationEvent, unavailable } from "../api/mod.ts";
import { FlowGenerator } from "./flow_generator.ts";

type Handler = (message: Message, key: string) => unknown;

const delta = (text: string, branch?: number): GenerationEvent => ({
  type: "delta",
  text,
  tokens: [{ token: 1, text }],
  ...(branch !== undefined && { branch }),
});
const done = { type: "done", finishReason: "stop" } as GenerationEvent;
const request = (more: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model: "default",
  prompt: { kind: "chat", messages: [{ role: "user", content: "hi" }] },
  sampling: { temperature: 0, top_logprobs: 0, seed: 3 },
  stop: [],
  ...more,
});

/**
 * A model that yields these events, and actors by name. `log` has every message to an actor, as
 * `name/key type`; `reached` has the requests that came to the model.
 */
function world(
  events: GenerationEvent[],
  actors: Record<string, Handler>,
  flow: Partial<Flow> | undefined,
) {
  const log: string[] = [];
  const reached: GenerateRequest[] = [];
  const call = (to: string, message: Message) => {
    const [, name, key] = to.split("/");
    log.push(`${name}/${key.split(":").slice(1).join(":")} ${message.type}`);
    return actors[name](message, key);
  };
  const generator = new FlowGenerator({
    inner: {
      models: () => [],
      readiness: () => ({ ready: false, reason: "it has just begun" }),
      async *generate(request) {
        reached.push(request);
        yield { type: "started", id: "g", promptTokens: 1 };
        yield* events;
      },
    },
    system: {
      ask: (to, message) => Promise.resolve().then(() => call(to, message)),
      tell: (to, message) => Promise.resolve().then(() => void call(to, message)),
    },
    flow: () =>
      flow
        ? Promise.resolve(flowSchema.parse(flow))
        : Promise.reject(unavailable("not_ready", "nothing serves")),
  });
  return { generator, log, reached };
}

async function texts(events: AsyncIterable<GenerationEvent>): Promise<string[]> {
  const out: string[] = [];
  for await (const event of events) {
    if (event.type !== "delta") continue;
    assert.deepEqual(event.tokens, [], "no token shows what an actor took out");
    out.push(event.branch === undefined ? event.text : `${event.branch}:${event.text}`);
  }
  return out;
}

const never = new AbortController().signal;

/** Holds each text back until the next one comes, and appends its mark to it. */
function holder(mark: string): Handler {
  const held = new Map<string, string>();
  return ({ type, text }, key) => {
    const out = held.get(key) ?? "";
    held.set(key, type === "end" ? "" : `${text}${mark}`);
    return { text: out };
  };
}

Deno.test("FlowGenerator.generate() passes text through the actors in order, and what each held back through those after it", async () => {
  const actors = { a: holder("a"), b: holder("b") };
  const { generator, log } = world([delta("1"), delta("2"), done], actors, { delta: ["a", "b"] });
  assert.deepEqual(await texts(generator.generate(request(), never)), ["", "", "1ab2ab"]);
  assert.deepEqual(log, ["a/ delta", "a/ delta", "b/ delta", "a/ end", "b/ delta", "b/ end"]);
});

Deno.test("FlowGenerator.generate() filters each branch of an answer as a text of its own", async () => {
  const { generator } = world([delta("x", 0), delta("y", 1), delta("z", 0), done], {
    a: holder("!"),
  }, {
    delta: ["a"],
  });
  assert.deepEqual(await texts(generator.generate(request(), never)), [
    "0:",
    "1:",
    "0:x!",
    "0:z!",
    "1:y!",
  ]);
});

Deno.test("FlowGenerator.generate() ends the actors of an answer that is broken off", async () => {
  const { generator, log } = world([delta("1"), delta("2"), done], { a: holder("a") }, {
    delta: ["a"],
  });
  for await (const event of generator.generate(request(), never)) if (event.type === "delta") break;
  await Promise.resolve(); // the word of it is on its way
  assert.deepEqual(log, ["a/ delta", "a/ end"]);
});

Deno.test("FlowGenerator.generate() fails when an actor fails or answers with something else than text", async () => {
  const broken: [Handler, RegExp][] = [
    [
      () => 5,
      /^actor a, which stands between clients and the model, answered delta with something else than \{text\}$/,
    ],
    [() => {
      throw new Error("inner workings");
    }, /^actor a, .* failed \(see the log of the node\)$/],
    [() => {
      throw new OrreryError({
        group: "actor",
        code: "actor_failed",
        message: "it crashed too often",
      });
    }, /failed: it crashed too often$/],
  ];
  for (const [a, message] of broken) {
    const { generator } = world([delta("1"), done], { a }, { delta: ["a"] });
    await assert.rejects(texts(generator.generate(request(), never)), {
      code: "custom_actor_failed",
      message,
    });
  }
});

Deno.test("FlowGenerator.generate() shows each actor, and the model, the request as those before left it", async () => {
  const seen: Message[] = [];
  const note = (answer: unknown): Handler => (message) => {
    seen.push(message);
    return answer;
  };
  const { generator, reached } = world([done], {
    a: note({ allow: true, request: { prompt: "as text", sampling: { temperature: 1 } } }),
    b: note({ allow: true, request: { max_tokens: 5, stop: ["X"] } }),
    c: note({ allow: true }),
  }, { request: ["a", "b", "c"] });
  await texts(generator.generate(request({ mode: "plain" }), never));
  const first = {
    type: "request",
    model: "default",
    sampling: { temperature: 0, seed: 3 },
    stop: [],
  };
  assert.deepEqual(seen, [
    { ...first, messages: [{ role: "user", content: "hi" }] },
    { ...first, prompt: "as text", sampling: { temperature: 1, seed: 3 } },
    {
      ...first,
      prompt: "as text",
      sampling: { temperature: 1, seed: 3 },
      max_tokens: 5,
      stop: ["X"],
    },
  ]);
  assert.deepEqual(reached, [{
    model: "default",
    mode: "plain",
    prompt: { kind: "text", text: "as text" },
    sampling: { temperature: 1, top_logprobs: 0, seed: 3 },
    maxTokens: 5,
    stop: ["X"],
  }]);
});

Deno.test("FlowGenerator.generate() passes nothing that an actor refused or could not see, and nothing before the flow is known", async () => {
  const refuse: Handler = () => ({ allow: false, code: "no_such_thing", message: "not here" });
  const cases: [ReturnType<typeof world>, GenerateRequest, Record<string, string>][] = [
    [world([done], { a: refuse }, { request: ["a"] }), request(), {
      group: "refused",
      code: "no_such_thing",
    }],
    [
      world([done], { a: () => ({ allow: true, request: { stop: 5 } }) }, { request: ["a"] }),
      request(),
      { code: "custom_actor_failed" },
    ],
    [
      world([done], { a: () => ({ allow: true }) }, { request: ["a"] }),
      request({ prompt: { kind: "tokens", tokens: [1] } }),
      { code: "invalid_prompt" },
    ],
    [
      world([done], { a: holder("") }, { delta: ["a"] }),
      request({ sampling: { logprobs: true } }),
      {
        code: "unsupported_parameter",
      },
    ],
    [
      world([done], { a: holder("") }, { delta: ["a"] }),
      request({ tools: { functions: [{ name: "f" }], choice: "auto", parallel: true } }),
      { code: "unsupported_parameter" },
    ],
    [world([done], {}, undefined), request(), { code: "not_ready" }],
  ];
  for (const [{ generator, reached }, asked, error] of cases) {
    await assert.rejects(texts(generator.generate(asked, never)), error);
    assert.deepEqual(reached, []);
  }
});
