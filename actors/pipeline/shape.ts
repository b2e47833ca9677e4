/**
 * How requests run through a pipeline: what the plan says of pieces, drafts, branches and wire
 * format.
 *
 * @module
 */
import { z } from "zod";
import { requestPolicySchema } from "../outline/mod.ts";
import { wireSchema } from "./tensor.ts";

/** How requests run on a deployment, as planned; each request may ask for something else. */
export const shapeSchema = z.object({
  /**
   * Rows of the prompt pieces by prompt length, ascending: the first bucket that is not shorter
   * holds.
   */
  pieces: z.array(z.object({
    prompt_tokens: z.number().int().positive(),
    rows: z.array(z.number().int().positive()).min(1),
  })).default([]),
  /** Longest draft that may pay; 0: no draft model pays; undefined: not planned. */
  draft_length: z.number().int().nonnegative().optional(),
  /** Outline branches at once. */
  max_branches: z.number().int().positive().default(8),
  /** Rows of several lanes in one frame. */
  rows_per_frame: z.number().int().positive().default(8),
  wire: wireSchema.default("f32"),
  /** KV rows that every stage has memory for; undefined: not planned. */
  kv_rows: z.number().int().positive().optional(),
  /** What the graph file says of requests that do not say; undefined: nothing. */
  policy: requestPolicySchema.optional(),
});

/** See {@linkcode shapeSchema}. */
export type Shape = z.infer<typeof shapeSchema>;
