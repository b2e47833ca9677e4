/**
 * What a Generation is told and what it tells its client.
 *
 * @module
 */
import { z } from "zod";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { type Mode, MODES } from "../outline/mod.ts";

/**
 * Contexts of KV rows that a request may ask for: branches have a context each, but share much of
 * it.
 */
export const MOST_CONTEXTS = 2;

/**
 * Turns token ids into text as they come. The runtime gives one for each lane (resource `codec`).
 */
export interface TextCodec {
  /**
   * Text that became certain with this token; `stopped` when a stop string is complete (its text is
   * left out).
   */
  push(token: number): { text: string; stopped: boolean };
  /** What was held back. */
  flush(): string;
  /** A token's own text, for log-probability listings. */
  tokenText(token: number): string;
}

/** Resource `codec` of a generation actor. */
export type MakeCodec = (stop: string[]) => TextCodec;

/** What starts a generation. */
export const startSchema = z.object({
  /** Prompt token ids, at least one. */
  prompt: z.instanceof(Int32Array).refine((p) => p.length > 0, "the prompt has no tokens"),
  max_tokens: z.number().int().positive(),
  /** Tokens of an answer by outline, all branches together. @default max_tokens */
  outline_tokens: z.number().int().positive().optional(),
  sampling: samplingSchema,
  stop: z.array(z.string().min(1)).max(16),
  /** Tokens that end the generation. */
  eos: z.array(z.number().int().nonnegative()),
  /** The arbiter of the deployment's pipeline. */
  arbiter: z.string(),
  /** Stages of the pipeline, and nodes that take part. */
  stages: z.number().int().positive(),
  nodes: z.number().int().positive(),
  /** Longest context of the model in rows. */
  context: z.number().int().positive(),
  /** How the deployment's plan says that requests run. */
  shape: shapeSchema.default(() => shapeSchema.parse({})),
  /** Address of the draft model's actor, if there is one. */
  drafter: z.string().optional(),
  mode: z.enum(MODES).default("auto"),
  /** Who chose the mode: the client, or the graph file because the client did not say. */
  mode_by: z.enum(["request", "graph"]).default("request"),
  /**
   * Longest draft of `auto`; where speculation is asked for: drafts of this length, paying or not.
   * Undefined: as measurement says.
   */
  draft_length: z.number().int().min(0).max(32).optional(),
  /**
   * Alternatives beside the drafter's choice: never, always; undefined: where they are likely
   * enough.
   */
  draft_tree: z.boolean().optional(),
  /**
   * Token ids that the answer is expected to have much of: drafts are looked up there. Never
   * changes what comes out.
   */
  prediction: z.instanceof(Int32Array).optional(),
  /** The outline's points, given by the client: none is generated. */
  points: z.array(z.string().min(1)).min(1).max(30).optional(),
  /** Outline branches at once; undefined: as the plan says. */
  max_branches: z.number().int().min(1).max(64).optional(),
  /** Rows of the prompt's pieces; undefined: as the plan says. */
  pieces: z.array(z.number().int().positive()).min(1).optional(),
  /** Deltas of all branches as they come, each with its branch, instead of one text in order. */
  live_branches: z.boolean().default(false),
  /** Acceptance and costs that earlier requests have measured, by source. */
  measured: z.record(z.string(), z.array(z.number())).optional(),
  /**
   * Tokens of a plain answer in the mean, as earlier requests show; `auto` takes an outline for
   * long answers only.
   */
  answer_tokens: z.number().nonnegative().optional(),
  /** Address that gets `delta`, `done` and `failed`. */
  client: z.string(),
});

/** See {@linkcode startSchema}. */
export type Start = z.infer<typeof startSchema>;

/** A token as the client gets it. */
export interface SpelledToken {
  /** Its id. */
  token: number;
  /** The token's own text. */
  text: string;
  /** Natural-log probability, before temperature and penalties. */
  logprob?: number;
  /** Best alternatives as [token, logprob], best first. */
  top?: [number, number][];
  /** Text of each of them. */
  topText?: string[];
}

/** Generation -> client, message `delta`. */
export interface Delta {
  /** May be empty: half a character, what may become a stop string. */
  text: string;
  /** Those that were chosen since the last delta. */
  tokens: SpelledToken[];
  /** Outline branch that it belongs to, 0-based. */
  branch?: number;
}

/**
 * How an answer was made: the `orrery` field of a response. Fields that could not be learned are
 * null.
 */
export interface AnswerReport {
  /** What it came to be. */
  mode: Exclude<Mode, "auto">;
  /** One sentence. */
  why: string;
  /** Nodes with a stage or the drafter. */
  nodes: number;
  /** Stages of the pipeline. */
  stages: number;
  /** Milliseconds from the start to the first token that the client sees. */
  ttft_ms: number;
  /** Tokens per second after the first one, outline included. */
  tokens_per_s: number;
  /** Pieces of the prompt. */
  pieces: number | null;
  /** Draft rows that were sent. */
  drafted: number;
  /** Those of them that came true. */
  accepted: number;
  /** Outline branches; 0: none. */
  branches: number;
  /** Share of stage time in which a stage computed nothing, 0 .. 1. */
  bubble_share: number | null;
  /** Share of the rows that were of no use, 0 .. 1. */
  wasted_row_share: number | null;
  /** Bytes of hidden states of one token over one link. */
  bytes_per_token_per_hop: number | null;
}

/** Generation -> client, message `done`. */
export interface Done {
  /** `length`: cut, or one of its branches was. */
  finish: "stop" | "length";
  /** Tokens of the prompt as it was asked. */
  prompt_tokens: number;
  /** Tokens generated: an outline and end tokens are counted. */
  completion_tokens: number;
  /** Milliseconds from the start to the first token that the client sees. */
  ttft_ms: number;
  /** Milliseconds per further token. */
  tpot_ms: number;
  /** How it was made. */
  orrery: AnswerReport;
  /** What the next request's `measured` may be. */
  measured: Record<string, number[]>;
}
