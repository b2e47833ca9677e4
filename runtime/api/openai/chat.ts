/**
 * `POST /v1/chat/completions`: its fields, and the task that they describe.
 *
 * @module
 */
import { z } from "zod";
import { constraintOf } from "../constraint.ts";
import type { Dialect } from "../dialect.ts";
import { apiError } from "../errors.ts";
import type { ApiMessage } from "../generator.ts";
import { parseBody, unsupported } from "../parse_body.ts";
import { continuing, type PromptEnding, refuseHeld } from "../prompt_ending.ts";
import { templateTools } from "../tool_use.ts";
import { chatWording } from "./chat_words.ts";
import { commonFields } from "./common_fields.ts";
import { messageSchema, toMessage } from "./messages.ts";
import { responseFormat } from "./response_format.ts";
import { choicesOf } from "./to_task.ts";
import { chatToolUse, toolFields } from "./tools.ts";

/** How hard a reasoning model is to think; templates that know no such thing ignore it. */
export const reasoningEffort = z
  .enum(["none", "minimal", "low", "medium", "high", "xhigh"]).nullish();

/** The body of the request. */
export const chatSchema = z.object({
  messages: z.array(messageSchema).min(1).describe("the conversation; text only"),
  ...commonFields,
  max_completion_tokens: z.int().min(1).nullish().describe("the newer name of `max_tokens`"),
  logprobs: z.boolean().nullish().describe("log-probability of each token"),
  top_logprobs: z.int().min(0).max(20).nullish()
    .describe("and of the most likely ones in its place; only with `logprobs`"),
  response_format: responseFormat,
  ...toolFields,
  reasoning_effort: reasoningEffort.describe(
    "`none` turns reasoning off (`enable_thinking`); others are given to the template",
  ),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish()
    .describe("further variables of the model's chat template, such as `enable_thinking`"),
  continue_final_message: z.boolean().nullish().describe(
    "the answer goes on with the text of the last message, which is the assistant's; only what is new is told",
  ),
  add_generation_prompt: z.boolean().nullish()
    .describe(
      "false: the prompt ends with the messages; not together with `continue_final_message`",
    ),
  documents: z.array(z.record(z.string(), z.unknown())).nullish()
    .describe("documents for chat templates that know them"),
  verbosity: z.literal("medium", unsupported).nullish().describe("only `medium`"),
  modalities: z.array(z.literal("text", unsupported)).nullish().describe("only `text`"),
  prompt_cache_key: z.string().nullish()
    .describe("taken, without effect: prompts that begin alike share rows by themselves"),
  prompt_cache_retention: z.string().nullish().describe("taken, without effect"),
  safety_identifier: z.string().nullish().describe("taken, without effect"),
  functions: z.array(z.unknown()).max(0, unsupported).nullish()
    .describe("not supported: use `tools`"),
  function_call: z.enum(["none", "auto"], unsupported).nullish()
    .describe("not supported: use `tool_choice`"),
  audio: z.null(unsupported).optional().describe("not supported"),
  web_search_options: z.null(unsupported).optional().describe("not supported"),
}).refine((body) => !body.top_logprobs || body.logprobs, {
  path: ["top_logprobs"],
  error: "only allowed when logprobs is true",
});

/** Variables of the chat template that a request sets. */
export function templateVariables(
  effort: z.infer<typeof reasoningEffort>,
  given: Record<string, unknown> | null | undefined,
): { templateVariables?: Record<string, unknown> } {
  const variables = {
    ...(effort === "none" ? { enable_thinking: false } : effort && { reasoning_effort: effort }),
    ...given,
  };
  return Object.keys(variables).length === 0 ? {} : { templateVariables: variables };
}

/** How the prompt ends, by vLLM's names of the fields. */
function endingOf(
  { continue_final_message, add_generation_prompt }: Pick<
    z.infer<typeof chatSchema>,
    "continue_final_message" | "add_generation_prompt"
  >,
  messages: ApiMessage[],
): PromptEnding {
  if (!continue_final_message) return add_generation_prompt === false ? { ending: "none" } : {};
  if (!add_generation_prompt) return continuing(messages, "continue_final_message");
  throw apiError(
    "invalid_value",
    "continue_final_message: not together with add_generation_prompt; give one of them",
    "continue_final_message",
  );
}

/** OpenAI's chat dialect. */
export const chatDialect: Dialect = {
  parse(body) {
    const request = parseBody(chatSchema, body);
    const use = chatToolUse(request);
    const format = request.response_format;
    const schema = format?.type === "json_schema" ? format.json_schema.schema : undefined;
    const messages = request.messages.map(toMessage);
    const held = constraintOf(format && { type: format.type, schema }, "response_format");
    const ending = endingOf(request, messages);
    refuseHeld(ending, held, { begin: "continue_final_message", format: "response_format" });
    const choices = choicesOf(
      { ...request, max_tokens: request.max_completion_tokens ?? request.max_tokens },
      {
        prompts: [{
          kind: "chat",
          messages,
          ...ending,
          ...(use.tools && { tools: templateTools(use.tools) }),
          ...(request.documents && { documents: request.documents }),
          ...templateVariables(request.reasoning_effort, request.chat_template_kwargs),
        }],
        n: request.n ?? 1,
        logprobs: {
          logprobs: request.logprobs ?? false,
          top_logprobs: request.top_logprobs ?? 0,
        },
        more: { ...use, ...held },
      },
    );
    return {
      model: request.model ?? "default",
      choices,
      stream: request.stream ?? false,
      wording: chatWording({
        choices: choices.length,
        logprobs: request.logprobs ?? false,
        includeUsage: request.stream_options?.include_usage ?? false,
        tier: request.service_tier,
      }),
    };
  },
};
