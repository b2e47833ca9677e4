import assert from "node:assert/strict";
import { ScriptedApi } from "../../../tests/support/scripted_api.ts";

const say = (content: string) => [{ role: "user", content }];
const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: {} } },
};

Deno.test("POST /api/chat streams lines unless told otherwise", async () => {
  const api = new ScriptedApi();
  const options = { num_predict: 3 };
  const lines = await api.lines("/api/chat", { model: "scripted", messages: say("Hi"), options });
  assert.equal(lines.map(({ message }) => message.content).join(""), "The café on");
  assert.deepEqual(lines.map(({ done }) => done), [false, false, false, true]);
  const last = lines.at(-1)!;
  assert.deepEqual([last.done_reason, last.eval_count, last.prompt_eval_count], ["length", 3, 1]);
  assert.equal(last.prompt_eval_duration, 1_000_000, "nanoseconds");
  assert.ok(Number.isInteger(last.total_duration) && last.total_duration > 0);

  const whole = await api.json("/api/chat", {
    model: "scripted:latest",
    messages: say("Hi"),
    stream: false,
    options,
  });
  assert.deepEqual(whole.message, { role: "assistant", content: "The café on" });
  assert.deepEqual([whole.done, whole.done_reason, whole.model], [true, "length", "scripted"]);
});

Deno.test("POST /api/chat gives the generator options, formats, functions and results of calls", async () => {
  const api = new ScriptedApi();
  await api.json("/api/chat", {
    model: "scripted",
    stream: false,
    think: false,
    format: { type: "object" },
    tools: [weather],
    options: { repeat_penalty: 1.2, seed: 7, stop: ["x"], num_predict: -1, num_ctx: 4096 },
    messages: [
      { role: "system", content: "Be brief." },
      {
        role: "assistant",
        content: "",
        tool_calls: [{ function: { name: "weather", arguments: { place: "Rome" } } }],
      },
      { role: "tool", content: "Rain", tool_name: "weather" },
    ],
  });
  const [{ prompt, sampling, stop, maxTokens, constraint, tools }] = api.generator.requests;
  assert.ok(prompt.kind === "chat");
  assert.deepEqual(prompt.messages, [
    { role: "system", content: "Be brief." },
    {
      role: "assistant",
      content: "",
      tool_calls: [{
        id: "call_0",
        type: "function",
        function: { name: "weather", arguments: '{"place":"Rome"}' },
      }],
    },
    { role: "tool", content: "Rain", tool_call_id: "call_0", name: "weather" },
  ]);
  assert.deepEqual(prompt.templateVariables, { enable_thinking: false });
  assert.deepEqual([sampling.repetition_penalty, sampling.seed, stop], [1.2, 7, ["x"]]);
  assert.equal(maxTokens, undefined);
  assert.deepEqual(constraint, { kind: "json_schema", schema: { type: "object" } });
  assert.deepEqual([tools!.choice, tools!.functions[0].name], ["auto", "weather"]);
});

Deno.test("POST /api/chat sends each call whole, and reasoning as thinking", async () => {
  const api = new ScriptedApi();
  const body = { model: "default", messages: say("[think][call]"), tools: [weather] };
  const lines = await api.lines("/api/chat", body);
  assert.equal(lines.map(({ message }) => message.thinking ?? "").join(""), "Let me see.");
  const calls = lines.flatMap(({ message }) => message.tool_calls ?? []);
  assert.deepEqual(calls.map((call) => call.function), [
    { index: 0, name: "weather", arguments: { place: "Paris" } },
    { index: 1, name: "weather", arguments: { place: "Rome" } },
  ]);
  assert.equal(lines.at(-1)!.done_reason, "stop");
  const { message } = await api.json("/api/chat", { ...body, stream: false });
  assert.deepEqual(message.tool_calls, calls);
});

Deno.test("POST /api/generate goes through the chat template unless the prompt is raw", async () => {
  const api = new ScriptedApi();
  const ask = (more: object) =>
    api.json("/api/generate", { model: "scripted", prompt: "Hi", stream: false, ...more });
  const answer = await ask({ system: "Be brief.", format: "json", options: { num_predict: 2 } });
  assert.equal(answer.response, "The café");
  await ask({ raw: true });
  const [first, second] = api.generator.requests;
  assert.deepEqual(first.prompt, {
    kind: "chat",
    messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }],
  });
  assert.deepEqual(first.constraint, { kind: "json" });
  assert.deepEqual(second.prompt, { kind: "text", text: "Hi" });
});

Deno.test("POST /api/generate and /api/chat generate nothing where the model is only to be loaded", async () => {
  const api = new ScriptedApi();
  const [loaded] = await api.lines("/api/generate", { model: "scripted" });
  assert.deepEqual([loaded.response, loaded.done_reason, loaded.done], ["", "load", true]);
  const body = { model: "scripted", messages: [], stream: false };
  assert.equal((await api.json("/api/chat", body)).done_reason, "load");
  assert.equal(api.generator.requests.length, 0);
  await api.json("/api/generate", { model: "other" }, 404);
});

Deno.test("GET /api/tags, /api/ps and /api/version, and POST /api/show, tell of models", async () => {
  const api = new ScriptedApi({ version: "1.2.3" });
  Object.assign(api.generator.cards[0], {
    ...{ family: "llama", parameters: 1.1e9, bytes: 7, digest: "ab12" },
  });
  const { version, orrery } = await api.json("/api/version");
  // Copilot in VS Code takes 0.6.4 and later ones.
  const [major, minor] = version.split(".").map(Number);
  assert.ok(major > 0 || minor > 6, version);
  assert.equal(orrery, "1.2.3");
  const [tag] = (await api.json("/api/tags")).models;
  assert.deepEqual([tag.name, tag.size, tag.digest], ["scripted", 7, "ab12"]);
  assert.equal(tag.details.parameter_size, "1.1B");
  assert.equal((await api.json("/api/ps")).models[0].name, "scripted");
  const shown = await api.json("/api/show", { model: "scripted" });
  assert.equal(shown.model_info["llama.context_length"], 512);
  await api.json("/api/show", { model: "other" }, 404);
});

Deno.test("POST /api/chat refuses with Ollama's form of errors, streamed too", async () => {
  const api = new ScriptedApi();
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ messages: [{ role: "user", content: "x", images: ["aGk="] }] }, /^messages\[0\].images/],
    [{ options: { mirostat: 1 } }, /^options.mirostat/],
    [{ format: "xml" }, /^format/],
  ];
  for (const [fields, message] of wrong) {
    const body = { model: "scripted", messages: say("Hi"), ...fields };
    assert.match((await api.json("/api/chat", body, 400)).error, message);
  }
  const lines = await api.lines("/api/chat", { model: "scripted", messages: say("[fail]") });
  assert.equal(lines.at(-1)!.error, "stage 1 is gone");
});
