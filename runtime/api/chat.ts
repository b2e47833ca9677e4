/**
 * `POST /v1/chat/completions`.
 *
 * @module
 */
import { z } from "zod";
import {
  commonFields,
  type Dialect,
  parseBody,
  type TextPiece,
  toTask,
  unsupported,
} from "./dialect.ts";
import type { ApiMessage } from "./generator.ts";

const textPart = z.object({
  type: z.literal("text", unsupported),
  text: z.string(),
});

const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant"], {
    error: (issue) =>
      issue.input === "tool" || issue.input === "function"
        ? unsupported.error
        : 'expected "system", "developer", "user" or "assistant"',
  }),
  content: z.union([z.string(), z.array(textPart)]),
  name: z.string().nullish(),
  tool_calls: z.array(z.unknown()).max(0, unsupported).nullish(),
});

const requestSchema = z.object({
  ...commonFields,
  messages: z.array(messageSchema).min(1),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(z.unknown()).max(0, unsupported).nullish(),
  tool_choice: z.enum(["none", "auto"], unsupported).nullish(),
  functions: z.array(z.unknown()).max(0, unsupported).nullish(),
  function_call: z.enum(["none", "auto"], unsupported).nullish(),
  response_format: z.object({ type: z.literal("text", unsupported) }).nullish(),
  modalities: z.array(z.literal("text", unsupported)).nullish(),
  audio: z.null(unsupported).optional(),
  web_search_options: z.null(unsupported).optional(),
}).refine((body) => !body.top_logprobs || body.logprobs, {
  path: ["top_logprobs"],
  error: "only allowed when logprobs is true",
});

/**
 * The message as a chat template takes it: the role `developer` becomes `system`, and text parts
 * are joined with line breaks.
 */
function toMessage({ role, content, name }: z.infer<typeof messageSchema>): ApiMessage {
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map((part) => part.text).join("\n"),
    ...(name && { name }),
  };
}

/** One token of a log-probability list; `bytes` is its UTF-8 encoding. */
function logprobEntry(token: string, logprob: number) {
  // A token that is a part of a UTF-8 character has no text of its own: its bytes are not known.
  const bytes = token.includes("\ufffd") ? null : [...new TextEncoder().encode(token)];
  return { token, logprob, bytes };
}

/** The `logprobs` field of a choice; null where it was not asked for. */
function logprobs({ tokens, logprobs }: TextPiece) {
  if (!logprobs) return null;
  const content = tokens.map((token) => ({
    ...logprobEntry(token.text, token.logprob ?? 0),
    top_logprobs: (token.top ?? []).map(([, logprob], i) =>
      logprobEntry(token.topText?.[i] ?? "", logprob)
    ),
  }));
  return { content, refusal: null };
}

/** OpenAI's chat dialect. */
export const chatDialect: Dialect = {
  idPrefix: "chatcmpl-",
  object: { whole: "chat.completion", chunk: "chat.completion.chunk" },
  parse(body) {
    const request = parseBody(requestSchema, body);
    const prompt = { kind: "chat" as const, messages: request.messages.map(toMessage) };
    const max_tokens = request.max_completion_tokens ?? request.max_tokens;
    return toTask({ ...request, max_tokens }, [{ prompt, echo: "" }], {
      logprobs: request.logprobs ?? false,
      top_logprobs: request.top_logprobs ?? 0,
    });
  },
  whole: (piece, finish_reason) => ({
    index: piece.index,
    message: { role: "assistant", content: piece.text, refusal: null },
    logprobs: logprobs(piece),
    finish_reason,
  }),
  open: (index) => ({
    index,
    delta: { role: "assistant", content: "", refusal: null },
    logprobs: null,
    finish_reason: null,
  }),
  delta: (piece) => ({
    index: piece.index,
    delta: {
      content: piece.text,
      ...(piece.branch !== undefined && { orrery: { branch: piece.branch } }),
    },
    logprobs: logprobs(piece),
    finish_reason: null,
  }),
  close: (index, finish_reason) => ({ index, delta: {}, logprobs: null, finish_reason }),
};
