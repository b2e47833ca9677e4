import assert from "node:assert/strict";
import { ScriptedApi } from "../../../../tests/support/scripted_api.ts";
import { ScriptedGenerator } from "../../../../tests/support/scripted_generator.ts";
import { createApi } from "../../mod.ts";

const PATH = "/v1/responses";
const weather = {
  type: "function",
  name: "weather",
  description: "The weather of a place",
  parameters: { type: "object", properties: { place: { type: "string" } } },
};

/** The messages of the last request. */
function messagesOf(api: ScriptedApi) {
  const { prompt } = api.generator.requests.at(-1)!;
  assert.ok(prompt.kind === "chat");
  return prompt.messages;
}

Deno.test("POST /v1/responses answers a text, and goes on from a stored response", async () => {
  const api = new ScriptedApi();
  const first = await api.json(PATH, {
    input: "Hi",
    instructions: "Be brief.",
    max_output_tokens: 3,
  });
  assert.deepEqual(
    [first.object, first.status, first.incomplete_details],
    ["response", "incomplete", { reason: "max_output_tokens" }],
  );
  const [message] = first.output;
  assert.deepEqual([message.type, message.role], ["message", "assistant"]);
  assert.equal(message.content[0].text, "The café on");
  assert.deepEqual(first.usage.output_tokens, 3);

  const second = await api.json(PATH, {
    input: [{ role: "user", content: "And?" }],
    previous_response_id: first.id,
  });
  assert.equal(second.status, "completed");
  assert.deepEqual(messagesOf(api), [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "The café on" },
    { role: "user", content: "And?" },
  ]);
  assert.deepEqual(await api.json(`${PATH}/${first.id}`), first);
  const { data } = await api.json(`${PATH}/${second.id}/input_items`);
  assert.deepEqual(data[0].content, "And?");

  await api.json(PATH, { input: [{ type: "item_reference", id: message.id }], store: false });
  assert.deepEqual(messagesOf(api), [{ role: "assistant", content: "The café on" }]);
});

Deno.test("POST /v1/responses keeps nothing where store is false, and forgets what is deleted", async () => {
  const generator = new ScriptedGenerator();
  const app = createApi(generator);
  const api = Object.assign(new ScriptedApi(), { generator });
  const unkept = await api.json(PATH, { input: "Hi", store: false });
  await api.json(`${PATH}/${unkept.id}`, undefined, 404);
  const gone = await api.json(PATH, { input: "Hi", previous_response_id: unkept.id }, 400);
  assert.deepEqual(
    [gone.error.code, gone.error.param],
    ["previous_response_not_found", "previous_response_id"],
  );
  const post = (path: string, init: RequestInit) => app.request(path, init);
  const kept = await (await post(PATH, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ input: "Hi" }),
  })).json();
  const deleted = await post(`${PATH}/${kept.id}`, { method: "DELETE" });
  assert.deepEqual(await deleted.json(), { id: kept.id, object: "response", deleted: true });
  assert.equal((await post(`${PATH}/${kept.id}`, {})).status, 404);
});

Deno.test("POST /v1/responses puts reasoning, calls and their outputs into one conversation", async () => {
  const api = new ScriptedApi();
  await api.json(PATH, {
    input: [
      { role: "developer", content: "Be brief." },
      { type: "message", role: "user", content: [{ type: "input_text", text: "Weather?" }] },
      { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "I ask." }] },
      { type: "function_call", call_id: "c1", name: "weather", arguments: '{"place":"Rome"}' },
      { type: "function_call", call_id: "c2", name: "weather", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "Rain" },
      {
        type: "function_call_output",
        call_id: "c2",
        output: [{ type: "input_text", text: "Sun" }],
      },
    ],
    tools: [weather],
    tool_choice: { type: "function", name: "weather" },
    parallel_tool_calls: false,
    reasoning: { effort: "none" },
    text: { format: { type: "json_schema", name: "x", schema: { type: "object" }, strict: true } },
    service_tier: "flex",
  });
  const call = (id: string, text: string) => ({
    id,
    type: "function",
    function: { name: "weather", arguments: text },
  });
  assert.deepEqual(messagesOf(api), [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Weather?" },
    {
      role: "assistant",
      content: "",
      reasoning_content: "I ask.",
      tool_calls: [call("c1", '{"place":"Rome"}'), call("c2", "{}")],
    },
    { role: "tool", content: "Rain", tool_call_id: "c1" },
    { role: "tool", content: "Sun", tool_call_id: "c2" },
  ]);
  const { tools, constraint, priority, prompt } = api.generator.requests[0];
  assert.deepEqual([tools!.choice, tools!.parallel], [{ name: "weather" }, false]);
  assert.deepEqual(constraint, { kind: "json_schema", schema: { type: "object" } });
  assert.equal(priority, -1);
  assert.ok(prompt.kind === "chat");
  assert.deepEqual(prompt.templateVariables, { enable_thinking: false });
});

