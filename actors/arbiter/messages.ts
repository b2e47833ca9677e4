/**
 * Messages between a Generation and its arbiter.
 *
 * The Generation decides *which* rows it wants. The arbiter decides *when* they run, in which
 * slots, in which frame, and beside whose rows. The Generation numbers its rows: 0 .. prompt-1 are
 * its prompt, and each later row gets the next number. The arbiter maps numbers to slots, so the
 * Generation does not notice when rows move to other slots.
 *
 * @module
 */
import { z } from "zod";
import { maskSchema, MOST_MASKS, samplingSchema, tokenResultSchema } from "../pipeline/mod.ts";

const i32 = z.instanceof(Int32Array);

/**
 * Generation -> arbiter, message `open`: a request begins. The token after the prompt's last row is
 * wanted.
 */
export const openSchema = z.object({
  /** Address of the Generation: it is sent {@linkcode resultsSchema} as `tokens`, and `failed`. */
  generation: z.string(),
  /** Which run of the request this is: its results say so. @default none is told */
  run: z.number().int().positive().optional(),
  /** Token ids, at least one. (rows) */
  prompt: i32.refine((p) => p.length > 0, "the prompt has no tokens"),
  /**
   * How many of these are the request's prompt: those after them were generated in an earlier run of
   * the request, and penalties count them. @default all
   */
  prompt_rows: z.number().int().positive().optional(),
  sampling: samplingSchema,
  /**
   * Rows of the prompt's pieces in order, the last repeated; undefined: as the deployment's plan
   * says.
   */
  pieces: z.array(z.number().int().positive()).min(1).optional(),
  /** Most rows that the request may need, prompt included. It is admitted when they fit. */
  max_rows: z.number().int().positive(),
  /** Its rows may hang on any of its earlier ones, as those of an outline's branches do. @default false */
  branches: z.boolean().optional(),
  /** Rows of earlier requests may stand for the prompt's, and its rows be kept. @default true */
  reuse: z.boolean().default(true),
  /**
   * The stages must know masks, or refuse the request: see `strict_samplers` of a frame.
   * @default false
   */
  strict: z.boolean().optional(),
  /**
   * No token is wanted but hidden states after the final norm: of every row of the prompt, or of its
   * last one. Rows of earlier requests stand for the prompt's only where the last one is wanted.
   */
  hidden: z.enum(["all", "last"]).optional(),
  /**
   * The log-probability of every token of the prompt but the first is wanted too, as the result of
   * the row before it. No row of an earlier request then stands for one of the prompt's.
   */
  scored: z.boolean().optional(),
  /** The prompt's last row is not run before `prompt_mask` has come. @default false */
  held: z.boolean().optional(),
  /** Mask of the prompt's last row, which later rows may name too; undefined: it has none. */
  first_mask: maskSchema.optional(),
});

/**
 * Generation -> arbiter, message `rows`: run these rows. Rows are sent in order of their numbers; a
 * parent comes before its children.
 */
export const rowsSchema = z.object({
  /** Address of the Generation. */
  generation: z.string(),
  /** Number of the first row; the next rows have the next numbers. */
  first: z.number().int().positive(),
  /** Token ids. (rows) */
  tokens: i32,
  /** RoPE positions; a child's is its parent's + 1. (rows) */
  positions: i32,
  /** Number of each row's parent. (rows) */
  parents: i32,
  /** Indices into these rows whose next token is wanted. (wanted rows) */
  want: i32,
  /**
   * `prefill`: a branch's prompt, which may be cut into pieces. `decode`: the next row of a lane.
   * `draft`: guesses, which are of use only if they come true.
   */
  kind: z.enum(["prefill", "decode", "draft"]),
  /** For drafts: chance that each row comes true, 0 to 1. (rows) @default all 1 */
  chance: z.instanceof(Float32Array).optional(),
  /**
   * For drafts: most rows of a frame of their lane, its own row included, while no other lane runs.
   * The others follow in frames of their own. @default no limit of its own
   */
  frame_rows: z.number().int().positive().optional(),
  /**
   * More rows follow at once in the next message: no frame is sent before, so that a row and its
   * drafts travel together.
   */
  more: z.boolean().optional(),
  /**
   * Numbers of earlier drafts that have come true and whose own results have not come yet. They are
   * decode rows from now on, whether they have been sent to the stages or not.
   */
  certain: i32.optional(),
  /** Masks that rows of this and later messages may name; their numbers are the request's own. */
  masks: z.array(maskSchema).max(MOST_MASKS).optional(),
  /** Numbers of masks that no later message names; rows of this one may. */
  drop_masks: z.array(z.number().int().nonnegative()).optional(),
  /** Number of the mask of each wanted row, -1: none; undefined: no row has one. (wanted rows) */
  want_masks: i32.optional(),
  /** Those of `want_masks` that were not announced: each comes in a message `mask` of its own. */
  late_masks: z.array(z.number().int().nonnegative()).max(MOST_MASKS).optional(),
  /** Ends the hold of the prompt's last row: the number of its mask, -1: it has none. */
  prompt_mask: z.number().int().min(-1).optional(),
});

