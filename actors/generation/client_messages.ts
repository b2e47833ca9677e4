/**
 * What a generation tells its client: `prompt` where its log-probabilities are wanted, any number of
 * `delta`, then one `done` or one `failed`.
 *
 * @module
 */
import { z } from "zod";
import { MODES, ROUTES } from "../outline/mod.ts";
import { wireErrorSchema } from "../system/mod.ts";
import { answerProgressSchema } from "./answer_state.ts";

const count = z.number().int().nonnegative();

/** A measured number; unlike `z.number()` it may be infinite, as a log-probability can be. */
const measured = z.custom<number>((value) => typeof value === "number", "expected a number");

/** A token with its own text. */
const spelledTokenSchema = z.object({
  /** Token id. */
  token: count,
  /** Text of this token alone. */
  text: z.string(),
  /** Natural logarithm of its probability, before temperature and penalties. */
  logprob: measured.optional(),
  /** Most likely tokens as [token id, log-probability], best first. */
  top: z.array(z.tuple([count, measured])).optional(),
  /** Text of each of them. */
  topText: z.array(z.string()).optional(),
});

/** See {@linkcode Delta.tokens}. */
export type SpelledToken = z.infer<typeof spelledTokenSchema>;

/** Fields of message `delta`. */
const deltaSchema = z.object({
  /** Empty where the tokens end within a character, or may become a stop text. */
  text: z.string(),
  /** Tokens that were chosen since the last delta. */
  tokens: z.array(spelledTokenSchema),
  /** Outline branch of text and tokens, 0-based; undefined: the text is one, in order. */
  branch: count.optional(),
  /** How far the answer has come with this delta; only where `Start.progress` asks for it. */
  progress: answerProgressSchema.optional(),
});

/** Generation to client, message `delta`. */
export type Delta = z.infer<typeof deltaSchema>;

/** Fields of message `prompt`. */
const promptScoresSchema = z.object({
  /** The prompt's tokens in order; the first one has no log-probability. */
  tokens: z.array(spelledTokenSchema),
});

/** Generation to client, message `prompt`. */
export type PromptScoresMessage = z.infer<typeof promptScoresSchema>;

/** The `orrery` field of a response. */
const answerReportSchema = z.object({
  /** The mode in which the request was answered. */
  mode: z.enum(MODES).exclude(["auto"]),
  /** Which stages computed the answer: one that has the whole model, or the pipeline's. */
  route: z.enum(ROUTES).exclude(["auto"]),
  /** Why in this mode and by this route: one sentence. */
  why: z.string(),
  /** Nodes with a stage or the drafter. */
  nodes: count,
  /** Stages of the pipeline. */
  stages: count,
  /** TTFT: milliseconds from the start to the first token that the client sees. */
  ttft_ms: measured,
  /**
   * Milliseconds that the request waited for its deployment to be loaded, before the start; left out:
   * it was.
   */
  cold_start_ms: measured.optional(),
  /** Tokens per second after the first one, outline included. */
  tokens_per_s: measured,
  /** Frames that carried pieces of the prompt. */
  pieces: count.nullable(),
  /** Draft rows that were sent. */
  drafted: count,
  /** Draft rows that came true. */
  accepted: count,
  /** Outline branches; 0: none. */
  branches: count,
  /** Share of stage time in which a stage computed nothing, 0 to 1. */
  bubble_share: measured.nullable(),
  /** Share of the rows that were drafts which did not come true, 0 to 1. */
  wasted_row_share: measured.nullable(),
  /** Bytes of hidden states that one token took from a stage to the next. */
  bytes_per_token_per_hop: measured.nullable(),
  /** How often the answer stood still since its stages were lost. @default never */
  pauses: count.optional(),
  /** Milliseconds that it stood still, until it went on elsewhere. @default 0 */
  paused_ms: measured.optional(),
});

/**
 * How an answer was made: the `orrery` field of a response. What the arbiter did not say in time is
 * null.
 */
export type AnswerReport = z.infer<typeof answerReportSchema>;

/** Fields of message `done`. */
const doneSchema = z.object({
  /** `length`: the answer, or one of its branches, ended at its limit of tokens. */
  finish: z.enum(["stop", "length"]),
  /** Tokens of the prompt that the client sent. */
  prompt_tokens: count,
  /** Tokens generated: those of an outline and end tokens are counted. */
  completion_tokens: count,
  /** Tokens of the prompt whose rows were kept from earlier requests. @default none */
  cached_tokens: count.optional(),
  /** TTFT: milliseconds from the start to the first token that the client sees. */
  ttft_ms: measured,
  /** TPOT: mean milliseconds per token after the first one. */
  tpot_ms: measured,
  /** How the answer was made. */
  orrery: answerReportSchema,
  /** What was measured, for `Start.measured` of the next request. */
  measured: z.record(z.string(), z.array(measured)),
});

/** Generation to client, message `done`. */
export type Done = z.infer<typeof doneSchema>;

/** Every message that a client gets, its name in the field `type`. */
export const clientMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("prompt"), ...promptScoresSchema.shape }),
  z.object({ type: z.literal("delta"), ...deltaSchema.shape }),
  z.object({ type: z.literal("done"), ...doneSchema.shape }),
  /** The generation has failed and has released what it held. */
  z.object({ type: z.literal("failed"), error: wireErrorSchema }),
]);

/** See {@linkcode clientMessageSchema}. */
export type ClientMessage = z.infer<typeof clientMessageSchema>;
