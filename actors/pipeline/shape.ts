/**
 * How requests run through a pipeline: what the plan says about prompt pieces, drafts, branches and
 * the wire format.
 *
 * @module
 */
import { z } from "zod";
import { requestPolicySchema } from "../outline/mod.ts";
import { wireSchema } from "./tensor.ts";

/** What the plan predicts of a route: of the pipeline, or of a stage with the whole model. */
export const routeFiguresSchema = z.object({
  /** Milliseconds to the first token, by prompt length in tokens, ascending. */
  first_token: z.array(z.object({
    prompt_tokens: z.number().int().positive(),
    ms: z.number().nonnegative(),
  })).min(1),
  /** Milliseconds in which each of so many lanes gets a token, by lanes, ascending from 1. */
  round: z.array(z.object({
    lanes: z.number().int().positive(),
    ms: z.number().nonnegative(),
  })).min(1),
});

/** See {@linkcode routeFiguresSchema}. */
export type RouteFigures = z.infer<typeof routeFiguresSchema>;

/** How requests run on a deployment, as planned. A request may ask for something else. */
export const shapeSchema = z.object({
  /**
   * Rows of the prompt pieces by prompt length in tokens, ascending. A prompt uses the first bucket
   * that is not shorter than it.
   */
  pieces: z.array(z.object({
    prompt_tokens: z.number().int().positive(),
    rows: z.array(z.number().int().positive()).min(1),
  })).default([]),
  /**
   * Tokens of the longest draft that is worth its time; 0: drafting does not pay; undefined: not
   * planned.
   */
  draft_length: z.number().int().nonnegative().optional(),
  /** Most outline branches of a request that run at once. */
  max_branches: z.number().int().positive().default(32),
  /**
   * Most rows of one frame that carries rows of several lanes. The arbiter chooses the number by
   * measured times; this is only its limit.
   */
  rows_per_frame: z.number().int().positive().default(64),
  /** Wire format of the hidden states between stages. */
  wire: wireSchema.default("f32"),
  /** KV cache rows that every stage has memory for; undefined: not planned. */
  kv_rows: z.number().int().positive().optional(),
  /** The same of windowed layers; undefined: not planned, or there are none. */
  window_rows: z.number().int().positive().optional(),
  /** What the plan predicts of both routes; undefined: not planned, or there is one route only. */
  routes: z.object({ one: routeFiguresSchema, pipeline: routeFiguresSchema }).optional(),
  /**
   * Requests that run at once and that wait at each node, as the graph file says; undefined: as
   * each node says. `latency_ms`: an arbiter lets a request begin while a token of every lane is
   * likely to take at most so many milliseconds; undefined: however long it takes.
   */
  admission: z.object({
    active: z.number().int().positive().optional(),
    queued: z.number().int().nonnegative().optional(),
    latency_ms: z.number().positive().optional(),
  }).optional(),
  /** Whether requests are journalled; undefined: they are. */
  journal: z.boolean().optional(),
  /** What the graph file sets for requests that do not set it themselves; undefined: nothing. */
  policy: requestPolicySchema.optional(),
});

/** See {@linkcode shapeSchema}. */
export type Shape = z.infer<typeof shapeSchema>;
