/**
 * Fields that Ollama's endpoints have in common.
 *
 * @module
 */
import { z } from "zod";
import type { GenerateRequest } from "../generator.ts";
import { constraintOf } from "../constraint.ts";
import { unsupported } from "../parse_body.ts";
import { samplingOf, seedOf } from "../sampling.ts";

/** The message for fields with another value than the one that has no effect. */
const off = (value: number) => z.literal(value, unsupported).nullish();

/** `options`: how to sample, by Ollama's names. */
const options = z.object({
  temperature: z.number().min(0).max(2).nullish(),
  top_k: z.int().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repeat_penalty: z.number().gt(0).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().nullish(),
  num_predict: z.int().min(-2).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  mirostat: off(0),
  typical_p: off(1),
}).nullish();

/** Fields of `/api/chat` and `/api/generate`. */
export const answerFields = {
  stream: z.boolean().nullish().describe("false: answer whole; else lines of JSON"),
  format: z.union([z.enum(["json", ""]), z.record(z.string(), z.unknown())]).nullish()
    .describe("`json`, or a JSON schema that the answer fits"),
  options: options.describe(
    "`temperature`, `top_k`, `top_p`, `min_p`, `repeat_penalty`, `presence_penalty`, " +
      "`frequency_penalty`, `seed`, `num_predict`, `stop`; others have no effect",
  ),
  think: z.union([z.boolean(), z.enum(["low", "medium", "high"])]).nullish()
    .describe("reasoning on or off (`enable_thinking`), or how much"),
  keep_alive: z.union([z.string(), z.number()]).nullish()
    .describe("taken, without effect: the model stays as long as the node serves it"),
  logprobs: z.boolean().nullish().describe("log-probability of each token"),
  top_logprobs: z.int().min(0).max(20).nullish()
    .describe("and of the most likely ones in its place; only with `logprobs`"),
};

const answerSchema = z.object(answerFields);

/** The model's name; Ollama's clients may add the tag `latest`, which no model here has. */
export const modelField = z.string().nullish().transform((name) => name?.replace(/:latest$/, ""))
  .describe("what `GET /api/tags` lists, or `default`");

/** Variables of the chat template that `think` sets. */
export function thinkVariables(
  { think }: z.infer<typeof answerSchema>,
): { templateVariables?: Record<string, unknown> } {
  if (think === null || think === undefined) return {};
  const templateVariables = {
    enable_thinking: think !== false,
    ...(typeof think === "string" && { reasoning_effort: think }),
  };
  return { templateVariables };
}

/** What these fields say to the generator. */
export function answerSettings(
  { format, options, logprobs, top_logprobs }: z.infer<typeof answerSchema>,
): Pick<
  GenerateRequest,
  "sampling" | "stop" | "maxTokens" | "constraint" | "constraintField"
> {
  const { repeat_penalty, num_predict, stop, seed, ...same } = options ?? {};
  const most = num_predict ?? -1; // below 0: no limit
  return {
    sampling: {
      logprobs: logprobs ?? false,
      top_logprobs: top_logprobs ?? 0,
      ...samplingOf({
        temperature: same.temperature,
        top_k: same.top_k,
        top_p: same.top_p,
        min_p: same.min_p,
        presence_penalty: same.presence_penalty,
        frequency_penalty: same.frequency_penalty,
        repetition_penalty: repeat_penalty,
      }),
      seed: seedOf(seed),
    },
    stop: [stop ?? []].flat(),
    ...(most > 0 && { maxTokens: most }),
    ...(format && constraintOf(
      format === "json" ? { type: "json_object" } : { type: "json_schema", schema: format },
      "format",
    )),
  };
}
