/**
 * What a generation is told, and what the runtime gives it. What it tells its client is in
 * `client_messages.ts`.
 *
 * @module
 */
import { z } from "zod";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { MODES, ROUTES } from "../outline/mod.ts";
import { answerStateSchema } from "./answer_state.ts";

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
  /** Most tokens of a plain answer. 0: none is wanted, only `prompt_logprobs`. */
  max_tokens: z.number().int().nonnegative(),
  /** Most tokens of an answer by outline, all branches together. @default max_tokens */
  outline_tokens: z.number().int().positive().optional(),
  sampling: samplingSchema,
  /** The answer is held to a grammar: the resource `grammar` is its walk. */
  constrained: z.boolean().optional(),
  /** That grammar is a refusal of the model's: the answer is plain, whatever the mode. */
  refuses: z.boolean().optional(),
  /**
   * Of an answer that is held to a grammar: an end token is chosen only where nothing else may
   * follow.
   */
  past_eos: z.boolean().optional(),
  /** Tokens in the vocabulary; only where the answer is held to a grammar. */
  vocab: z.number().int().positive().optional(),
  /**
   * The log-probabilities of the prompt's tokens are wanted, with so many of the best tokens at each
   * place. Undefined: they are not.
   */
  prompt_logprobs: z.number().int().min(0).max(20).optional(),
  /** Stop texts: the first that comes ends the answer, and is left out of it. */
  stop: z.array(z.string().min(1)).max(16),
  /** Token ids that end the answer. */
  eos: z.array(z.number().int().nonnegative()),
  /** Address of the arbiter of the deployment's pipeline. */
  arbiter: z.string(),
  /** The deployment's stage with the whole model; undefined: it has none. */
  solo: z.object({
    /** Address of the arbiter whose only stage it is. */
    arbiter: z.string(),
    /** Address of the stage. */
    stage: z.string(),
    /** Nodes with that stage or the drafter. */
    nodes: z.number().int().positive(),
    /** Whether its node also has a stage of the pipeline. */
    shared: z.boolean(),
  }).optional(),
  /** Which of both computes the answer. */
  route: z.enum(ROUTES).default("auto"),
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
  /** Rows of earlier requests may stand for the prompt's, and its rows are kept for later ones. */
  reuse: z.boolean().default(true),
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
  /**
   * How far the answer has come in an earlier run, at this node or another, which had the same fields
   * but for those of the deployment: the answer goes on from there. @default it begins
   */
  resumed: answerStateSchema.optional(),
  /** Deltas say how far the answer has come, see `AnswerProgress`. @default false */
  progress: z.boolean().optional(),
  /** Requests of the same deployment and gateway node that run besides; undefined: not counted. */
  others: z.number().int().nonnegative().optional(),
  /** Address that is sent `delta`, `done` and `failed`. */
  client: z.string(),
}).refine(
  ({ max_tokens, prompt_logprobs }) => max_tokens > 0 || prompt_logprobs !== undefined,
  "max_tokens is 0 and no log-probabilities of the prompt are wanted",
);

/** See {@linkcode startSchema}. */
export type Start = z.infer<typeof startSchema>;
