/**
 * The messages between a Generation and a drafter.
 *
 * @module
 */
import { z } from "zod";
import { samplingSchema } from "./frame.ts";

const i32 = z.instanceof(Int32Array);

/** Message `draft`, Generation -> drafter: asks for tokens that may follow a chain. */
export const draftSchema = z.object({
  /** Name of the chain of rows that the drafter keeps; each lane has its own. */
  chain: z.string(),
  /** Number of the request; the answer repeats it. */
  id: z.number().int().nonnegative(),
  /**
   * How many tokens of the drafter's chain still hold, from its first on; the drafter forgets the
   * others.
   */
  base: z.number().int().nonnegative(),
  /** Token ids that follow those. `base` and these together are at least one. i32 (tokens) */
  tokens: i32,
  /** How many tokens to draft. */
  length: z.number().int().positive().max(64),
  /** How many of the best tokens are wanted at each depth, the chosen token included. */
  width: z.number().int().positive().max(8).default(1),
  /** The target's sampling: with the same seed and positions a draft is accepted more often. */
  sampling: samplingSchema,
  /** Position of the first generated token; penalties need it. */
  prompt_rows: z.number().int().nonnegative(),
  /** Address that gets the answer: `drafted`, or `undrafted` with an error. */
  reply_to: z.string(),
});

/** Message `drafted`, drafter -> Generation: the draft. A stale request gets an empty one. */
export const draftedSchema = z.object({
  /** As in the request. */
  chain: z.string(),
  /** As in the request. */
  id: z.number().int().nonnegative(),
  /**
   * The drafted token ids: as many as asked for, or fewer at the end of the draft model's context
   * or after an end token. i32 (drafted)
   */
  tokens: i32,
  /** The draft model's probability of each. f32 (drafted) */
  chances: z.instanceof(Float32Array),
  /** The best tokens at each depth as [token, probability], best first. (drafted, width) */
  alternatives: z.array(z.array(z.tuple([z.number().int(), z.number()]))),
  /** Milliseconds that the engine computed for this draft. */
  compute_ms: z.number().nonnegative(),
});

/** See {@linkcode draftSchema}. */
export type DraftRequest = z.infer<typeof draftSchema>;
/** See {@linkcode draftedSchema}. */
export type Drafted = z.infer<typeof draftedSchema>;
