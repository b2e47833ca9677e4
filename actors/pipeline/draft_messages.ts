/**
 * What a Generation and a drafter say to each other.
 *
 * @module
 */
import { z } from "zod";
import { samplingSchema } from "./frame.ts";

const i32 = z.instanceof(Int32Array);

/** Generation -> drafter: what comes after these tokens? */
export const draftSchema = z.object({
  /** Names the chain of rows that the drafter keeps; one a lane. */
  chain: z.string(),
  /** Comes back with the answer. */
  id: z.number().int().nonnegative(),
  /**
   * Tokens that the drafter knows already and that still hold; the rest of its chain is forgotten.
   */
  base: z.number().int().nonnegative(),
  /** Tokens after those. At least one in all. */
  tokens: i32,
  /** Tokens to draft. */
  length: z.number().int().positive().max(64),
  /** Alternatives wanted at each depth, the chosen token included. */
  width: z.number().int().positive().max(8).default(1),
  /** As the target samples: with the same seed and positions a draft is accepted more often. */
  sampling: samplingSchema,
  /** End of the prompt, for penalties. */
  prompt_rows: z.number().int().nonnegative(),
  /** Gets `drafted`, or `undrafted` with an error. */
  reply_to: z.string(),
});

/** Drafter -> Generation, message `drafted`. */
export const draftedSchema = z.object({
  chain: z.string(),
  id: z.number().int().nonnegative(),
  /**
   * The drafted chain. (length, or fewer at the end of the draft model's context or after an end
   * token)
   */
  tokens: i32,
  /** Draft model's probability of each. (length) */
  chances: z.instanceof(Float32Array),
  /** Best tokens at each depth as [token, probability], best first. (length, width) */
  alternatives: z.array(z.array(z.tuple([z.number().int(), z.number()]))),
  compute_ms: z.number().nonnegative(),
});

/** See {@linkcode draftSchema}. */
export type DraftRequest = z.infer<typeof draftSchema>;
/** See {@linkcode draftedSchema}. */
export type Drafted = z.infer<typeof draftedSchema>;
