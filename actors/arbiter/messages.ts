/**
 * What a Generation and its arbiter say to each other.
 *
 * The Generation decides *which* rows it wants; the arbiter decides *when* they run, in which
 * slots, in which frame, beside whose rows. Rows are numbered by the Generation: 0 .. prompt-1 are
 * its prompt, later numbers as it hands them out. The arbiter maps them to slots; a compaction is
 * invisible to the Generation.
 *
 * @module
 */
import { z } from "zod";
import { samplingSchema, tokenResultSchema } from "../pipeline/mod.ts";

const i32 = z.instanceof(Int32Array);

/** Generation -> arbiter: a request begins. The token after the prompt's last row is wanted. */
export const openSchema = z.object({
  /** Address of the Generation: gets {@linkcode resultsSchema} as `tokens`, and `failed`. */
  generation: z.string(),
  prompt: i32.refine((p) => p.length > 0, "the prompt has no tokens"),
  sampling: samplingSchema,
  /**
   * Rows of the prompt's pieces in order, the last repeated as needed; undefined: as the
   * deployment's plan says.
   */
  pieces: z.array(z.number().int().positive()).min(1).optional(),
  /** Rows that the request will need at most, prompt included: what admission counts. */
  max_rows: z.number().int().positive(),
  /** May rows of earlier prompts be reused, and this one's be kept? @default true */
  reuse: z.boolean().default(true),
});

/** Generation -> arbiter: run these rows. Sent in order; a parent comes before its child. */
export const rowsSchema = z.object({
  generation: z.string(),
  /** Number of the first row; the others follow. */
  first: z.number().int().positive(),
  tokens: i32,
  /** RoPE positions; a child's is its parent's + 1. */
  positions: i32,
  /** Row number of each row's parent. */
  parents: i32,
  /** Indices into these rows whose next token is wanted. */
  want: i32,
  /**
   * `prefill`: a branch's prompt, may be cut into pieces. `decode`: the next row of a lane.
   * `draft`: of use only if what was guessed comes true.
   */
  kind: z.enum(["prefill", "decode", "draft"]),
  /** For drafts: chance that each row is of use, 0 .. 1. (rows) Left out: 1. */
  chance: z.instanceof(Float32Array).optional(),
  /**
   * More rows follow in the next message at once: the frame waits for them, so that a row and its
   * drafts go together.
   */
  more: z.boolean().optional(),
  /**
   * Numbers of earlier drafts that have come true and have no result yet: rows of a lane from now
   * on, sent or not.
   */
  certain: i32.optional(),
});

/** Generation -> arbiter: these rows and all their descendants are of no use any more. */
export const dropSchema = z.object({ generation: z.string(), rows: i32 });

/** Generation -> arbiter, as an ask: the request is over. Answered with {@linkcode usageSchema}. */
export const closeSchema = z.object({ generation: z.string() });

/** Arbiter -> Generation, message `tokens`: what the last stage chose after some of its rows. */
export const resultsSchema = z.object({
  results: z.array(
    tokenResultSchema.omit({ slot: true }).extend({ row: z.number().int().nonnegative() }),
  ),
  /** Prompt rows that did not have to be computed. Only with the first results. */
  reused_rows: z.number().int().nonnegative().optional(),
  /** Frames of the arena that are under way now. */
  in_flight: z.number().int().nonnegative(),
  /** Milliseconds from handing the frame to the first stage to its answer. */
  frame_ms: z.number().nonnegative(),
});

/** What a request has cost: answer to `close`. */
export const usageSchema = z.object({
  /** Frames that carried rows of this request. */
  frames: z.number().int().nonnegative(),
  /** Its rows that were handed to the pipeline. */
  rows: z.number().int().nonnegative(),
  /** Those of them that were dropped later. */
  wasted_rows: z.number().int().nonnegative(),
  /** Prompt pieces. */
  pieces: z.number().int().nonnegative(),
  reused_rows: z.number().int().nonnegative(),
  /**
   * Share of stage time between its first frame's sending and its last answer in which a stage
   * computed nothing for anybody, 0 .. 1: filling, draining and links count, and so does the time
   * that the Generation took.
   */
  bubble_share: z.number().min(0).max(1),
  /** Rows of a frame in the mean, those of other requests included. */
  rows_per_frame: z.number().nonnegative(),
  /**
   * Bytes of hidden states of one of its rows over the last link, scales included; 0 where there is
   * one stage.
   */
  bytes_per_row_per_hop: z.number().nonnegative(),
});

/** See {@linkcode openSchema}. */
export type OpenMessage = z.infer<typeof openSchema>;
/** See {@linkcode rowsSchema}. */
export type RowsMessage = z.infer<typeof rowsSchema>;
/** See {@linkcode resultsSchema}. */
export type ResultsMessage = z.infer<typeof resultsSchema>;
/** See {@linkcode usageSchema}. */
export type RequestUsage = z.infer<typeof usageSchema>;
