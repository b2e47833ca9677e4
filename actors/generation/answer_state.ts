/**
 * How far an answer has come, as data: what another Generation needs to go on with it, on these
 * stages or others, at this node or another.
 *
 * A lane's next token is a function of its prompt, its tokens, the seed and the position. So the
 * tokens are all that has to be kept: their rows are computed again as those of a prompt, and their
 * text is made again by a new codec. Drafts, masks and rows are not part of it.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../system/mod.ts";
import type { Sampling } from "../pipeline/mod.ts";

const count = z.number().int().nonnegative();

/** How far one lane has come. */
const laneStateSchema = z.object({
  /** Name of the lane within its request: `plain`, `outline`, `branch-0`, `branch-1` ... */
  lane: z.string().min(1),
  /** Ids of the tokens that it has generated, an end token included. */
  tokens: z.array(count),
  /** How many of them the client has been told, with the text that they make certain. */
  told: count,
}).refine(
  ({ tokens, told }) => told <= tokens.length,
  "more tokens were told than the lane has; say at most as many",
);

/** Field `resumed` of a start message. */
export const answerStateSchema = z.object({
  /** The answer is made by an outline, or was tried to be. */
  outline: z.boolean(),
  /** The client has been told the prompt's log-probabilities. */
  scored: z.boolean().default(false),
  /** Lanes that have begun, in that order. */
  lanes: z.array(laneStateSchema),
});

/** See the module's text. */
export type AnswerState = z.infer<typeof answerStateSchema>;

/** How far one lane has come since that was said last. */
const laneProgressSchema = z.object({
  /** See {@linkcode AnswerState}. */
  lane: z.string().min(1),
  /** Tokens that were said before. */
  at: count,
  /** Ids of the tokens after these. */
  tokens: z.array(count),
  /** How many of all the lane's tokens the client has been told with this delta. */
  told: count,
});

/** Field `progress` of a delta: what has changed in the {@linkcode AnswerState} since the last one. */
export const answerProgressSchema = z.object({
  /** See {@linkcode AnswerState}. */
  outline: z.boolean(),
  /** Lanes that have changed. */
  lanes: z.array(laneProgressSchema),
});

/** See {@linkcode answerProgressSchema}. */
export type AnswerProgress = z.infer<typeof answerProgressSchema>;

/** The state of an answer of which nothing is known yet. */
export const emptyAnswer = (): AnswerState => ({ outline: false, scored: false, lanes: [] });

/** Tokens that an answer has, of all its lanes. */
export const tokensOf = ({ lanes }: AnswerState): number =>
  lanes.reduce((sum, { tokens }) => sum + tokens.length, 0);

/**
 * Takes what a delta says into the state, in time proportional to what is new. Throws group `actor`,
 * code `invalid_message`, where tokens are missing between the two.
 */
export function addProgress(state: AnswerState, progress: AnswerProgress): void {
  state.outline = progress.outline;
  state.scored = true; // the prompt's log-probabilities come before any delta
  for (const { lane, at, tokens, told } of progress.lanes) {
    let known = state.lanes.find((l) => l.lane === lane);
    if (!known) state.lanes.push(known = { lane, tokens: [], told: 0 });
    if (at > known.tokens.length) {
      throw new OrreryError({
        group: "actor",
        code: "invalid_message",
        message: `progress of lane ${lane} begins at token ${at}, and ${known.tokens.length} are ` +
          "known; give every delta, in order",
        metadata: { lane, at, known: known.tokens.length },
      });
    }
    known.tokens.length = at; // what was known and not told may be generated again
    for (const token of tokens) known.tokens.push(token);
    known.told = told;
  }
}

/**
 * The part of a state that an answer can go on from. Tokens that the client has not been told yet are
 * found again where it is to be told more of them than their ids.
 */
export function resumable(
  state: AnswerState,
  { sampling, prompt_logprobs }: { sampling: Sampling; prompt_logprobs?: number },
): AnswerState {
  if (prompt_logprobs !== undefined && !state.scored) return { ...state, lanes: [] };
  const scores = sampling.logprobs || sampling.top_logprobs > 0 || prompt_logprobs !== undefined;
  if (!scores) return state;
  const lanes = state.lanes.map((l) => ({ ...l, tokens: l.tokens.slice(0, l.told) }));
  return { ...state, lanes };
}
