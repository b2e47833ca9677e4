/**
 * `POST /v1/completions`.
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
import { apiError } from "./errors.ts";

/** Largest number of prompts in one request. */
const MOST_PROMPTS = 32;
/** Tokens of an answer where the request does not say: OpenAI's own default for this endpoint. */
const DEFAULT_MAX_TOKENS = 16;

const tokenIds = z.array(z.int().min(0)).min(1);

const requestSchema = z.object({
  ...commonFields,
  prompt: z.union([
    z.string(),
    tokenIds,
    z.array(z.string()).min(1).max(MOST_PROMPTS),
    z.array(tokenIds).min(1).max(MOST_PROMPTS),
  ], {
    error:
      `expected a string, an array of token ids, or an array of at most ${MOST_PROMPTS} of these`,
  }),
  echo: z.boolean().nullish(),
  best_of: z.int().min(1).nullish(),
  suffix: z.string().max(0, unsupported).nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
});

/** The prompts as a list: the field holds one text, one token list, or several of either. */
function promptList(prompt: z.infer<typeof requestSchema>["prompt"]): (string | number[])[] {
  if (typeof prompt === "string") return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : prompt as string[] | number[][];
}

/** The `logprobs` field of a choice; null where it was not asked for. */
function logprobs({ tokens, offset, logprobs }: TextPiece) {
  if (!logprobs) return null;
  return {
    tokens: tokens.map((token) => token.text),
    token_logprobs: tokens.map((token) => token.logprob ?? 0),
    top_logprobs: tokens.map((token) =>
      token.top
        ? Object.fromEntries(token.top.map(([, logprob], i) => [token.topText?.[i] ?? "", logprob]))
        : null
    ),
    text_offset: tokens.map((token) => {
      const start = offset;
      offset += token.text.length;
      return start;
    }),
  };
}

/** OpenAI's completions dialect. */
export const completionsDialect: Dialect = {
  idPrefix: "cmpl-",
  object: { whole: "text_completion", chunk: "text_completion" },
  parse(body) {
    const request = parseBody(requestSchema, body);
    if ((request.best_of ?? request.n ?? 1) !== (request.n ?? 1)) {
      throw apiError(
        "unsupported_parameter",
        "best_of: only the value of n is supported",
        "best_of",
      );
    }
    const wantsLogprobs = request.logprobs !== null && request.logprobs !== undefined;
    const prompts = promptList(request.prompt);
    if (request.echo && (wantsLogprobs || prompts.some((prompt) => typeof prompt !== "string"))) {
      throw apiError(
        "unsupported_parameter",
        "echo: not supported with logprobs or with token prompts",
        "echo",
      );
    }
    return toTask(
      { ...request, max_tokens: request.max_tokens ?? DEFAULT_MAX_TOKENS },
      prompts.map((prompt) =>
        typeof prompt === "string"
          ? { prompt: { kind: "text" as const, text: prompt }, echo: request.echo ? prompt : "" }
          : { prompt: { kind: "tokens" as const, tokens: prompt }, echo: "" }
      ),
      { logprobs: wantsLogprobs, top_logprobs: request.logprobs ?? 0 },
    );
  },
  whole: (piece, finish_reason) => ({
    index: piece.index,
    text: piece.text,
    logprobs: logprobs(piece),
    finish_reason,
  }),
  open: (index, echo) =>
    echo === "" ? undefined : { index, text: echo, logprobs: null, finish_reason: null },
  delta: (piece) => ({
    index: piece.index,
    text: piece.text,
    logprobs: logprobs(piece),
    finish_reason: null,
    ...(piece.branch !== undefined && { orrery: { branch: piece.branch } }),
  }),
  close: (index, finish_reason) => ({ index, text: "", logprobs: null, finish_reason }),
};
