/**
 * The served model as router: it is asked in one turn whether a good answer falls into points, and
 * what it would say decides. That is one pass over the conversation, whose rows are kept for the
 * answer, and no token is generated.
 *
 * @module
 */
import type { Route } from "./route.ts";

/** The user's turn that asks it. The question stands first, so that its rows are those of the answer. */
export const ROUTER_TURN =
  "{question}\n\nDo not answer yet. Would a good answer be several points, each of which can be " +
  "written without the others? Say yes or no.";

/** Least probability of yes and no together, 0 to 1: below it the model has not understood. */
const LEAST_SAID = 0.2;

/** A token that the answer may begin with. */
export interface FirstToken {
  /** Its text. */
  text: string;
  /** Natural logarithm of its probability. */
  logprob: number;
}

/**
 * What the model says, from the most likely tokens behind {@linkcode ROUTER_TURN}. Undefined: it is
 * likely to say neither yes nor no.
 */
export function readRouterAnswer(first: readonly FirstToken[]): Route | undefined {
  const chance = (word: string) =>
    first.reduce(
      (sum, { text, logprob }) => sum + (lettersOf(text) === word ? Math.exp(logprob) : 0),
      0,
    );
  const [yes, no] = [chance("yes"), chance("no")];
  if (!(yes + no >= LEAST_SAID)) return undefined;
  const outline = yes > no;
  const sure = Math.round(100 * Math.max(yes, no) / (yes + no));
  return {
    outline,
    rule: "model",
    why: outline
      ? `the model says that the answer falls into points (${sure} % sure)`
      : `the model says that the answer is one text (${sure} % sure)`,
  };
}

/** The letters of a token, in lower case. */
const lettersOf = (text: string): string => text.replace(/[^\p{L}]/gu, "").toLowerCase();
