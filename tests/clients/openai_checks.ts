/**
 * `openai` (npm), feature by feature.
 *
 * @module
 */
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import {
  checkCall,
  checkText,
  checkWeather,
  cityJsonSchema,
  QUESTION,
  TOOL,
  TOOL_TEXT,
  weatherJsonSchema,
  weatherSchema,
} from "./asked.ts";
import type { ClientChecks, Target } from "./matrix.ts";
import { openaiClient } from "./openai.ts";

const at = ({ url }: Target) => openaiClient(`${url}/v1`);
const messages = [{ role: "user" as const, content: QUESTION }];
const tools = [{
  type: "function" as const,
  function: { name: TOOL, description: TOOL_TEXT, parameters: cityJsonSchema, strict: true },
}];
/** One call, greedily: the embedded model would call again and again. */
const oneCall = { tools, parallel_tool_calls: false, temperature: 0 };
const format = {
  type: "json_schema" as const,
  json_schema: { name: "weather", strict: true, schema: weatherJsonSchema },
};

/** Milliseconds between two looks at a batch. */
const LOOK_MS = 50;

/** What OpenAI's client can do. */
export const openaiChecks: ClientChecks = {
  async models(target) {
    const list = await at(target).models.list();
    assert.ok(list.data.some(({ id }) => id === target.model));
  },
  async answer(target) {
    const answer = await at(target).chat.completions.create({ model: target.model, messages });
    checkText(answer.choices[0].message.content);
    assert.equal(answer.choices[0].finish_reason, "stop");
  },
  async stream(target) {
    const stream = await at(target).chat.completions.create({
      model: target.model,
      messages,
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    checkText(text);
  },
  async usage(target) {
    const stream = await at(target).chat.completions.create({
      ...{ model: target.model, messages, stream: true as const },
      stream_options: { include_usage: true },
    });
    let usage;
    for await (const chunk of stream) usage = chunk.usage ?? usage;
    assert.ok(usage!.prompt_tokens > 0 && usage!.completion_tokens > 0);
  },
  async stop(target) {
    const request = { model: target.model, messages, temperature: 0 };
    const whole = await at(target).chat.completions.create(request);
    const text = whole.choices[0].message.content!;
    const stop = text.slice(5, 9);
    const cut = await at(target).chat.completions.create({ ...request, stop });
    assert.equal(cut.choices[0].message.content, text.slice(0, text.indexOf(stop)));
  },
  async begun(target) {
    const text = async (more: object) => {
      const { choices } = await at(target).chat.completions.create({
        ...{ model: target.model, temperature: 0, max_tokens: 12, ...more },
        messages: [...messages, { role: "assistant", content: "The rain comes" }],
      });
      return choices[0].message.content;
    };
    const more = { continue_final_message: true, add_generation_prompt: false };
    checkText(await text(more));
    assert.notEqual(await text(more), await text({}));
  },
  async seed(target) {
    const request = { model: target.model, messages, temperature: 1, seed: 7, max_tokens: 16 };
    const [a, b] = await Promise.all([1, 2].map(() => at(target).chat.completions.create(request)));
    assert.equal(a.choices[0].message.content, b.choices[0].message.content);
  },
  async logprobs(target) {
    const answer = await at(target).chat.completions.create({
      ...{ model: target.model, messages, logprobs: true, top_logprobs: 2, max_tokens: 4 },
    });
    const entries = answer.choices[0].logprobs!.content!;
    assert.equal(entries.length, 4);
    for (const { top_logprobs } of entries) assert.equal(top_logprobs.length, 2);
  },
  async completions(target) {
    const answer = await at(target).completions.create({
      ...{ model: target.model, prompt: "The sea", max_tokens: 4 },
    });
    checkText(answer.choices[0].text);
  },
  async json_object(target) {
    const answer = await at(target).chat.completions.create({
      ...{ model: target.model, messages, max_tokens: 400 },
      response_format: { type: "json_object" },
    });
    if (answer.choices[0].finish_reason === "stop") {
      assert.equal(typeof JSON.parse(answer.choices[0].message.content!), "object");
    } else assert.match(answer.choices[0].message.content!, /^\s*\{/);
  },
  async json_schema(target) {
    const answer = await at(target).chat.completions.parse({
      ...{ model: target.model, messages },
      response_format: zodResponseFormat(weatherSchema, "weather"),
    });
    checkWeather(answer.choices[0].message.parsed);
  },
  async json_schema_stream(target) {
    const stream = at(target).chat.completions.stream({
      ...{ model: target.model, messages, response_format: format },
    });
    checkWeather((await stream.finalChatCompletion()).choices[0].message.content);
  },
  async tool_call(target) {
    const named = { type: "function" as const, function: { name: TOOL } };
    for (const tool_choice of ["required" as const, named]) {
      const answer = await at(target).chat.completions.create({
        ...{ model: target.model, messages, ...oneCall, tool_choice },
      });
      const [{ message, finish_reason }] = answer.choices;
      const call = message.tool_calls![0];
      assert.ok(call.type === "function" && call.id.length > 3);
      checkCall(call.function.name, call.function.arguments);
      assert.ok(!message.content, `a call leaked into the text: ${message.content}`);
      // As OpenAI does, a named function may end with "stop".
      assert.match(finish_reason, /^(tool_calls|stop)$/);
    }
  },
  async tool_stream(target) {
    const stream = at(target).chat.completions.stream({
      ...{ model: target.model, messages, ...oneCall, tool_choice: "required" as const },
    });
    let leaked = "";
    stream.on("content", (text) => leaked += text);
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    const call = message.tool_calls![0];
    assert.ok(call.type === "function");
    checkCall(call.function.name, call.function.arguments);
    assert.equal(leaked, "");
    assert.equal(finish_reason, "tool_calls");
  },
  async tool_loop(target) {
    const call = { id: "call_1", type: "function" as const };
    const answer = await at(target).chat.completions.create({
      ...{ model: target.model, tools, tool_choice: "none" as const },
      messages: [
        ...messages,
        {
          role: "assistant",
          content: null,
          tool_calls: [{ ...call, function: { name: TOOL, arguments: '{"city":"Rome"}' } }],
        },
        { role: "tool", tool_call_id: "call_1", content: "rainy" },
      ],
    });
    checkText(answer.choices[0].message.content);
  },
  async tool_none(target) {
    const answer = await at(target).chat.completions.create({
      ...{ model: target.model, messages, tools, tool_choice: "none" as const },
    });
    checkText(answer.choices[0].message.content);
    assert.ok(!answer.choices[0].message.tool_calls?.length);
  },
  async embeddings(target) {
    const input = [QUESTION, "The sea is salty."];
    const answer = await at(target).embeddings.create({ model: target.model, input });
    assert.equal(answer.data.length, 2);
    for (const { embedding } of answer.data) {
      const length = Math.hypot(...embedding);
      assert.ok(embedding.length > 8 && Math.abs(length - 1) < 0.01, `length ${length}`);
    }
    const floats = await at(target).embeddings.create({
      ...{ model: target.model, input: QUESTION, encoding_format: "float" as const },
    });
    floats.data[0].embedding.forEach((value, i) =>
      assert.ok(Math.abs(value - answer.data[0].embedding[i]) < 1e-3)
    );
  },
  async responses(target) {
    const answer = await at(target).responses.create({ model: target.model, input: QUESTION });
    checkText(answer.output_text);
    assert.equal(answer.status, "completed");
    assert.ok(answer.usage!.output_tokens > 0);
  },
  async responses_stream(target) {
    const types: string[] = [];
    let text = "";
    const stream = await at(target).responses.create({
      ...{ model: target.model, input: QUESTION, stream: true as const },
    });
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    checkText(text);
    assert.equal(types[0], "response.created");
    assert.equal(types.at(-1), "response.completed");
  },
  async responses_chain(target) {
    const client = at(target);
    const first = await client.responses.create({ model: target.model, input: QUESTION });
    const second = await client.responses.create({
      ...{ model: target.model, input: "And why is it wet?" },
      previous_response_id: first.id,
    });
    checkText(second.output_text);
    assert.ok(second.usage!.input_tokens > first.usage!.input_tokens);
  },
  async files(target) {
    const client = at(target);
    const text = '{"a":1}\n';
    const file = await client.files.create({
      ...{ purpose: "batch" as const, file: await toFile(Buffer.from(text), "one.jsonl") },
    });
    assert.equal(file.bytes, text.length);
    assert.equal((await client.files.retrieve(file.id)).filename, "one.jsonl");
    const ids = [];
    for await (const { id } of client.files.list()) ids.push(id);
    assert.ok(ids.includes(file.id));
    assert.equal(await (await client.files.content(file.id)).text(), text);
    assert.ok((await client.files.delete(file.id)).deleted);
    await assert.rejects(client.files.retrieve(file.id), OpenAI.NotFoundError);
  },
  async batches(target) {
    const client = at(target);
    const body = { model: target.model, messages, max_tokens: 4 };
    const lines = [body, { ...body, temperature: 9 }].map((body, i) =>
      JSON.stringify({ custom_id: `r${i}`, method: "POST", url: "/v1/chat/completions", body })
    );
    const file = await client.files.create({
      purpose: "batch",
      file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl"),
    });
    let batch = await client.batches.create({
      ...{ input_file_id: file.id, endpoint: "/v1/chat/completions" as const },
      ...{ completion_window: "24h" as const, metadata: { for: "a test" } },
    });
    const done = ["completed", "failed", "expired", "cancelled"];
    while (!done.includes(batch.status)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      batch = await client.batches.retrieve(batch.id);
    }
    assert.equal(batch.status, "completed", JSON.stringify(batch.errors));
    assert.deepEqual(batch.request_counts, { total: 2, completed: 1, failed: 1 });
    const read = async (id: string) =>
      JSON.parse(await (await client.files.content(id)).text()) as {
        custom_id: string;
        response: { status_code: number; body: OpenAI.ChatCompletion };
      };
    const answered = await read(batch.output_file_id!);
    assert.equal(answered.custom_id, "r0");
    checkText(answered.response.body.choices[0].message.content);
    const refused = await read(batch.error_file_id!);
    assert.deepEqual([refused.custom_id, refused.response.status_code], ["r1", 400]);
    await assert.rejects(client.batches.cancel(batch.id), OpenAI.ConflictError);
  },
  async errors(target) {
    const client = at(target);
    const create = (more: object) =>
      client.chat.completions.create({ model: target.model, messages, ...more });
    await assert.rejects(create({ temperature: 9 }), OpenAI.BadRequestError);
    await assert.rejects(create({ model: "nobody" }), OpenAI.NotFoundError);
    await assert.rejects(
      create({ messages: [{ role: "user", content: "word ".repeat(40_000) }] }),
      (error) =>
        error instanceof OpenAI.BadRequestError && /maximum context length/.test(error.message),
    );
  },
};
