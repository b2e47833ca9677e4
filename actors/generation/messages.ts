/**
 * What a Generation is told and what it tells its client.
 *
 * @module
 */
import { z } from "zod";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { type Mode, MODES } from "../outline/mod.ts";

/**
 * Most rows that a request may ask memory for, in contexts of the model: each branch of an outline
 * has a context of its own, but the branches share much of it.
 */
export const MOST_CONTEXTS = 2;

/**
 * Turns the token ids of one lane into text as they come. The runtime makes one for each lane: see
 * {@linkcode MakeCodec}.
 */
export interface TextCodec {
  /**
   * Takes the next token id. Returns the text that it makes certain; `stopped`: a stop text is
   * complete, and is left out of `text`.
   */
  push(token: number): { text: string; stopped: boolean };
  /** Returns the text that was held back because it might have become a stop text. */
  flush(): string;
  /** The text of a single token id, for listings of log-probabilities. */
  tokenText(token: number): string;
}

/** Resource `codec` of a generation actor: makes a codec that ends at one of the stop texts. */
export type MakeCodec = (stop: string[]) => TextCodec;

/** Message `start`: what a Generation is to answer, and how. */
export const startSchema = z.object({
  /** Prompt token ids, at least one. */
  prompt: z.instanceof(Int32Array).refine((p) => p.length > 0, "the prompt has no tokens"),
  /** Most tokens of a plain answer. */
  max_tokens: z.number().int().positive(),
  /** Most tokens of an answer by outline, all branches together. @default max_tokens */
  outline_tokens: z.number().int().positive().optional(),
  sampling: samplingSchema,
  /** Stop texts: the first that comes ends the answer, and is left out of it. */
  stop: z.array(z.string().min(1)).max(16),
  /** Token ids that end the answer. */
  eos: z.array(z.number().int().nonnegative()),
  /** Address of the arbiter of the deployment's pipeline. */
  arbiter: z.string(),
  /** Stages of the pipeline. */
  stages: z.number().int().positive(),
  /** Nodes with a stage or the drafter. */
  nodes: z.number().int().positive(),
  /** Longest context of the model in rows. */
  context: z.number().int().positive(),
  /** How the deployment's plan says that requests run. */
  shape: shapeSchema.default(() => shapeSchema.parse({})),
  /** Address of the draft model's actor; undefined: the deployment has none. */
  drafter: z.string().optional(),
  /** How the answer is to be made. */
  mode: z.enum(MODES).default("auto"),
  /** Who chose the mode: the client, or the graph file where the client did not say. */
  mode_by: z.enum(["request", "graph"]).default("request"),
  /**
   * Most tokens of a draft in mode `auto`; 0: none. In the speculative modes drafts have this many
   * tokens whether they pay or not. Undefined: as measured.
   */
  draft_length: z.number().int().min(0).max(32).optional(),
  /**
   * False: drafts hold the drafter's first choices only. True: alternatives stand beside them.
   * Undefined: alternatives where they are likely enough.
   */
  draft_tree: z.boolean().optional(),
  /**
   * Token ids of a text that the answer is expected to share much with: drafts are looked up there.
   * It never changes the answer.
   */
  prediction: z.instanceof(Int32Array).optional(),
  /** Points of the outline; undefined: the model is to write the outline. */
  points: z.array(z.string().min(1)).min(1).max(30).optional(),
  /** Most outline branches that run at once; undefined: as the plan says. */
  max_branches: z.number().int().min(1).max(64).optional(),
  /** Rows of the prompt's pieces in order, the last repeated; undefined: as the plan says. */
  pieces: z.array(z.number().int().positive()).min(1).optional(),
  /**
   * True: deltas of all branches are sent as they come. False: those of a branch are sent when the
   * branches before it have ended.
   */
  live_branches: z.boolean().default(false),
  /** `Done.measured` of an earlier request: acceptance rates and costs, by drafter. */
  measured: z.record(z.string(), z.array(z.number())).optional(),
  /**
   * Mean tokens of plain answers so far; undefined: there were none. Mode `auto` takes an outline
   * for long answers only.
   */
  answer_tokens: z.number().nonnegative().optional(),
  /** Address that is sent `delta`, `done` and `failed`. */
  client: z.string(),
});

/** See {@linkcode startSchema}. */
export type Start = z.infer<typeof startSchema>;

/** A token as the client gets it. */
export interface SpelledToken {
  /** Token id. */
  token: number;
  /** Text of this token alone. */
  text: string;
  /** Natural logarithm of its probability, before temperature and penalties. */
  logprob?: number;
  /** Most likely tokens as [token id, log-probability], best first. */
  top?: [number, number][];
  /** Text of each of them. */
  topText?: string[];
}

/** Generation -> client, message `delta`. */
export interface Delta {
  /** Empty where the tokens end within a character, or may become a stop text. */
  text: string;
  /** Tokens that were chosen since the last delta. */
  tokens: SpelledToken[];
  /** Outline branch of text and tokens, 0-based; undefined: there is no outline. */
  branch?: number;
}

/**
 * How an answer was made: the `orrery` field of a response. What the arbiter did not say in time is
 * null.
 */
export interface AnswerReport {
  /** The mode in which the request was answered. */
  mode: Exclude<Mode, "auto">;
  /** Why in this mode: one sentence. */
  why: string;
  /** Nodes with a stage or the drafter. */
  nodes: number;
  /** Stages of the pipeline. */
  stages: number;
  /** TTFT: milliseconds from the start to the first token that the client sees. */
  ttft_ms: number;
  /** Tokens per second after the first one, outline included. */
  tokens_per_s: number;
  /** Frames that carried pieces of the prompt. */
  pieces: number | null;
  /** Draft rows that were sent. */
  drafted: number;
  /** Draft rows that came true. */
  accepted: number;
  /** Outline branches; 0: none. */
  branches: number;
  /** Share of stage time in which a stage computed nothing, 0 to 1. */
  bubble_share: number | null;
  /** Share of the rows that were drafts which did not come true, 0 to 1. */
  wasted_row_share: number | null;
  /** Bytes of hidden states that one token took from a stage to the next. */
  bytes_per_token_per_hop: number | null;
}

/** Generation -> client, message `done`. */
export interface Done {
  /** `length`: the answer, or one of its branches, ended at its limit of tokens. */
  finish: "stop" | "length";
  /** Tokens of the prompt that the client sent. */
  prompt_tokens: number;
  /** Tokens generated: those of an outline and end tokens are counted. */
  completion_tokens: number;
  /** TTFT: milliseconds from the start to the first token that the client sees. */
  ttft_ms: number;
  /** TPOT: mean milliseconds per token after the first one. */
  tpot_ms: number;
  /** How the answer was made. */
  orrery: AnswerReport;
  /** What was measured, for `Start.measured` of the next request. */
  measured: Record<string, number[]>;
}
