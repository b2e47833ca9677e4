/**
 * Earlier answers of a model at a node: drafts are looked up in them. They never change an answer.
 *
 * @module
 */
import type { SuffixStore } from "../pipeline/mod.ts";
import type { ActorContext } from "../system/mod.ts";
import type { Start } from "./messages.ts";

/**
 * Tokens of the prompt that are kept before an answer: the same question leads to its beginning.
 */
const LED_BY = 16;

/**
 * Resource `answers` of the actor; undefined: the request shares nothing with others, or the runtime
 * keeps no answers.
 */
export function earlierAnswers(
  ctx: ActorContext,
  { reuse }: Pick<Start, "reuse">,
): SuffixStore | undefined {
  if (!reuse) return undefined;
  try {
    return ctx.resource<SuffixStore>("answers");
  } catch {
    return undefined;
  }
}

/** Keeps a finished answer: the certain tokens of its lane, of which the first are its prompt. */
export function keepAnswer(
  answers: SuffixStore | undefined,
  { tokens, promptTokens }: { tokens: readonly number[]; promptTokens: number },
): void {
  if (tokens.length > promptTokens) answers?.add(tokens.slice(Math.max(0, promptTokens - LED_BY)));
}
