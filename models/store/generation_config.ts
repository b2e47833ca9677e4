/**
 * generation_config.json: the sampling settings that a model's authors recommend.
 *
 * @module
 */
import { z } from "zod";
import { modelError } from "../errors.ts";

const tokenId = z.number().int().nonnegative();
const ids = z.union([tokenId, z.array(tokenId)]).nullish();

const generationConfigSchema = z.looseObject({
  bos_token_id: ids,
  eos_token_id: ids,
  do_sample: z.boolean().nullish(),
  temperature: z.number().nonnegative().nullish(),
  top_k: z.number().int().nonnegative().nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.number().int().positive().nullish(),
});

/**
 * Defaults for requests that leave a setting out; an undefined field has no default of the model.
 */
export interface GenerationDefaults {
  /** Ids of the tokens that end a generation; empty: not stated. */
  eosTokens: number[];
  /** Id of the token that begins a text. */
  bosToken?: number;
  /** Whether to sample; false: greedy, whatever the other fields say. */
  sample?: boolean;
  /** Divisor of the logits; 0: greedy. */
  temperature?: number;
  /** Sample among this many most likely tokens; 0: all. */
  topK?: number;
  /** Sample among the most likely tokens that together reach this probability, 0 to 1; 1: all. */
  topP?: number;
  /**
   * Drop tokens whose probability is below this share of the likeliest one's, 0 to 1; 0: drop none.
   */
  minP?: number;
  /** Penalty on tokens that occurred before, applied to their logits; 1: none. */
  repetitionPenalty?: number;
  /** Longest answer, in tokens. */
  maxNewTokens?: number;
}

/** A token id or a list of them, as a list. */
export const idList = (value: number | number[] | null | undefined): number[] =>
  value === null || value === undefined ? [] : [value].flat();

/**
 * Validates a generation_config.json; `file` is its path, for messages. Throws OrreryError
 * `model/generation_config_malformed`.
 */
export function parseGenerationConfig(json: unknown, file: string): GenerationDefaults {
  const parsed = generationConfigSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw modelError(
      "generation_config_malformed",
      `${file}: ${issue.path.join(".") || "its top"}: ${issue.message}`,
      { file },
    );
  }
  const config = parsed.data;
  return {
    eosTokens: idList(config.eos_token_id),
    bosToken: idList(config.bos_token_id)[0],
    sample: config.do_sample ?? undefined,
    temperature: config.temperature ?? undefined,
    topK: config.top_k ?? undefined,
    topP: config.top_p ?? undefined,
    minP: config.min_p ?? undefined,
    repetitionPenalty: config.repetition_penalty ?? undefined,
    maxNewTokens: config.max_new_tokens ?? undefined,
  };
}
