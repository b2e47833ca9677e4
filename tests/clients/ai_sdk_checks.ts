/**
 * Vercel's AI SDK (`ai`) over three of its providers: `@ai-sdk/openai` by `/v1/responses`, as it is
 * used by default, and by chat, and `@ai-sdk/openai-compatible`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  type EmbeddingModel,
  embedMany,
  generateObject,
  generateText,
  isStepCount,
  type LanguageModel,
  streamObject,
  streamText,
  tool,
} from "ai";
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

/** How a provider makes its models. */
interface Provider {
  model(target: Target): LanguageModel;
  embedding?(target: Target): EmbeddingModel;
}

const openai = ({ url }: Target) => createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const compatible = ({ url }: Target) =>
  createOpenAICompatible({
    ...{ name: "orrery", baseURL: `${url}/v1` },
    ...{ supportsStructuredOutputs: true, includeUsage: true },
  });

const weatherTool = {
  [TOOL]: tool({
    description: TOOL_TEXT,
    inputSchema: citySchema,
    execute: () => Promise.resolve("rainy"),
  }),
};
const once = { prompt: QUESTION, maxRetries: 0, temperature: 0 };
/** One call, as each provider asks for it: the embedded model would call again and again. */
const oneCall = {
  tools: weatherTool,
  providerOptions: { openai: { parallelToolCalls: false }, orrery: { parallel_tool_calls: false } },
};

/** An error that the provider met within a stream. */
async function failureOf(stream: AsyncIterable<{ type: string; error?: unknown }>): Promise<void> {
  for await (const part of stream) if (part.type === "error") throw part.error;
}

function checks({ model, embedding }: Provider): ClientChecks {
  return {
    async answer(target) {
      const { text, usage } = await generateText({ ...once, model: model(target) });
      checkText(text);
      assert.ok(usage.outputTokens! > 0);
    },
    async stream(target) {
      const answer = streamText({ ...once, model: model(target), onError: () => {} });
      await failureOf(answer.fullStream);
      checkText(await answer.text);
    },
    async usage(target) {
      const answer = streamText({ ...once, model: model(target), onError: () => {} });
      await failureOf(answer.fullStream);
      const usage = await answer.usage;
      assert.ok(usage.inputTokens! > 0 && usage.outputTokens! > 0);
    },
    async json_schema(target) {
      const { object } = await generateObject({
        ...{ ...once, model: model(target), schema: weatherSchema },
      });
      checkWeather(object);
    },
    async json_schema_stream(target) {
      const answer = streamObject({
        ...{ ...once, model: model(target), schema: weatherSchema, onError: () => {} },
      });
      await failureOf(answer.fullStream);
      checkWeather(await answer.object);
    },
    async tool_call(target) {
      const { toolCalls, text, finishReason } = await generateText({
        ...{ ...once, model: model(target), ...oneCall, toolChoice: "required" },
      });
      checkCall(toolCalls[0].toolName, toolCalls[0].input);
      assert.equal(text, "");
      assert.equal(finishReason, "tool-calls");
    },
    async tool_stream(target) {
      const answer = streamText({
        ...{ ...once, model: model(target), ...oneCall, toolChoice: "required" },
        onError: () => {},
      });
      await failureOf(answer.fullStream);
      const [call] = await answer.toolCalls;
      checkCall(call.toolName, call.input);
    },
    async tool_loop(target) {
      const { steps, text } = await generateText({
        ...{ ...once, model: model(target), ...oneCall, stopWhen: isStepCount(2) },
        prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
      });
      assert.equal(steps.length, 2);
      assert.equal(steps[0].toolResults[0].output, "rainy");
      checkText(text);
    },
    async tool_none(target) {
      const { text, toolCalls } = await generateText({
        ...{ ...once, model: model(target), tools: weatherTool, toolChoice: "none" },
      });
      checkText(text);
      assert.deepEqual(toolCalls, []);
    },
    ...(embedding && {
      async embeddings(target: Target) {
        const { embeddings } = await embedMany({
          ...{ model: embedding(target), values: [QUESTION, "The sea"], maxRetries: 0 },
        });
        assert.equal(embeddings.length, 2);
        assert.ok(embeddings[0].length > 8);
      },
    }),
    async errors(target) {
      await assert.rejects(
        generateText({ ...once, model: model(target), temperature: 9 }),
        (error) => APICallError.isInstance(error) && error.statusCode === 400,
      );
    },
  };
}

/** `@ai-sdk/openai` as it is by default: by `/v1/responses`. */
export const aiResponsesChecks: ClientChecks = checks({
  model: (target) => openai(target)(target.model),
  embedding: (target) => openai(target).embedding(target.model),
});

/** `@ai-sdk/openai` by `/v1/chat/completions`. */
export const aiChatChecks: ClientChecks = checks({
  model: (target) => openai(target).chat(target.model),
});

/** `@ai-sdk/openai-compatible`. */
export const aiCompatibleChecks: ClientChecks = checks({
  model: (target) => compatible(target)(target.model),
  embedding: (target) => compatible(target).embeddingModel(target.model),
});
