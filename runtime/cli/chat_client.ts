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
  /** How the answer is generated. @default "auto" */
  mode?: string;
  /** Stream the branches of an outline as they grow. @default one text in order */
  liveBranches?: boolean;
  /** Aborting it ends the request. */
  signal: AbortSignal;
}

/** A piece of an answer. */
export interface ChatPiece {
  text: string;
  /** The branch that it belongs to, with live branches. */
  branch?: number;
}

/** What the node says of how it made an answer; of another server's answer nothing is known. */
const madeSchema = z.object({
  mode: z.string(),
  ttft_ms: z.number(),
  tokens_per_s: z.number(),
  drafted: z.number(),
  accepted: z.number(),
}).nullish().catch(undefined);

/** How an answer ended. */
export interface ChatEnd {
  /** `stop`, `length` and the like. */
  finishReason: string;
  /** How it was made, if the node says so. */
  made?: NonNullable<z.infer<typeof madeSchema>>;
}

const chunkSchema = z.object({
  choices: z.array(z.object({
    delta: z.object({
      content: z.string().nullish(),
      orrery: z.object({ branch: z.int().min(0).max(1_000).optional() }).nullish(),
    }),
    finish_reason: z.string().nullish(),
  })),
  orrery: madeSchema,
});

/**
 * Yields the answer's text while it arrives, and returns how it ended. Throws group `cli`:
 * `cannot_connect`, `refused` (with the node's own message), `broken_answer`; or the signal's
 * reason.
 */
export async function* streamChat(call: ChatCall): AsyncGenerator<ChatPiece, ChatEnd> {
  const response = await post(call, true);
  let finishReason: string | undefined;
  let made: ChatEnd["made"];
  try {
    for await (const data of eventData(response.body!)) {
      if (data === "[DONE]") break;
      const value = JSON.parse(data);
      const error = errorSchema.safeParse(value);
      if (error.success) {
        throw failed("refused", `the answer broke off: ${error.data.error.message}`);
      }
      const chunk = chunkSchema.parse(value);
      const [choice] = chunk.choices;
      made = chunk.orrery ?? made;
      const { content, orrery } = choice?.delta ?? {};
      if (content) yield { text: content, branch: orrery?.branch };
      finishReason = choice?.finish_reason ?? finishReason;
    }
  } catch (error) {
    throw broken(call, error);
  }
  if (finishReason !== undefined) return { finishReason, made };
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
  { url, key, messages, maxTokens, temperature, mode, liveBranches, signal }: ChatCall,
  stream: boolean,
): Promise<Response> {
  return callApi({
    url,
    path: "/v1/chat/completions",
    method: "POST",
    key,
    body: {
      ...{ model: "default", messages, max_tokens: maxTokens, temperature, stream },
      ...((mode !== undefined || liveBranches) &&
        { orrery: { mode, live_branches: liveBranches } }),
    },
    signal,
  });
}
