/**
 * What a simulation is told and what it answers.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";
import type { FrameCosts } from "./costs.ts";
import type { TraceSpan } from "./trace.ts";

const seconds = z.number().min(0).finite();
const count = z.number().int().positive();

/** How the coordinator cuts work into frames: what a Plan decides. */
export const policySchema = z.object({
  /**
   * Rows of the prompt's pieces in order, the last repeated as needed, the very last cut at the
   * prompt's end.
   */
  pieces: z.array(count).min(1),
  /** Frames in flight at most. @default stages + 1 */
  window: count.optional(),
  /** Rows of a decode frame at most; a single lane's rows always fit. */
  rows_per_frame: count.default(1),
  /** Outline branches of one request that decode at once. */
  in_flight: count.default(1),
  /** Branches at each depth of a draft; empty: no speculation. All 1: a chain. */
  tree: z.array(count).default([]),
  /**
   * Does drafting take the time of the pipeline's drafter? Else drafts cost nothing (prompt
   * lookup).
   */
  model_drafter: z.boolean().default(false),
  /** Do branches speculate too, or the outline and plain answers alone? */
  draft_branches: z.boolean().default(true),
  /**
   * Continuous speculation: while a lane's frame is in flight the drafter goes on from it, and
   * frames of guesses fill slots that nothing else wants. 0: the drafter waits; n: at most n frames
   * ahead of the one that will come back next.
   */
  ahead: z.number().int().min(0).default(0),
});

/** See {@linkcode policySchema}. */
export type FramePolicy = z.input<typeof policySchema>;

/** What is asked of the pipeline. */
export const simulationOptionsSchema = z.object({
  /** Prompt tokens of each request. */
  prompt: count,
  /** Answer tokens of each request, all branches together. */
  tokens: count,
  /** Outline branches; 1: a plain answer. */
  branches: count.default(1),
  /** What an outline costs before its branches can begin. */
  outline: z.object({
    /** Tokens of the outline. @default 6 a branch: 3 to 5 words and a number */
    tokens: count.optional(),
    /**
     * Do the outline's tokens count as answer tokens (it is shown as headings)? Else they come on
     * top.
     */
    counted: z.boolean().default(false),
    /**
     * Does a branch begin as soon as its own point is there, or only when the outline is complete?
     */
    early: z.boolean().default(false),
    /** Rows of a branch's own prompt behind the shared prefix. */
    point_rows: count.default(12),
  }).prefault({}),
  /** Chance that a drafted token is accepted. */
  acceptance: z.number().min(0).max(1).default(0),
  /**
   * Of the misses of a draft tree's best guess, the share that its second guess meets, at
   * acceptance 1.
   */
  second_share: z.number().min(0).max(1).default(0),
  /** When requests arrive. */
  requests: z.array(z.object({ at: seconds })).min(1).default([{ at: 0 }]),
  /**
   * Of the chance of acceptance. Left out: no chance, accepted tokens come as often as expected.
   */
  seed: z.number().int().optional(),
  /**
   * What a row's `past` is: `arena`: every live row of all requests (one arena, a mask hides the
   * others); `chain`: the rows of its own chain.
   */
  past: z.enum(["arena", "chain"]).default("arena"),
});

/** See {@linkcode simulationOptionsSchema}. */
export type SimulationOptions = z.input<typeof simulationOptionsSchema>;

/** What happens to the pipeline on the way. */
export type PipelineEvent =
  | {
    kind: "link";
    at_s: number;
    /** Host names; undefined: any. */
    from?: string;
    to?: string;
    /** What is left out stays. A transfer that has begun keeps its speed. */
    latency_s?: number;
    bytes_per_s?: number;
  }
  | {
    kind: "death";
    at_s: number;
    host: string;
    /** Until the others know it. */
    detection_s: number;
    /** After that, until the replacement has the layers in memory. */
    load_s: number;
    /** The pipeline that goes on. */
    costs: FrameCosts;
    /** Stages of that pipeline that have no KV yet: the live rows are replayed there. */
    replaced: number[];
  };

/** What one request saw. */
export interface RequestResult {
  /** When it arrived. */
  at_s: number;
  /** From arrival to the first token. */
  ttft_s: number;
  /** From the first token to the last, for each answer token after the first. */
  tpot_s: number;
  /** Answer tokens over the time from arrival to the end. */
  tokens_per_s: number;
  /** Moment of the last token. */
  finish_s: number;
  /** Answer tokens. */
  tokens: number;
}

/**
 * What a simulation found. All shares are 0 .. 1, over the time from the first arrival to the last
 * token.
 */
export interface SimulationResult {
  /** In the order in which they were given. */
  requests: RequestResult[];
  /** Moment of the last token. */
  end_s: number;
  /** Busy share of each stage. */
  stages: { lane: string; utilisation: number }[];
  /** Busy share of each link that was used. */
  links: { lane: string; utilisation: number }[];
  /** Busy share of the drafter; 0 without one. */
  drafter: number;
  /** Share of the stages' time in which they computed nothing. */
  bubble_share: number;
  /**
   * Rows computed at stages for nothing (rejected, stale or lost), of all rows computed at stages.
   */
  wasted_row_share: number;
  /** Mean rows of frames that decode; 0 without any. */
  rows_per_frame: number;
  /** Frames that went out. */
  frames: number;
  /** Frames that were found stale before the last stage computed them. */
  cancelled_frames: number;
  /** Seconds in which nothing ran because a node had died. */
  paused_s: number;
  /** Who did what when. */
  trace: TraceSpan[];
}

/** Checks what comes from outside. Throws group `planner`, code `bad_simulation`. */
export function parsed<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new OrreryError({
    group: "planner",
    code: "bad_simulation",
    message: `simulation, ${what}${
      issue.path.length ? ` ${issue.path.join(".")}` : ""
    }: ${issue.message}`,
    metadata: { path: issue.path.map(String) },
  });
}
