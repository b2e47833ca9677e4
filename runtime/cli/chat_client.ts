/**
 * A client of `POST /v1/chat/completions`, for commands.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";
import { callApi, errorSchema, failed } from "./api_call.ts";
import { eventData } from "./sse.ts";

/** One turn of a conversation. */
export interface Turn {
  /** Who speaks. */
  role: "system" | "user" | "assistant";
  /** What is said. */
  content: string;
}

/** A request to the chat endpoint. */
export interface ChatCall {
  /** Base URL of the API, without a final slash. */
  url: string;
  /** API key. @default none is sent */
  key?: string;
  /** The conversation so far; it ends with the question. */
  messages: Turn[];
  /** Largest number of tokens of the answer. @default the model's own */
  maxTokens?: number;
  /** 0 (always the likeliest token) to 2. @default the model's own */
  temperature?: number;
  /** Aborting it ends the request. */
  signal: AbortSignal;
}

const chunkSchema = z.object({
  choices: z.array(z.object({
    delta: z.object({ content: z.string().nullish() }),
    finish_reason: z.string().nullish(),
  })),
});

/**
 * Yields the answer's text while it arrives, and returns the finish reason. Throws group `cli`:
 * `cannot_connect`, `refused` (with the node's own message), `broken_answer`; or the signal's
 * reason.
 */
export async function* streamChat(call: ChatCall): AsyncGenerator<string, string> {
  const response = await post(call, true);
  let finishReason: string | undefined;
  try {
    for await (const data of eventData(response.body!)) {
      if (data === "[DONE]") break;
      const value = JSON.parse(data);
      const error = errorSchema.safeParse(value);
      if (error.success) {
        throw failed("refused", `the answer broke off: ${error.data.error.message}`);
      }
      const [choice] = chunkSchema.parse(value).choices;
      if (choice?.delta.content) yield choice.delta.content;
      finishReason = choice?.finish_reason ?? finishReason;
    }
  } catch (error) {
    throw broken(call, error);
  }
  if (finishReason !== undefined) return finishReason;
  throw failed("broken_answer", `the node at ${call.url} ended the answer without finishing it`);
}

/** The node's whole answer, its JSON unchanged. Throws as {@linkcode streamChat}. */
export async function wholeChat(call: ChatCall): Promise<unknown> {
  const response = await post(call, false);
  try {
    return await response.json();
  } catch (error) {
    throw broken(call, error);
  }
}

/** The error to throw for one that came up while the answer was read. */
function broken(call: ChatCall, error: unknown): unknown {
  if (call.signal.aborted || error instanceof OrreryError) return error;
  const message = error instanceof z.ZodError
    ? "it is not a chat answer"
    : (error as Error).message;
  return failed("broken_answer", `the answer of ${call.url} broke off: ${message}`, error);
}

function post(
  { url, key, messages, maxTokens, temperature, signal }: ChatCall,
  stream: boolean,
): Promise<Response> {
  return callApi({
    url,
    path: "/v1/chat/completions",
    method: "POST",
    key,
    body: { model: "default", messages, max_tokens: maxTokens, temperature, stream },
    signal,
  });
}
