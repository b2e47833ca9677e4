import assert from "node:assert/strict";
import { ScriptedApi } from "../../../tests/support/scripted_api.ts";

const say = (content: unknown) => [{ role: "user", content }];
const weather = {
  name: "weather",
  description: "The weather of a place",
  input_schema: { type: "object", properties: { place: { type: "string" } } },
};

Deno.test("POST /v1/messages answers whole, and says why the answer ended", async () => {
  const api = new ScriptedApi();
  const cut = await api.json("/v1/messages", { messages: say("Hi"), max_tokens: 3 });
  assert.deepEqual(cut.content, [{ type: "text", text: "The café on" }]);
  assert.deepEqual(
    [cut.type, cut.role, cut.model, cut.stop_reason, cut.stop_sequence],
    ["message", "assistant", "scripted", "max_tokens", null],
  );
  assert.equal(cut.usage.output_tokens, 3);
  assert.match(cut.id, /^msg_/);
  const stopped = await api.json("/v1/messages", {
    messages: say("Hi"),
    max_tokens: 30,
    stop_sequences: [" hill", " sea"],
  });
  assert.deepEqual(
    [stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence],
    ["The café on the", "stop_sequence", " hill"],
  );
  const whole = await api.json("/v1/messages", { messages: say("Hi"), max_tokens: 300 });
  assert.equal(whole.stop_reason, "end_turn");
});

Deno.test("POST /v1/messages gives the generator blocks as messages of a chat template", async () => {
  const api = new ScriptedApi();
  await api.json("/v1/messages", {
    model: "scripted",
    system: [{ type: "text", text: "Be brief." }, { type: "text", text: "Be kind." }],
    messages: [
      { role: "user", content: "Weather?" },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "I ask.", signature: "x" },
          { type: "text", text: "Let me look." },
          { type: "tool_use", id: "toolu_1", name: "weather", input: { place: "Paris" } },
        ],
      },
      {
        role: "user",
        content: [
          {
            type: "tool_result",
            tool_use_id: "toolu_1",
            content: [{ type: "text", text: "Rain" }],
          },
          { type: "text", text: "And so?" },
        ],
      },
    ],
    max_tokens: 1,
    top_k: 5,
    tools: [weather],
    tool_choice: { type: "any", disable_parallel_tool_use: true },
    thinking: { type: "disabled" },
    output_config: { format: { type: "json_schema", schema: { type: "object" } } },
  });
  const { prompt, tools, sampling, constraint } = api.generator.requests[0];
  assert.ok(prompt.kind === "chat");
  assert.deepEqual(prompt.messages, [
    { role: "system", content: "Be brief.\nBe kind." },
    { role: "user", content: "Weather?" },
    {
      role: "assistant",
      content: "Let me look.",
      tool_calls: [{
        id: "toolu_1",
        type: "function",
        function: { name: "weather", arguments: '{"place":"Paris"}' },
      }],
      reasoning_content: "I ask.",
    },
    { role: "tool", content: "Rain", tool_call_id: "toolu_1" },
    { role: "user", content: "And so?" },
  ]);
  assert.deepEqual(prompt.templateVariables, { enable_thinking: false });
  const { input_schema: parameters, ...named } = weather;
  assert.deepEqual(prompt.tools, [{ type: "function", function: { ...named, parameters } }]);
  assert.deepEqual(tools, {
    functions: [{ ...named, parameters }],
    choice: "required",
    parallel: false,
  });
  assert.equal(sampling.top_k, 5);
  assert.deepEqual(constraint, { kind: "json_schema", schema: { type: "object" } });
});

Deno.test("POST /v1/messages streams blocks of reasoning, text and calls, one after the other", async () => {
  const api = new ScriptedApi();
  const ask = (content: string, more = {}) =>
    api.events("/v1/messages", { messages: say(content), max_tokens: 2, stream: true, ...more });
  const events = await ask("[think]");
  assert.ok(events.every(({ event, data }) => event === data.type));
  assert.deepEqual(events.map(({ event }) => event), [
    "message_start",
    "ping",
    ...["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"],
    ...["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"],
    ...["message_delta", "message_stop"],
  ]);
  const blocks = events.flatMap(({ data }) => data.content_block ?? []);
  assert.deepEqual(blocks.map(({ type }) => type), ["thinking", "text"]);
  assert.deepEqual(events.flatMap(({ data }) => data.index ?? []), [0, 0, 0, 0, 1, 1, 1, 1]);
  const end = events.at(-2)!.data;
  assert.deepEqual(end.delta, { stop_reason: "max_tokens", stop_sequence: null });
  assert.equal(end.usage.output_tokens, 2);

  const calls = await ask("[call]", { tools: [weather] });
  const pieces = calls.flatMap(({ data }) => data.delta?.partial_json ?? []);
  assert.equal(pieces.join(""), '{"place": "Paris"}{"place": "Rome"}');
  assert.deepEqual(
    calls.flatMap(({ data }) => data.content_block?.name ?? []),
    ["weather", "weather"],
  );
  assert.equal(calls.at(-2)!.data.delta.stop_reason, "tool_use");

  const whole = await api.json("/v1/messages", {
    messages: say("[think][call]"),
    max_tokens: 2,
    tools: [weather],
  });
  assert.deepEqual(whole.content, [
    { type: "thinking", thinking: "Let me see.", signature: "" },
    { type: "tool_use", id: "call_0", name: "weather", input: { place: "Paris" } },
    { type: "tool_use", id: "call_1", name: "weather", input: { place: "Rome" } },
  ]);
});

Deno.test("POST /v1/messages refuses in Anthropic's form, streamed too", async () => {
  const api = new ScriptedApi();
  const wrong: [Record<string, unknown>, string][] = [
    [{ max_tokens: undefined }, "max_tokens"],
    [{ messages: [{ role: "system", content: "x" }] }, "messages[0].role"],
    [{ messages: say([{ type: "image", source: {} }]) }, "messages[0].content[0].type"],
    [{ messages: [...say("a"), { role: "assistant", content: " \n" }] }, "messages"],
    [{ tool_choice: { type: "tool", name: "f" } }, "tool_choice"],
    [{ tools: [{ type: "web_search_20250305", name: "web_search" }] }, "tools[0].type"],
  ];
  for (const [fields, param] of wrong) {
    const body = { messages: say("Hi"), max_tokens: 2, ...fields };
    const { type, error } = await api.json("/v1/messages", body, 400);
    assert.deepEqual([type, error.type, error.param], ["error", "invalid_request_error", param]);
    assert.ok(error.message.startsWith(param), error.message);
  }
  const busy = await api.json("/v1/messages", { messages: say("[busy]"), max_tokens: 2 }, 429);
  assert.equal(busy.error.type, "rate_limit_error");
  const broken = await api.events("/v1/messages", {
    messages: say("[fail]"),
    max_tokens: 9,
    stream: true,
  });
  assert.equal(broken.at(-1)!.event, "error");
  assert.deepEqual(broken.at(-1)!.data.error.type, "api_error");
});

Deno.test("POST /v1/messages/count_tokens counts a prompt's tokens, and answers carry the request's id", async () => {
  const api = new ScriptedApi();
  const path = "/v1/messages/count_tokens";
  assert.deepEqual(await api.json(path, { messages: say("one two three") }), { input_tokens: 3 });
  const response = await api.send(path, { messages: say("a") }, { "x-request-id": "mine" });
  assert.equal(response.headers.get("request-id"), "mine");
  await response.body?.cancel();
});
