/**
 * Response objects of `POST /v1/responses`, and the items of their output.
 *
 * @module
 */
import type { AnswerTotals } from "../../dialect.ts";
import type { FinishReason, GeneratedToken } from "../../generator.ts";
import type { AnswerNames } from "../../answer_names.ts";
import { tokenLogprobs } from "../chat_words.ts";
import type { ResponsesRequest } from "./fields.ts";

/** An item of a response's output. */
export type OutputItem =
  | {
    id: string;
    type: "reasoning";
    summary: never[];
    content: { type: "reasoning_text"; text: string }[];
    status: string;
  }
  | {
    id: string;
    type: "message";
    role: "assistant";
    status: string;
    content: OutputText[];
  }
  | {
    id: string;
    type: "function_call";
    call_id: string;
    name: string;
    arguments: string;
    status: string;
  };

/** Text of a message. */
export interface OutputText {
  type: "output_text";
  text: string;
  annotations: never[];
  /** Empty where they were not asked for. */
  logprobs: ReturnType<typeof tokenLogprobs>;
}

/** A text with the log-probabilities of these tokens. */
export const outputText = (text: string, tokens: GeneratedToken[]): OutputText => ({
  type: "output_text",
  text,
  annotations: [],
  logprobs: tokenLogprobs(tokens),
});

/** A message with this content. */
export const messageItem = (
  names: AnswerNames,
  status: string,
  content: OutputText[],
): OutputItem => ({
  id: names.id("msg_"),
  type: "message",
  role: "assistant",
  status,
  content,
});

/** Reasoning with this text; "": none yet. */
export const reasoningItem = (names: AnswerNames, status: string, text: string): OutputItem => ({
  id: names.id("rs_"),
  type: "reasoning",
  summary: [],
  content: text === "" ? [] : [{ type: "reasoning_text", text }],
  status,
});

/** A call of a function. */
export const callItem = (
  names: AnswerNames,
  status: string,
  call: { call_id: string; name: string; arguments: string },
): OutputItem => ({ id: names.id("fc_"), type: "function_call", ...call, status });

/** What a response object says beside the request's own fields. */
export interface ResponseState {
  id: string;
  /** Unix seconds. */
  createdS: number;
  model: string;
  output: OutputItem[];
  /** How it ended; undefined: it is under way. */
  ended?: { finish: FinishReason; totals: AnswerTotals };
}

/** A state for a new response of `model`. */
export const newState = (model: string, names: AnswerNames): ResponseState => ({
  id: names.id("resp_"),
  createdS: names.createdS,
  model,
  output: [],
});

/** The response object of a request. */
export function responseObject(request: ResponsesRequest, state: ResponseState) {
  const { ended } = state;
  const cut = ended?.finish === "length";
  return {
    id: state.id,
    object: "response",
    created_at: state.createdS,
    status: !ended ? "in_progress" : cut ? "incomplete" : "completed",
    background: false,
    error: null,
    incomplete_details: cut ? { reason: "max_output_tokens" } : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    model: state.model,
    output: state.output,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: request.previous_response_id ?? null,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: null },
    service_tier: request.service_tier === "auto" ? "default" : request.service_tier ?? "default",
    store: request.store ?? true,
    temperature: request.temperature ?? null,
    text: { format: request.text?.format ?? { type: "text" }, verbosity: "medium" },
    tool_choice: request.tool_choice ?? "auto",
    tools: request.tools ?? [],
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? null,
    truncation: "disabled",
    usage: ended ? usageOf(ended.totals) : null,
    user: request.user ?? null,
    metadata: request.metadata ?? {},
    ...(ended?.totals.report && { orrery: ended.totals.report }),
  };
}

const usageOf = (
  { promptTokens, cachedTokens = 0, completionTokens, reasoningTokens }: AnswerTotals,
) => ({
  input_tokens: promptTokens,
  input_tokens_details: { cached_tokens: cachedTokens },
  output_tokens: completionTokens,
  output_tokens_details: { reasoning_tokens: reasoningTokens },
  total_tokens: promptTokens + completionTokens,
});
