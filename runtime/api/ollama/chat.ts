/**
 * `POST /api/chat`.
 *
 * @module
 */
import { z } from "zod";
import type { Dialect } from "../dialect.ts";
import { parseBody, unsupported } from "../parse_body.ts";
import { continuing, refuseHeld } from "../prompt_ending.ts";
import { MOST_TOOLS, templateTools, toolFunction, toolName, toolUse } from "../tool_use.ts";
import { answerFields, answerSettings, modelField, thinkVariables } from "./fields.ts";
import { ollamaMessage, toMessages } from "./messages.ts";
import { ollamaWording } from "./words.ts";

/** The body of the request. */
export const ollamaChatSchema = z.object({
  model: modelField,
  messages: z.array(ollamaMessage).nullish()
    .describe(
      "the conversation, text only; where the assistant's message comes last, the answer goes on with it; without messages the model is only loaded",
    ),
  tools: z.array(z.object({
    type: z.literal("function", unsupported),
    function: z.object({
      name: toolName,
      description: z.string().nullish(),
      parameters: z.record(z.string(), z.unknown()).nullish(),
    }),
  })).max(MOST_TOOLS).nullish().describe("functions that the answer may call"),
  ...answerFields,
});

/** Ollama's chat. */
export const ollamaChat: Dialect = {
  parse(body) {
    const request = parseBody(ollamaChatSchema, body);
    const use = toolUse(
      (request.tools ?? []).map((tool) => toolFunction(tool.function)),
      undefined,
      true,
    );
    const messages = request.messages ?? [];
    const said = toMessages(messages);
    const last = said.at(-1);
    // Ollama's templates leave the assistant's last message open.
    const begun = last?.role === "assistant" && !last.tool_calls && last.content.trim() !== "";
    const settings = answerSettings(request);
    const ending = begun ? continuing(said, "messages") : {};
    refuseHeld(ending, settings, { begin: "messages", format: "format" });
    const model = request.model ?? "default";
    return {
      model,
      choices: messages.length === 0 ? [] : [{
        prompt: 0,
        request: {
          model,
          prompt: {
            kind: "chat",
            messages: said,
            ...ending,
            ...(use.tools && { tools: templateTools(use.tools) }),
            ...thinkVariables(request),
          },
          ...use,
          ...settings,
        },
      }],
      stream: request.stream ?? true,
      wording: ollamaWording({
        logprobs: request.logprobs ?? false,
        loads: messages.length === 0,
        text: (message) => ({ message: { role: "assistant", ...message } }),
      }),
    };
  },
};
