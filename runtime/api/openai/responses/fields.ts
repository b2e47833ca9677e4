/**
 * Fields of `POST /v1/responses`.
 *
 * @module
 */
import { z } from "zod";
import { unsupported } from "../../parse_body.ts";
import { MOST_TOOLS, toolName, toolParameters } from "../../tool_use.ts";
import { reasoningEffort } from "../chat.ts";
import { metadataField, samplingFields, serviceTier } from "../common_fields.ts";
import { orreryFields } from "../orrery_fields.ts";
import { formatName, jsonSchema } from "../response_format.ts";
import { inputItem } from "./input.ts";

const functionTool = z.object({
  type: z.literal("function", unsupported),
  name: toolName,
  description: z.string().nullish(),
  parameters: toolParameters,
  strict: z.boolean().nullish(),
});

const textFormat = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({
    type: z.literal("json_schema"),
    name: formatName,
    description: z.string().nullish(),
    schema: jsonSchema,
    strict: z.boolean().nullish(),
  }),
], { error: 'expected an object whose type is "text", "json_object" or "json_schema"' });

/** The body of the request. */
export const responsesSchema = z.object({
  model: z.string().nullish().describe("`default`, or what `GET /v1/models` lists"),
  input: z.union([z.string(), z.array(inputItem)])
    .describe(
      "a text, or items: messages, function calls and their outputs, reasoning, references",
    ),
  instructions: z.string().nullish()
    .describe("the system prompt; that of a previous response does not go on"),
  previous_response_id: z.string().nullish().describe("the stored response that this goes on from"),
  store: z.boolean().nullish().describe("keep the response for later ones; usually yes"),
  stream: z.boolean().nullish().describe("send the response as server-sent events"),
  stream_options: z.object({
    include_obfuscation: z.boolean().nullish().describe("taken, without effect: nothing is padded"),
  }).nullish().describe("only with `stream`"),
  max_output_tokens: z.int().min(1).nullish()
    .describe("tokens of the answer at most; cut to what the context has room for"),
  ...samplingFields,
  top_logprobs: z.int().min(0).max(20).nullish()
    .describe("log-probabilities of the most likely tokens in each place"),
  include: z.array(z.string()).nullish().describe(
    "`message.output_text.logprobs`: log-probability of each token; others have no effect",
  ),
  text: z.object({
    format: textFormat.nullish()
      .describe("what the answer is: any `text`, a `json_object`, or JSON of a `json_schema`"),
    verbosity: z.literal("medium", unsupported).nullish().describe("only `medium`"),
  }).nullish().describe("the form of the answer"),
  reasoning: z.object({
    effort: reasoningEffort.describe(
      "`none` turns reasoning off; others are given to the template",
    ),
    summary: z.string().nullish().describe("taken, without effect: the reasoning itself is told"),
  }).nullish().describe("how to reason"),
  tools: z.array(functionTool).max(MOST_TOOLS).nullish()
    .describe("functions that the answer may call; no other tools"),
  tool_choice: z.union([
    z.enum(["none", "auto", "required"]),
    z.object({ type: z.literal("function", unsupported), name: z.string() }),
  ]).nullish().describe("`auto`, `none`, `required`, or one function by its name"),
  parallel_tool_calls: z.boolean().nullish().describe("several calls in one answer? Usually yes"),
  max_tool_calls: z.int().nullish().describe("taken, without effect: it is for tools of OpenAI's"),
  service_tier: serviceTier,
  metadata: metadataField.describe("given back with the response"),
  user: z.string().nullish().describe("taken, without effect"),
  safety_identifier: z.string().nullish().describe("taken, without effect"),
  prompt_cache_key: z.string().nullish()
    .describe("taken, without effect: prompts that begin alike share rows by themselves"),
  prompt_cache_retention: z.string().nullish().describe("taken, without effect"),
  truncation: z.literal("disabled", unsupported).nullish()
    .describe("only `disabled`: a conversation that does not fit is refused"),
  background: z.literal(false, unsupported).nullish()
    .describe("not supported: `/v1/batches` answers later"),
  conversation: z.null(unsupported).optional()
    .describe("not supported: use `previous_response_id`"),
  prompt: z.null(unsupported).optional().describe("not supported"),
  orrery: orreryFields.describe("settings that only Orrery has"),
});

/** A parsed request. */
export type ResponsesRequest = z.infer<typeof responsesSchema>;
