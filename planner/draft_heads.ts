/**
 * How many tokens of its vocabulary a draft model's LM head has.
 *
 * A large vocabulary makes the head a large share of a small model. The target verifies what is
 * drafted, so a head of the frequent tokens alone costs accepted drafts, never an answer.
 *
 * @module
 */
import type { DraftModel, PlanInput } from "./types.ts";

/** Fewest tokens of a vocabulary that is trimmed without being asked. */
const LARGE_VOCABULARY = 65_536;
/**
 * Shares of a vocabulary that are tried without being asked, each with the share of a text's tokens
 * that it has: the mean over English, German, French, Chinese, Japanese and Russian with the
 * vocabulary of Qwen2.5, which `deno task bench:drafter` counts.
 */
const SHARES = [{ share: 1 / 2, covered: 0.85 }, { share: 1 / 4, covered: 0.75 }] as const;

/** A draft model with the head that it would run with. */
export interface DraftVariant {
  /** Tokens of its head; undefined: all. */
  vocabulary?: number;
  /** Bytes of its weights and KV cache. */
  bytes: number;
  /** Seconds of one drafted token on each device. (devices) */
  secondsPerToken: number[];
  /** Share of the target's tokens that it can draft at all, 0 to 1. */
  covered: number;
}

/** A draft model whose head has so many tokens; undefined: all of them. */
export function draftVariant(
  { bytes, secondsPerToken, head }: DraftModel,
  vocabulary?: number,
): Omit<DraftVariant, "covered"> {
  if (!head || vocabulary === undefined || vocabulary >= head.vocab) {
    return { bytes, secondsPerToken };
  }
  const gone = 1 - vocabulary / head.vocab;
  return {
    vocabulary,
    bytes: bytes - gone * head.bytes,
    secondsPerToken: secondsPerToken.map((seconds, d) =>
      // no device is measured where it is Infinity
      Number.isFinite(seconds) ? seconds - gone * head.seconds[d] : seconds
    ),
  };
}

/**
 * The heads to choose from, the largest first. Where the user says how many tokens it has, only that
 * one, and the acceptance rate is taken to be what it is with that.
 */
export function draftVariants(draft: DraftModel, decode: PlanInput["decode"]): DraftVariant[] {
  const asked = decode?.draftVocabulary;
  if (asked !== undefined) {
    return [{ ...draftVariant(draft, asked === "whole" ? undefined : asked), covered: 1 }];
  }
  const whole = { ...draftVariant(draft), covered: 1 };
  const { head } = draft;
  if (!head || head.vocab < LARGE_VOCABULARY) return [whole];
  const trimmed = SHARES.map(({ share, covered }) => ({
    ...draftVariant(draft, Math.round(share * head.vocab)),
    covered,
  }));
  return [whole, ...trimmed];
}