Deno.test("POST /v1/responses streams numbered events that say what the whole response says", async () => {
  const api = new ScriptedApi();
  const body = { input: "[think] Hi", stream: true, max_output_tokens: 2, top_logprobs: 1 };
  const events = await api.events(PATH, body);
  assert.ok(
    events.every(({ event, data }, i) => event === data.type && data.sequence_number === i),
  );
  const types = events.map(({ event }) => event!.replace("response.", ""));
  const part = ["output_item.added", "content_part.added"];
  const end = ["content_part.done", "output_item.done"];
  assert.deepEqual(types, [
    ...["created", "in_progress"],
    ...[...part, "reasoning_text.delta", "reasoning_text.delta", "reasoning_text.done", ...end],
    ...[...part, "output_text.delta", "output_text.delta", "output_text.done", ...end],
    "incomplete",
  ]);
  const { response } = events.at(-1)!.data;
  assert.deepEqual(response.output.map((item: { type: string }) => item.type), [
    "reasoning",
    "message",
  ]);
  const [text] = response.output[1].content;
  assert.equal(text.text, "The café");
  assert.equal(text.logprobs[0].top_logprobs.length, 1);
  assert.equal(response.output[1].id, events.find((e) => e.data.delta === "The")!.data.item_id);
  assert.deepEqual(await api.json(`${PATH}/${response.id}`), response);

  const calls = await api.events(PATH, { input: "[call]", stream: true, tools: [weather] });
  const done = calls.filter(({ event }) => event === "response.function_call_arguments.done");
  assert.deepEqual(done.map(({ data }) => data.arguments), [
    '{"place": "Paris"}',
    '{"place": "Rome"}',
  ]);
  const whole = await api.json(PATH, { input: "[call]", tools: [weather] });
  const shown = (output: Record<string, unknown>[]) =>
    output.map(({ type, call_id, name, arguments: text }) => ({ type, call_id, name, text }));
  assert.deepEqual(shown(whole.output), shown(calls.at(-1)!.data.response.output));

  const broken = await api.events(PATH, { input: "[fail]", stream: true });
  const { type, code, message } = broken.at(-1)!.data;
  assert.deepEqual([type, code, message], ["error", "engine_failed", "stage 1 is gone"]);
});

Deno.test("POST /v1/responses refuses what it does not do by its name", async () => {
  const api = new ScriptedApi();
  const picture = { type: "input_image", image_url: "data:," };
  const wrong: [Record<string, unknown>, string][] = [
    [{ input: undefined }, "input"],
    [{ input: [] }, "input"],
    [{ input: [{ role: "user", content: [picture] }] }, "input[0].content[0].type"],
    [{ input: [{ type: "item_reference", id: "msg_x" }] }, "input[0].id"],
    [{ tools: [{ type: "web_search" }] }, "tools[0].type"],
    [{ background: true }, "background"],
    [{ conversation: "conv_1" }, "conversation"],
    [{ truncation: "auto" }, "truncation"],
    [{ max_output_tokens: 0 }, "max_output_tokens"],
  ];
  for (const [fields, param] of wrong) {
    const { error } = await api.json(PATH, { input: "Hi", ...fields }, 400);
    assert.equal(error.param, param, error.message);
  }
});
