/**
 * LangChain.js (`@langchain/openai`), feature by feature.
 *
 * @module
 */
import assert from "node:assert/strict";
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import {
  checkCall,
  checkText,
  checkWeather,
  citySchema,
  QUESTION,
  TOOL,
  TOOL_TEXT,
  weatherSchema,
} from "./asked.ts";
import type { ClientChecks, Target } from "./matrix.ts";

const model = ({ url, model }: Target, more: object = {}) =>
  new ChatOpenAI({
    ...{ model, apiKey: "none", maxRetries: 0, configuration: { baseURL: `${url}/v1` } },
    ...more,
  });

/** One call, greedily: the embedded model would call again and again. */
const oneCall = { tool_choice: "required", parallel_tool_calls: false };
const greedy = { temperature: 0 };

const weather = tool(() => Promise.resolve("rainy"), {
  ...{ name: TOOL, description: TOOL_TEXT, schema: citySchema },
});

/** What LangChain.js can do. */
export const langchainChecks: ClientChecks = {
  async answer(target) {
    const answer = await model(target).invoke(QUESTION);
    checkText(answer.content);
    assert.ok(answer.usage_metadata!.output_tokens > 0);
  },
  async stream(target) {
    let text = "";
    for await (const chunk of await model(target).stream(QUESTION)) text += chunk.content;
    checkText(text);
  },
  async usage(target) {
    let tokens = 0;
    for await (const chunk of await model(target).stream(QUESTION)) {
      tokens += chunk.usage_metadata?.output_tokens ?? 0;
    }
    assert.ok(tokens > 0);
  },
  async stop(target) {
    const exact = model(target, greedy);
    const text = (await exact.invoke(QUESTION)).content as string;
    const stop = text.slice(5, 9);
    const cut = await exact.invoke(QUESTION, { stop: [stop] });
    assert.equal(cut.content, text.slice(0, text.indexOf(stop)));
  },
  async json_schema(target) {
    for (const method of ["jsonSchema", "functionCalling"] as const) {
      const structured = model(target).withStructuredOutput(weatherSchema, {
        ...{ name: "weather", method, strict: true },
      });
      checkWeather(await structured.invoke(QUESTION));
    }
  },
  async json_schema_stream(target) {
    const structured = model(target).withStructuredOutput(weatherSchema, {
      ...{ name: "weather", method: "jsonSchema" as const },
    });
    let last;
    for await (const part of await structured.stream(QUESTION)) last = part;
    checkWeather(last);
  },
  async tool_call(target) {
    const answer = await model(target, greedy).bindTools([weather], oneCall).invoke(QUESTION);
    checkCall(answer.tool_calls![0].name, answer.tool_calls![0].args);
    assert.equal(answer.content, "");
  },
  async tool_stream(target) {
    const bound = model(target, greedy).bindTools([weather], { ...oneCall, tool_choice: TOOL });
    let whole;
    for await (const chunk of await bound.stream(QUESTION)) {
      whole = whole === undefined ? chunk : whole.concat(chunk);
    }
    checkCall(whole!.tool_calls![0].name, whole!.tool_calls![0].args);
    assert.equal(whole!.content, "");
  },
  async tool_loop(target) {
    const asked = new HumanMessage(QUESTION);
    const first = await model(target, greedy).bindTools([weather], oneCall).invoke([asked]);
    const result: ToolMessage = await weather.invoke({
      ...first.tool_calls![0],
      type: "tool_call",
    });
    const calls = first.tool_calls!.slice(0, 1);
    const answer = await model(target).bindTools([weather], { tool_choice: "none" })
      .invoke([asked, new AIMessage({ content: "", tool_calls: calls }), result]);
    checkText(answer.content);
  },
  async tool_none(target) {
    const answer = await model(target).bindTools([weather], { tool_choice: "none" })
      .invoke(QUESTION);
    checkText(answer.content);
    assert.deepEqual(answer.tool_calls, []);
  },
  async embeddings(target) {
    const embeddings = new OpenAIEmbeddings({
      ...{ model: target.model, apiKey: "none", maxRetries: 0 },
      configuration: { baseURL: `${target.url}/v1` },
    });
    const [first] = await embeddings.embedDocuments([QUESTION, "The sea"]);
    assert.ok(first.length > 8);
  },
  async responses(target) {
    const answer = await model(target, { useResponsesApi: true }).invoke(QUESTION);
    checkText(answer.text);
  },
  async responses_stream(target) {
    let text = "";
    const chunks = await model(target, { useResponsesApi: true }).stream(QUESTION);
    for await (const chunk of chunks) text += chunk.text;
    checkText(text);
  },
  async errors(target) {
    await assert.rejects(
      model(target, { temperature: 9 }).invoke(QUESTION),
      (error) => (error as { status?: number }).status === 400,
    );
  },
};
