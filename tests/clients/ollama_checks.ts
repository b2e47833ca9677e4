/**
 * `ollama` (npm), feature by feature.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Ollama } from "ollama";
import {
  checkCall,
  checkText,
  checkWeather,
  cityJsonSchema,
  QUESTION,
  TOOL,
  TOOL_TEXT,
  weatherJsonSchema,
} from "./asked.ts";
import type { ClientChecks, Target } from "./matrix.ts";

const at = ({ url }: Target) => new Ollama({ host: url });
const messages = [{ role: "user", content: QUESTION }];
const tools = [{
  type: "function",
  function: { name: TOOL, description: TOOL_TEXT, parameters: cityJsonSchema },
}];
const greedy = { temperature: 0 };

/** What Ollama's client can do. Its `tools` leave it to the model whether one is called. */
export const ollamaChecks: ClientChecks = {
  async models(target) {
    const client = at(target);
    const { models } = await client.list();
    assert.match(models[0].digest, /^[0-9a-f]{64}$/);
    assert.ok(models.some(({ model }) => model === target.model || model.startsWith(target.model)));
    assert.ok((await client.ps()).models.length > 0);
    const shown = await client.show({ model: target.model });
    assert.ok(shown.details && shown.model_info);
    assert.match((await client.version()).version, /^\d+\.\d+/);
  },
  async answer(target) {
    const answer = await at(target).chat({ model: target.model, messages });
    checkText(answer.message.content);
    assert.ok(answer.done && answer.eval_count > 0 && answer.total_duration > 0);
  },
  async stream(target) {
    let text = "";
    let done = 0;
    for await (
      const part of await at(target).chat({ model: target.model, messages, stream: true })
    ) {
      text += part.message.content;
      if (part.done) done++;
    }
    checkText(text);
    assert.equal(done, 1);
  },
  async usage(target) {
    let last;
    for await (
      const part of await at(target).chat({ model: target.model, messages, stream: true })
    ) {
      last = part;
    }
    assert.ok(last!.prompt_eval_count > 0 && last!.eval_count > 0 && last!.eval_duration > 0);
    assert.equal(last!.done_reason, "stop");
  },
  async stop(target) {
    const request = { model: target.model, messages };
    const text = (await at(target).chat({ ...request, options: greedy })).message.content;
    const stop = [text.slice(5, 9)];
    const cut = await at(target).chat({ ...request, options: { ...greedy, stop } });
    assert.equal(cut.message.content, text.slice(0, text.indexOf(stop[0])));
  },
  async begun(target) {
    const begin = { role: "assistant", content: "The rain comes" };
    const answer = await at(target).chat({
      ...{ model: target.model, messages: [...messages, begin], options: greedy },
    });
    checkText(answer.message.content);
    assert.ok(!answer.message.content.startsWith("The rain"));
  },
  async seed(target) {
    const options = { temperature: 1, seed: 7, num_predict: 16 };
    const request = { model: target.model, messages, options };
    const [a, b] = await Promise.all([1, 2].map(() => at(target).chat(request)));
    assert.equal(a.message.content, b.message.content);
  },
  async completions(target) {
    const whole = await at(target).generate({
      ...{ model: target.model, prompt: QUESTION, options: { ...greedy, num_predict: 8 } },
    });
    checkText(whole.response);
    let text = "";
    const stream = await at(target).generate({
      ...{ model: target.model, prompt: QUESTION, stream: true as const },
      options: { ...greedy, num_predict: 8 },
    });
    for await (const part of stream) text += part.response;
    assert.equal(text, whole.response);
  },
  async json_object(target) {
    const answer = await at(target).chat({
      ...{ model: target.model, messages, format: "json", options: { num_predict: 400 } },
    });
    if (answer.done_reason === "stop") JSON.parse(answer.message.content);
    else assert.match(answer.message.content, /^\s*[[{]/);
  },
  async json_schema(target) {
    const answer = await at(target).chat({
      ...{ model: target.model, messages, format: weatherJsonSchema },
    });
    checkWeather(answer.message.content);
  },
  async json_schema_stream(target) {
    let text = "";
    const stream = await at(target).generate({
      ...{ model: target.model, prompt: QUESTION, stream: true as const },
      format: weatherJsonSchema,
    });
    for await (const part of stream) text += part.response;
    checkWeather(text);
  },
  async tool_call(target) {
    const answer = await at(target).chat({ model: target.model, messages, tools });
    const [call] = answer.message.tool_calls ?? [];
    if (call) checkCall(call.function.name, call.function.arguments);
    else checkText(answer.message.content);
  },
  async tool_loop(target) {
    const call = { function: { name: TOOL, arguments: { city: "Rome" } } };
    const answer = await at(target).chat({
      model: target.model,
      messages: [
        ...messages,
        { role: "assistant", content: "", tool_calls: [call] },
        { role: "tool", content: "rainy", tool_name: TOOL },
      ],
    });
    checkText(answer.message.content);
  },
  async embeddings(target) {
    const { embeddings } = await at(target).embed({
      ...{ model: target.model, input: [QUESTION, "The sea"] },
    });
    assert.equal(embeddings.length, 2);
    assert.ok(Math.abs(Math.hypot(...embeddings[0]) - 1) < 0.01);
  },
  async pull(target) {
    const lines = [];
    for await (const line of await at(target).pull({ model: target.onHub, stream: true })) {
      lines.push(line);
    }
    assert.equal(lines[0].status, "pulling manifest");
    assert.ok(
      lines.some(({ digest, total, completed }) =>
        digest?.startsWith("sha256:") && total > 0 && completed === total
      ),
    );
    assert.equal(lines.at(-1)!.status, "success");
    assert.equal((await at(target).pull({ model: target.onHub })).status, "success");
    await assert.rejects(
      at(target).pull({ model: "nobody" }),
      (error) => (error as { status_code?: number }).status_code === 400,
    );
  },
  async errors(target) {
    await assert.rejects(
      at(target).chat({ model: "nobody", messages }),
      (error) => (error as { status_code?: number }).status_code === 404,
    );
    await assert.rejects(
      at(target).chat({ model: target.model, messages, options: { temperature: -1 } }),
      (error) => (error as { status_code?: number }).status_code === 400,
    );
  },
};
