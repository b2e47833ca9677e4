/**
 * The generations that a request of OpenAI's endpoints for text asks for.
 *
 * @module
 */
import type { Sampling } from "../../../actors/mod.ts";
import type { ApiChoice } from "../dialect.ts";
import { apiError } from "../errors.ts";
import type { GenerateRequest } from "../generator.ts";
import { samplingOf, seedOf } from "../sampling.ts";
import type { CommonFields } from "./common_fields.ts";
import { orrerySettings } from "./orrery_fields.ts";

/** Which requests go first among those that wait; see `GenerateRequest.priority`. */
const PRIORITIES = { flex: -1, auto: 0, default: 0, scale: 0, priority: 1 };

/** The priority of a service tier, as fields of a request. */
export function priorityOf(tier: CommonFields["service_tier"]): Pick<GenerateRequest, "priority"> {
  const priority = PRIORITIES[tier ?? "default"];
  return priority === 0 ? {} : { priority };
}

/** What the answers of a request have besides its common fields. */
export interface AnswersWanted {
  /** The prompts; each is answered `n` times. */
  prompts: GenerateRequest["prompt"][];
  /** Answers to each prompt. */
  n: number;
  /** Log-probabilities that the answer is to have. */
  logprobs: Pick<Sampling, "logprobs" | "top_logprobs">;
  /** Fields of the generator's request that only one endpoint has. */
  more?: Partial<GenerateRequest>;
}

/**
 * The choices of a request with these common fields: `n` for each prompt, choice `k` of a prompt
 * with seed `seed + k`. Throws group `api`, code `invalid_value`, for fields that exclude each other.
 */
export function choicesOf(
  common: CommonFields,
  { prompts, n, logprobs, more = {} }: AnswersWanted,
): ApiChoice[] {
  if (common.stream_options && !common.stream) {
    throw apiError(
      "invalid_value",
      "stream_options: only allowed when stream is true",
      "stream_options",
    );
  }
  const sampling: Partial<Sampling> = { ...logprobs, ...samplingOf(common) };
  if (common.logit_bias) {
    sampling.logit_bias = Object.entries(common.logit_bias).map(([id, bias]) => [Number(id), bias]);
  }
  const own = orrerySettings(common.orrery);
  if (own.points !== undefined && prompts.some(({ kind }) => kind !== "chat")) {
    throw apiError(
      "invalid_value",
      "orrery.points: an outline needs chat messages; use /v1/chat/completions",
      "orrery.points",
    );
  }
  if (own.constraint && more.constraint) {
    const field = `orrery.${own.constraint.kind}`;
    throw apiError(
      "invalid_value",
      `${field}: not together with response_format; give one of them`,
      field,
    );
  }
  const prediction = predictionOf(common.prediction);
  const seed = seedOf(common.seed);
  return prompts.flatMap((prompt, index) =>
    Array.from({ length: n }, (_, k): ApiChoice => ({
      prompt: index,
      request: {
        model: common.model ?? "default",
        prompt,
        sampling: { ...sampling, seed: seedOf(seed, k) },
        stop: [common.stop ?? []].flat(),
        ...(typeof common.max_tokens === "number" && { maxTokens: common.max_tokens }),
        ...(prediction !== undefined && { prediction }),
        ...priorityOf(common.service_tier),
        ...more,
        ...own,
      },
    }))
  );
}

/** The predicted text or token ids. */
function predictionOf(prediction: CommonFields["prediction"]): string | number[] | undefined {
  const content = prediction?.content;
  if (!Array.isArray(content)) return content;
  return content.every((part) => typeof part === "number")
    ? content
    : content.map(({ text }) => text).join("");
}
