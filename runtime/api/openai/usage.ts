/**
 * What chat and completions say beside the answers themselves.
 *
 * @module
 */
import type { AnswerTotals } from "../dialect.ts";
import type { AnswerNames } from "../answer_names.ts";

/** The `usage` object of chat and completions. */
export function usageOf(
  { promptTokens, cachedTokens, completionTokens, reasoningTokens, predicted }: AnswerTotals,
) {
  const details = {
    ...(reasoningTokens > 0 && { reasoning_tokens: reasoningTokens }),
    ...(predicted && {
      accepted_prediction_tokens: predicted.accepted,
      rejected_prediction_tokens: predicted.drafted - predicted.accepted,
    }),
  };
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...(cachedTokens !== undefined && {
      prompt_tokens_details: { cached_tokens: cachedTokens },
    }),
    ...(Object.keys(details).length > 0 && { completion_tokens_details: details }),
  };
}

/** The fields that a whole answer and every chunk of a stream begin with. */
export interface AnswerHead {
  id: string;
  /** What the JSON value is, such as `chat.completion`. */
  object: string;
  /** Unix seconds. */
  created: number;
  model: string;
  system_fingerprint: null;
  service_tier?: string;
}

/** A head for one answer; `tier` is the service tier that the client asked for. */
export function answerHead(
  { prefix, names, object, model, tier }: {
    prefix: string;
    names: AnswerNames;
    object: string;
    model: string;
    tier?: string | null;
  },
): AnswerHead {
  return {
    id: names.id(prefix),
    object,
    created: names.createdS,
    model,
    system_fingerprint: null,
    ...(tier && { service_tier: tier === "auto" ? "default" : tier }),
  };
}
