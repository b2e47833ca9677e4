/**
 * Fields of requests that OpenAI's endpoints for text have in common.
 *
 * @module
 */
import { z } from "zod";
import { samplingSchema } from "../../../actors/mod.ts";
import { unsupported } from "../parse_body.ts";
import { orreryFields } from "./orrery_fields.ts";

/** Largest `n`: answers that one request may ask for, per prompt. */
export const MOST_ANSWERS = 8;

/** Largest number of entries of `logit_bias`: the engine's sampling takes no more. */
const MOST_BIASES = 1024;

/** Bounds of the sampling fields, as the engine takes them. */
const range = samplingSchema.shape;

/** Sampling fields under their names in OpenAI's API. */
export const samplingFields = {
  temperature: z.number().min(0).max(2).nullish().describe("0: the most likely token, always"),
  top_p: range.top_p.unwrap().nullish()
    .describe("the most likely tokens that together have this probability"),
  top_k: range.top_k.unwrap().nullish().describe("the most likely tokens, this many; 0: all"),
  min_p: range.min_p.unwrap().nullish()
    .describe("tokens at least this likely, beside the most likely one"),
  repetition_penalty: range.repetition_penalty.unwrap().nullish()
    .describe("above 1: tokens of prompt and answer are less likely to come again"),
  presence_penalty: range.presence_penalty.unwrap().nullish()
    .describe("subtracted from the logits of tokens that the answer has"),
  frequency_penalty: range.frequency_penalty.unwrap().nullish()
    .describe("the same for each time that the answer has them"),
};

/** `service_tier`: who goes first among requests that wait for their turn. */
export const serviceTier = z.enum(["auto", "default", "flex", "priority", "scale"]).nullish()
  .describe("which requests go first where some wait: `priority`, then `default`, then `flex`");

/** `metadata`, as OpenAI bounds it. */
export const metadataField = z.record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, "takes at most 16 pairs").nullish();

/** Fields of chat and completions. Unknown fields are ignored; `null` means left out. */
export const commonFields = {
  model: z.string().nullish().describe("`default`, or what `GET /v1/models` lists"),
  stream: z.boolean().nullish().describe("send the answer as server-sent events"),
  stream_options: z.object({
    include_usage: z.boolean().nullish().describe("end the stream with a chunk that has the usage"),
    include_obfuscation: z.boolean().nullish().describe("taken, without effect: nothing is padded"),
  }).nullish().describe("only with `stream`"),
  n: z.int().min(1).max(MOST_ANSWERS).nullish()
    .describe("answers to each prompt; answer `i` uses `seed + i`"),
  max_tokens: z.int().min(1).nullish()
    .describe("tokens of the answer at most; cut to what the context has room for"),
  ...samplingFields,
  seed: z.int().nullish().describe("equal seeds give equal answers; left out: drawn at random"),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish()
    .describe("texts that end the answer and are not part of it"),
  prediction: z.object({
    type: z.literal("content"),
    content: z.union([
      z.string(),
      z.array(z.object({ type: z.literal("text"), text: z.string() })),
      // Token ids, which a prompt may be too.
      z.array(z.int().nonnegative()).min(1),
    ]),
  }).nullish()
    .describe(
      "what the answer is expected to contain: it is drafted, and never changes the answer",
    ),
  logit_bias: z.record(
    z.string().regex(/^\d{1,9}$/, "keys must be token ids"),
    z.number().min(-100).max(100),
  )
    .refine(
      (biases) => Object.keys(biases).length <= MOST_BIASES,
      `takes at most ${MOST_BIASES} tokens`,
    )
    .nullish().describe("added to the logits of token ids"),
  service_tier: serviceTier,
  user: z.string().nullish().describe("taken, without effect"),
  metadata: metadataField.describe("taken, without effect"),
  store: z.literal(false, unsupported).nullish().describe("answers are not stored"),
  orrery: orreryFields.describe("settings that only Orrery has"),
};

const commonSchema = z.object(commonFields);

/** The parsed {@linkcode commonFields}. */
export type CommonFields = z.infer<typeof commonSchema>;
