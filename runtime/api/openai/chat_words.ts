/**
 * Responses of `POST /v1/chat/completions`.
 *
 * @module
 */
import type { AnswerPart, ChoiceEvent, Wording } from "../dialect.ts";
import type { AnswerNames } from "../answer_names.ts";
import type { GeneratedToken } from "../generator.ts";
import { SSE_TYPE } from "../sse.ts";
import { ChunkWriter } from "./chunks.ts";
import { answerHead, usageOf } from "./usage.ts";

/** What a response depends on beside the answer. */
export interface ChatWordsInit {
  /** Number of choices. */
  choices: number;
  /** Does the request ask for log-probabilities? */
  logprobs: boolean;
  /** End a stream with a chunk that has the usage? */
  includeUsage: boolean;
  /** The service tier that was asked for, if any. */
  tier?: string | null;
}

/** One token of a log-probability list; `bytes` is its UTF-8 encoding. */
function entry(token: string, logprob: number) {
  // A token that is a part of a UTF-8 character has no text of its own: its bytes are not known.
  const bytes = token.includes("\ufffd") ? null : [...new TextEncoder().encode(token)];
  return { token, logprob, bytes };
}

/** Tokens with their log-probabilities, as chat and responses have them. */
export const tokenLogprobs = (tokens: GeneratedToken[]) =>
  tokens.map((token) => ({
    ...entry(token.text, token.logprob ?? 0),
    top_logprobs: (token.top ?? []).map(([, logprob], i) =>
      entry(token.topText?.[i] ?? "", logprob)
    ),
  }));

/** Words the answers of one chat request. */
export function chatWording(init: ChatWordsInit): Wording {
  /** The `logprobs` field of a choice; null where it was not asked for. */
  const logprobs = (tokens: GeneratedToken[]) =>
    init.logprobs ? { content: tokenLogprobs(tokens), refusal: null } : null;
  const head = (object: string, model: string, names: AnswerNames) =>
    answerHead({ prefix: "chatcmpl-", names, object, model, tier: init.tier });
  return {
    streamType: SSE_TYPE,
    whole: ({ model, parts, totals, names }) => ({
      ...head("chat.completion", model, names),
      choices: parts.map((part, index) => ({
        index,
        message: messageOf(part),
        logprobs: logprobs(part.tokens),
        finish_reason: part.finishReason,
      })),
      usage: usageOf(totals),
      orrery: totals.report,
    }),
    stream: (model, names) =>
      new ChunkWriter({
        head: head("chat.completion.chunk", model, names),
        choices: init.choices,
        includeUsage: init.includeUsage,
        entries: (step) => {
          const tokens = step.event.type === "delta" ? step.event.tokens : undefined;
          return deltasOf(step, init.logprobs).map((delta) => ({
            index: step.index,
            delta,
            logprobs: tokens ? logprobs(tokens) : null,
            finish_reason: step.event.type === "done" ? step.event.finishReason : null,
          }));
        },
      }),
  };
}

/** The message of a whole answer. An answer that only calls functions has the content null. */
function messageOf({ text, reasoning, calls }: AnswerPart) {
  return {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
    refusal: null,
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** The `delta` of an event's chunk; none where it has nothing for the client. */
function deltasOf({ event }: ChoiceEvent, logprobs: boolean): unknown[] {
  switch (event.type) {
    case "started":
      return [{ role: "assistant", content: "", refusal: null }];
    case "prompt":
      return [];
    case "delta":
      if (event.text === "" && !logprobs) return [];
      return [{
        content: event.text,
        ...(event.branch !== undefined && { orrery: { branch: event.branch } }),
      }];
    case "reasoning":
      return event.text === "" ? [] : [{ reasoning_content: event.text }];
    case "tool_call": {
      const { index, id, name, arguments: more = "" } = event.call;
      return [{
        tool_calls: [
          name === undefined
            ? { index, function: { arguments: more } }
            : { index, id, type: "function", function: { name, arguments: more } },
        ],
      }];
    }
    case "done":
      return [{}];
  }
}
