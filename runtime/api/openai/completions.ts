/**
 * `POST /v1/completions`: its fields, and the task that they describe.
 *
 * @module
 */
import { z } from "zod";
import type { Dialect } from "../dialect.ts";
import { apiError } from "../errors.ts";
import { parseBody } from "../parse_body.ts";
import { commonFields, MOST_ANSWERS } from "./common_fields.ts";
import { completionsWording } from "./completions_words.ts";
import { choicesOf } from "./to_task.ts";

/** Largest number of prompts in one request. */
const MOST_PROMPTS = 32;
/** Tokens of an answer where the request does not say: OpenAI's own default for this endpoint. */
const DEFAULT_MAX_TOKENS = 16;

const tokenIds = z.array(z.int().min(0)).min(1);

/** The body of the request. */
export const completionsSchema = z.object({
  prompt: z.union([
    z.string(),
    tokenIds,
    z.array(z.string()).min(1).max(MOST_PROMPTS),
    z.array(tokenIds).min(1).max(MOST_PROMPTS),
  ], {
    error:
      `expected a string, an array of token ids, or an array of at most ${MOST_PROMPTS} of these`,
  }).describe(`a text, token ids, or a list of at most ${MOST_PROMPTS} of either`),
  ...commonFields,
  max_tokens: z.int().min(0).nullish()
    .describe(
      `tokens of the answer at most, ${DEFAULT_MAX_TOKENS} if left out; 0 only with \`echo\``,
    ),
  echo: z.boolean().nullish().describe(
    "put the prompt before the answer; with `logprobs` its tokens have log-probabilities too",
  ),
  best_of: z.int().min(1).max(MOST_ANSWERS).nullish().describe(
    "generate this many, return the `n` whose tokens are the most likely in the mean; not streamed",
  ),
  suffix: z.string().nullish().describe(
    "text that stands behind the answer: only for models that have infill tokens, and not with `echo`",
  ),
  logprobs: z.int().min(0).max(20).nullish()
    .describe("log-probability of each token, and of this many of the most likely"),
});

/** The prompts as a list: the field holds one text, one token list, or several of either. */
function promptList(prompt: z.infer<typeof completionsSchema>["prompt"]): (string | number[])[] {
  if (typeof prompt === "string") return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : prompt as string[] | number[][];
}

/** How many answers to generate for each prompt. Throws `invalid_value`. */
function answersOf({ n, best_of, stream }: z.infer<typeof completionsSchema>): number {
  const most = best_of ?? n ?? 1;
  if (most < (n ?? 1)) {
    throw apiError("invalid_value", `best_of: at least n (${n}), got ${most}`, "best_of");
  }
  if (stream && most > (n ?? 1)) {
    throw apiError("invalid_value", "best_of: above n, the answer cannot be streamed", "best_of");
  }
  return most;
}

/** OpenAI's completions dialect. */
export const completionsDialect: Dialect = {
  parse(body) {
    const request = parseBody(completionsSchema, body);
    const generated = answersOf(request);
    const n = request.n ?? 1;
    const wanted = request.logprobs !== null && request.logprobs !== undefined;
    const prompts = promptList(request.prompt);
    const echo = request.echo ?? false;
    if (request.max_tokens === 0 && !echo) {
      throw apiError(
        "invalid_value",
        "max_tokens: 0 only with echo, at least 1 else",
        "max_tokens",
      );
    }
    const { suffix } = request;
    if (suffix && (echo || prompts.some((prompt) => typeof prompt !== "string"))) {
      const message = "suffix: not together with echo, nor with prompts of token ids";
      throw apiError("invalid_value", message, "suffix");
    }
    // The prompt's tokens are asked for where the text of a prompt is not enough.
    const tokensToo = echo &&
      (wanted || request.max_tokens === 0 || prompts.some((prompt) => typeof prompt !== "string"));
    const choices = choicesOf(
      { ...request, max_tokens: request.max_tokens ?? DEFAULT_MAX_TOKENS },
      {
        prompts: prompts.map((prompt) =>
          typeof prompt === "string"
            ? { kind: "text", text: prompt, ...(suffix && { suffix }) }
            : { kind: "tokens", tokens: prompt }
        ),
        n: generated,
        // The best answers are told by their tokens' probabilities.
        logprobs: {
          logprobs: wanted || generated > n,
          top_logprobs: request.logprobs ?? 0,
        },
        more: tokensToo ? { promptLogprobs: request.logprobs ?? 0 } : {},
      },
    );
    return {
      model: request.model ?? "default",
      choices,
      stream: request.stream ?? false,
      wording: completionsWording({
        echoes: prompts.map((prompt) =>
          !echo ? "" : typeof prompt === "string" ? prompt : undefined
        ),
        tokensToo,
        ...{ n, generated },
        logprobs: wanted,
        includeUsage: request.stream_options?.include_usage ?? false,
        tier: request.service_tier,
      }),
    };
  },
};
