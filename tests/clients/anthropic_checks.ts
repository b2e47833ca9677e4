/**
 * `@anthropic-ai/sdk`, feature by feature.
 *
 * @module
 */
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { checkCall, checkText, cityJsonSchema, QUESTION, TOOL, TOOL_TEXT } from "./asked.ts";
import type { ClientChecks, Target } from "./matrix.ts";

const at = ({ url }: Target) =>
  new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0, timeout: 60_000 });
const asked = { role: "user" as const, content: QUESTION };
const tools = [{ name: TOOL, description: TOOL_TEXT, input_schema: cityJsonSchema }];
/** One call: the embedded model would call again and again. */
const any = { type: "any" as const, disable_parallel_tool_use: true };

/** What Anthropic's client can do. */
export const anthropicChecks: ClientChecks = {
  async models(target) {
    const ids = [];
    for await (const { id } of at(target).models.list()) ids.push(id);
    assert.ok(ids.includes(target.model));
  },
  async answer(target) {
    const answer = await at(target).messages.create({
      ...{ model: target.model, max_tokens: 200, messages: [asked] },
      system: "Answer in a few sentences.",
    });
    const [block] = answer.content;
    assert.equal(block.type, "text");
    checkText(block.type === "text" && block.text);
    assert.equal(answer.stop_reason, "end_turn");
    assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  },
  async stream(target) {
    const stream = at(target).messages.stream({
      ...{ model: target.model, max_tokens: 200, messages: [asked] },
    });
    let text = "";
    stream.on("text", (part) => text += part);
    const message = await stream.finalMessage();
    checkText(text);
    assert.deepEqual(message.content.map((block) => block.type === "text" && block.text), [text]);
  },
  async begun(target) {
    const request = { model: target.model, max_tokens: 12, temperature: 0 };
    const begin = { role: "assistant" as const, content: "The rain comes" };
    const answer = await at(target).messages.create({ ...request, messages: [asked, begin] });
    const [block] = answer.content;
    assert.ok(block.type === "text" && block.text !== "" && !block.text.startsWith("The rain"));
  },
  async usage(target) {
    const stream = at(target).messages.stream({
      ...{ model: target.model, max_tokens: 4, messages: [asked] },
    });
    const { usage, stop_reason } = await stream.finalMessage();
    assert.ok(usage.input_tokens > 0);
    assert.equal(usage.output_tokens, 4);
    assert.equal(stop_reason, "max_tokens");
  },
  async stop(target) {
    const request = { model: target.model, max_tokens: 200, messages: [asked], temperature: 0 };
    const [whole] = (await at(target).messages.create(request)).content;
    const text = whole.type === "text" ? whole.text : "";
    const stop = text.slice(5, 9);
    const cut = await at(target).messages.create({ ...request, stop_sequences: [stop] });
    assert.equal(cut.stop_reason, "stop_sequence");
    assert.equal(cut.stop_sequence, stop);
    const [block] = cut.content;
    assert.equal(block.type === "text" && block.text, text.slice(0, text.indexOf(stop)));
  },
  async tool_call(target) {
    for (const tool_choice of [any, { type: "tool" as const, name: TOOL }]) {
      const answer = await at(target).messages.create({
        ...{
          model: target.model,
          max_tokens: 200,
          messages: [asked],
          tools,
          tool_choice,
          temperature: 0,
        },
      });
      const use = answer.content.find((block) => block.type === "tool_use");
      checkCall(use!.name, use!.input);
      assert.equal(answer.stop_reason, "tool_use");
    }
  },
  async tool_stream(target) {
    const stream = at(target).messages.stream({
      ...{
        model: target.model,
        max_tokens: 200,
        messages: [asked],
        tools,
        tool_choice: any,
        temperature: 0,
      },
    });
    let leaked = "";
    stream.on("text", (part) => leaked += part);
    const message = await stream.finalMessage();
    const use = message.content.find((block) => block.type === "tool_use");
    checkCall(use!.name, use!.input);
    assert.equal(leaked, "");
  },
  async tool_loop(target) {
    const answer = await at(target).messages.create({
      ...{ model: target.model, max_tokens: 200, tools, tool_choice: { type: "none" } },
      messages: [
        asked,
        {
          role: "assistant",
          content: [{ type: "tool_use", id: "toolu_1", name: TOOL, input: { city: "Rome" } }],
        },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "rainy" }],
        },
      ],
    });
    const [block] = answer.content;
    checkText(block.type === "text" && block.text);
  },
  async count_tokens(target) {
    const { input_tokens } = await at(target).messages.countTokens({
      ...{ model: target.model, messages: [asked] },
    });
    const answer = await at(target).messages.create({
      ...{ model: target.model, max_tokens: 1, messages: [asked] },
    });
    assert.equal(input_tokens, answer.usage.input_tokens);
  },
  async errors(target) {
    const create = (more: object) =>
      at(target).messages.create({
        ...{ model: target.model, max_tokens: 4, messages: [asked], ...more },
      });
    await assert.rejects(create({ temperature: 9 }), Anthropic.BadRequestError);
    await assert.rejects(create({ model: "nobody" }), Anthropic.NotFoundError);
    await assert.rejects(create({ max_tokens: undefined }), Anthropic.BadRequestError);
  },
};
