/**
 * The input of a simulation, and its result. Names that end in `_s` are seconds of virtual time.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";
import type { FrameCosts } from "./costs.ts";
import type { TraceSpan } from "./trace.ts";

const seconds = z.number().min(0).finite();
const count = z.number().int().positive();

/** Tokens of an outline for each of its points, where the options do not say. */
export const POINT_TOKENS = 6;

/** How the coordinator makes frames: the decisions of a plan. */
export const policySchema = z.object({
  /**
   * Rows of each piece of the prompt, in order. The last entry is repeated as needed, and the
   * prompt's last piece ends with the prompt.
   */
  pieces: z.array(count).min(1),
  /**
   * Most frames on their way at once; on several stages as many with rows of prompts and as many
   * without. @default stages + 1; of a plan: what the arbiter would have
   */
  window: count.optional(),
  /** Most rows of a decode frame with several lanes; the rows of a single lane always fit. */
  rows_per_frame: count.default(1),
  /** Most outline branches of one request that decode at once. */
  in_flight: count.default(1),
  /** Alternatives at each depth of a draft; empty: no drafts; all 1: a chain. */
  tree: z.array(count).default([]),
  /**
   * True: drafts take the time of the pipeline's drafter. False: they take none (prompt lookup).
   */
  model_drafter: z.boolean().default(false),
  /** True: outline branches speculate too. False: only outlines and plain answers do. */
  draft_branches: z.boolean().default(true),
  /**
   * Continuous speculation: while a lane's frame is on its way, the drafter continues it, and
   * guessed frames use places that nothing else needs. It is the most frames of a lane that are on
   * their way ahead of the one that comes back next; 0: the drafter waits.
   */
  ahead: z.number().int().min(0).default(0),
});

/** See {@linkcode policySchema}. */
export type FramePolicy = z.input<typeof policySchema>;
/** A checked {@linkcode FramePolicy}. */
export type CoordinatorPolicy = z.output<typeof policySchema>;

/** The requests of a simulation. */
export const simulationOptionsSchema = z.object({
  /** Prompt tokens of each request. */
  prompt: count,
  /** Answer tokens of each request, all branches together. */
  tokens: count,
  /** Outline branches of each request; 1: a plain answer. */
  branches: count.default(1),
  /** What an outline takes before its branches can begin. */
  outline: z.object({
    /** Tokens of the outline. @default 6 for each branch: 3 to 5 words and a number */
    tokens: count.optional(),
    /**
     * True: the outline's tokens count as answer tokens, since they are shown as headings. False:
     * they come on top.
     */
    counted: z.boolean().default(false),
    /**
     * True: a branch begins as soon as its own point is there. False: when the outline is complete.
     */
    early: z.boolean().default(false),
    /** Rows of a branch's own prompt, after the shared prefix. */
    point_rows: count.default(12),
  }).prefault({}),
  /** Acceptance rate of drafted tokens, 0 to 1. */
  acceptance: z.number().min(0).max(1).default(0),
  /**
   * Of the cases in which a draft tree's best token is wrong, the share, 0 to 1, in which its
   * second best is right, at acceptance 1.
   */
  second_share: z.number().min(0).max(1).default(0),
  /** When each request arrives, in seconds. */
  requests: z.array(z.object({ at: seconds })).min(1).default([{ at: 0 }]),
  /**
   * Seed of the random acceptance. Undefined: nothing is random, and tokens are accepted exactly as
   * often as expected.
   */
  seed: z.number().int().optional(),
  /**
   * Which rows count as before a row, and so take attention time. `arena`: every live row of all
   * requests, as in the real arena, where a mask hides the others. `chain`: only the rows of its
   * own chain.
   */
  past: z.enum(["arena", "chain"]).default("arena"),
});

/** See {@linkcode simulationOptionsSchema}. */
export type PlanSimulationOptions = z.input<typeof simulationOptionsSchema>;
/** Checked {@linkcode PlanSimulationOptions}. */
export type CoordinatorOptions = z.output<typeof simulationOptionsSchema>;

/** An event that changes the pipeline during the simulation. */
export type PipelineEvent =
  | {
    kind: "link";
    at_s: number;
    /** Name of the host at the link's beginning; undefined: any. */
    from?: string;
    /** Name of the host at the link's end; undefined: any. */
    to?: string;
    /** New latency; undefined: as before. */
    latency_s?: number;
    /** New bandwidth; undefined: as before. A transfer that has begun keeps its speed. */
    bytes_per_s?: number;
  }
  | {
    kind: "death";
    at_s: number;
    host: string;
    /** Seconds until the others know of the death. */
    detection_s: number;
    /** Seconds after that until the replacement has the layers in memory. */
    load_s: number;
    /** Costs of the pipeline that continues. */
    costs: FrameCosts;
    /** Indices of that pipeline's stages without a KV cache: live rows are replayed there. */
    replaced: number[];
  };

/** The times of one request. */
export interface RequestResult {
  /** When it arrived. */
  at_s: number;
  /** Seconds from arrival to the first token. */
  ttft_s: number;
  /** Mean seconds between answer tokens after the first one. */
  tpot_s: number;
  /** Answer tokens divided by the seconds from arrival to the last token. */
  tokens_per_s: number;
  /** When its last token was there. */
  finish_s: number;
  /** Answer tokens. */
  tokens: number;
}

/**
 * Result of a simulation. Shares are from 0 to 1, over the time from the first arrival to the last
 * token.
 */
export interface SimulationResult {
  /** The requests, in the order in which they were given. */
  requests: RequestResult[];
  /** When the last token was there. */
  end_s: number;
  /** Busy share of each stage. */
  stages: { lane: string; utilisation: number }[];
  /** Busy share of each link that was used. */
  links: { lane: string; utilisation: number }[];
  /** Busy share of the drafter; 0: there is none. */
  drafter: number;
  /** Share of the stages' time in which they computed nothing. */
  bubble_share: number;
  /** Share of the rows computed at stages that were rejected, stale or lost. */
  wasted_row_share: number;
  /** Mean rows of decode frames; 0: there were none. */
  rows_per_frame: number;
  /** Frames that the coordinator sent. */
  frames: number;
  /** Frames that were dropped as stale before the last stage computed them. */
  cancelled_frames: number;
  /** Seconds in which nothing ran because a host had died. */
  paused_s: number;
  /** All work with its times. */
  trace: TraceSpan[];
}

/**
 * Checks a value against its schema; `what` names it in the error. Throws group `planner`, code
 * `bad_simulation`.
 */
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
