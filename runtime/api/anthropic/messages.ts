/**
 * `POST /v1/messages` and `POST /v1/messages/count_tokens`: their fields, and what they ask for.
 *
 * @module
 */
import { z } from "zod";
import { constraintOf } from "../constraint.ts";
import type { Dialect } from "../dialect.ts";
import type { GenerateRequest } from "../generator.ts";
import { parseBody, unsupported } from "../parse_body.ts";
import { continuing, refuseHeld } from "../prompt_ending.ts";
import { samplingOf, seedOf } from "../sampling.ts";
import { MOST_TOOLS, templateTools, toolFunction, toolName, toolUse } from "../tool_use.ts";
import { anthropicMessage, conversation, systemPrompt } from "./content.ts";
import { messageWording } from "./words.ts";

const tool = z.object({
  type: z.literal("custom", unsupported).nullish(),
  name: toolName,
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()),
  strict: z.boolean().nullish(),
});

const parallel = { disable_parallel_tool_use: z.boolean().nullish() };

/** Fields that both endpoints have. */
const promptFields = {
  model: z.string().nullish().describe("`default`, or what `GET /v1/models` lists"),
  messages: z.array(anthropicMessage).min(1)
    .describe(
      "the conversation; blocks of text, thinking, tool_use and tool_result; where the assistant's comes last, the answer goes on with it",
    ),
  system: systemPrompt.describe("the system prompt"),
  tools: z.array(tool).max(MOST_TOOLS).nullish().describe("functions that the answer may call"),
  tool_choice: z.discriminatedUnion("type", [
    z.object({ type: z.literal("auto"), ...parallel }),
    z.object({ type: z.literal("any"), ...parallel }),
    z.object({ type: z.literal("tool"), name: z.string(), ...parallel }),
    z.object({ type: z.literal("none") }),
  ]).nullish().describe("`auto`, `any`, `tool` with a name, or `none`"),
  thinking: z.discriminatedUnion("type", [
    z.object({ type: z.literal("enabled"), budget_tokens: z.int().nullish() }),
    z.object({ type: z.literal("adaptive") }),
    z.object({ type: z.literal("disabled") }),
  ]).nullish().describe("reasoning on or off (`enable_thinking`); a budget has no effect"),
  output_config: z.object({
    format: z.object({ type: z.literal("json_schema"), schema: z.record(z.string(), z.unknown()) })
      .nullish(),
    effort: z.string().nullish(),
  }).nullish().describe("`format`: a JSON schema that the answer fits"),
};

/** The body of `POST /v1/messages/count_tokens`. */
export const countTokensSchema = z.object(promptFields);

/** The body of `POST /v1/messages`. */
export const messagesSchema = z.object({
  ...promptFields,
  max_tokens: z.int({ error: "expected the largest number of tokens of the answer, an integer" })
    .min(1).describe("tokens of the answer at most; needed"),
  stream: z.boolean().nullish().describe("send the answer as server-sent events"),
  stop_sequences: z.array(z.string().min(1)).max(16).nullish()
    .describe("texts that end the answer and are not part of it"),
  temperature: z.number().min(0).max(2).nullish().describe("0: the most likely token, always"),
  top_p: z.number().gt(0).max(1).nullish()
    .describe("the most likely tokens that together have this probability"),
  top_k: z.int().min(0).nullish().describe("the most likely tokens, this many; 0: all"),
  service_tier: z.enum(["auto", "standard_only"]).nullish().describe("taken, without effect"),
  metadata: z.object({ user_id: z.string().nullish() }).nullish()
    .describe("taken, without effect"),
  container: z.null(unsupported).optional().describe("not supported"),
  mcp_servers: z.array(z.unknown()).max(0, unsupported).nullish().describe("not supported"),
  context_management: z.null(unsupported).optional().describe("not supported"),
});

/** The prompt of a request, and the functions that its answer may call. Throws `invalid_value`. */
export function promptOf(
  request: z.infer<typeof countTokensSchema>,
): Pick<GenerateRequest, "prompt" | "tools"> {
  const { tools = [], tool_choice, thinking } = request;
  const use = toolUse(
    (tools ?? []).map(({ input_schema, ...rest }) =>
      toolFunction({ ...rest, parameters: input_schema })
    ),
    tool_choice?.type === "any"
      ? "required"
      : tool_choice?.type === "tool"
      ? { name: tool_choice.name }
      : tool_choice?.type,
    !(tool_choice && "disable_parallel_tool_use" in tool_choice &&
      tool_choice.disable_parallel_tool_use),
  );
  const messages = conversation(request.system, request.messages);
  const begun = messages.at(-1)?.role === "assistant";
  return {
    prompt: {
      kind: "chat",
      messages,
      ...(begun && continuing(messages, "messages")),
      ...(use.tools && { tools: templateTools(use.tools) }),
      ...(thinking && { templateVariables: { enable_thinking: thinking.type !== "disabled" } }),
    },
    ...use,
  };
}

/** Anthropic's dialect. */
export const messagesDialect: Dialect = {
  parse(body) {
    const request = parseBody(messagesSchema, body);
    const format = request.output_config?.format;
    const model = request.model ?? "default";
    const asked = promptOf(request);
    const held = constraintOf(format, "output_config.format");
    if (asked.prompt.kind === "chat") {
      refuseHeld(asked.prompt, held, { begin: "messages", format: "output_config.format" });
    }
    return {
      model,
      choices: [{
        prompt: 0,
        request: {
          model,
          ...asked,
          sampling: { ...samplingOf(request), seed: seedOf(undefined) },
          stop: request.stop_sequences ?? [],
          maxTokens: request.max_tokens,
          ...held,
        },
      }],
      stream: request.stream ?? false,
      wording: messageWording(),
    };
  },
};