/** Generation -> arbiter, message `mask`: what a late mask of `rowsSchema` is. */
export const maskMessageSchema = z.object({
  /** Address of the Generation. */
  generation: z.string(),
  /** Number of the late mask, by which one message `rows` names it, earlier or later than this one. */
  late: z.number().int().nonnegative(),
  /** Number of a mask that later messages may name as if it had been announced; -1: all tokens may follow. */
  mask: z.number().int().min(-1),
  /** That mask. */
  bits: maskSchema.shape.bits,
});

/** Generation -> arbiter, message `drop`: some rows and their descendants are no longer needed. */
export const dropSchema = z.object({
  /** Address of the Generation. */
  generation: z.string(),
  /** Numbers of the rows. */
  rows: i32,
});

/**
 * Generation -> arbiter, message `close`: the request is over. As an ask it is answered with
 * {@linkcode usageSchema}.
 */
export const closeSchema = z.object({
  /** Address of the Generation. */
  generation: z.string(),
});

/** Arbiter -> Generation, message `tokens`: what the last stage chose after some of its rows. */
export const resultsSchema = z.object({
  /** One for each wanted row of a frame; `row`: its number. */
  results: z.array(
    tokenResultSchema.omit({ slot: true }).extend({ row: z.number().int().nonnegative() }),
  ),
  /** `run` of the request's `open`. */
  run: z.number().int().positive().optional(),
  /**
   * Rows of the prompt that were found in the cache and not computed. Only with the request's first
   * results.
   */
  reused_rows: z.number().int().nonnegative().optional(),
  /** Frames of the arena that are under way now, those of other requests included. */
  in_flight: z.number().int().nonnegative(),
  /** Lanes of all requests that run: those that decode, and one of each that has not begun to. */
  lanes: z.number().int().nonnegative(),
  /** Milliseconds from when the frame was handed to the first stage to its answer. */
  frame_ms: z.number().nonnegative(),
  /** Milliseconds of these in which the frame waited in the stages' mailboxes. */
  wait_ms: z.number().nonnegative(),
  /** Milliseconds that the slowest stage computed the frame. */
  slowest_ms: z.number().nonnegative(),
});

/** What a request has cost: the answer to `close`. */
export const usageSchema = z.object({
  /** Frames that carried rows of this request. */
  frames: z.number().int().nonnegative(),
  /** Rows of this request that were sent to the stages. */
  rows: z.number().int().nonnegative(),
  /** Rows that were sent and dropped later. */
  wasted_rows: z.number().int().nonnegative(),
  /** Frames that carried a piece of the prompt. */
  pieces: z.number().int().nonnegative(),
  /** Rows of the prompt that were found in the cache and not computed. */
  reused_rows: z.number().int().nonnegative(),
  /**
   * Share of the stages' time, from when the request's first frame was sent to its last answer, in
   * which a stage computed nothing for any request, 0 to 1. Filling and draining the pipeline,
   * links, and the time that the Generation took count.
   */
  bubble_share: z.number().min(0).max(1),
  /** Mean rows of the frames that carried rows of this request, other requests' rows included. */
  rows_per_frame: z.number().nonnegative(),
  /**
   * Bytes of hidden states of one row over the last link, scales included; 0 where there is one
   * stage.
   */
  bytes_per_row_per_hop: z.number().nonnegative(),
});

/** See {@linkcode openSchema}. */
export type OpenMessage = z.infer<typeof openSchema>;
/** See {@linkcode rowsSchema}. */
export type RowsMessage = z.infer<typeof rowsSchema>;
/** See {@linkcode maskMessageSchema}. */
export type MaskMessage = z.infer<typeof maskMessageSchema>;
/** See {@linkcode resultsSchema}. */
export type ResultsMessage = z.infer<typeof resultsSchema>;
/** See {@linkcode usageSchema}. */
export type RequestUsage = z.infer<typeof usageSchema>;
