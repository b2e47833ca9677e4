/**
 * A bound of the tokens of a text that takes no tokenizer: a token stands for at most as many bytes
 * as the longest one of the vocabulary has. It is stated only for tokenizers that throw nothing of a
 * text away, by the steps that tokenizer.json names.
 *
 * @module
 */

/** The parts of tokenizer.json that decide whether the bound holds. */
export interface TokenizerSteps {
  /** `model`. */
  model: Record<string, unknown>;
  /** `normalizer`; null: the text is taken as it is. */
  normalizer: Record<string, unknown> | null;
  /** `pre_tokenizer`; null: the text is one piece. */
  pre_tokenizer: Record<string, unknown> | null;
  /** `added_tokens`. */
  added_tokens: readonly Record<string, unknown>[];
}

/** Pre-tokenizers that cut a text and keep all of it. */
const KEEPS_ALL = ["ByteLevel", "Digits", "Metaspace", "Punctuation", "Split", "Sequence"];

/**
 * How many times shorter, in bytes, normalization form C may make a text: three jamo of three bytes
 * each become one syllable of three bytes, and nothing shrinks by more.
 */
const NFC_SHRINKS = 3;

/**
 * By how much a tokenizer's normalizer may shorten a text, in bytes; undefined: it may throw parts of
 * a text away, or join what it does not know to one token, so that bytes say nothing of tokens.
 */
export function shrinksBy(steps: TokenizerSteps): number | undefined {
  const { type = "BPE", byte_fallback, continuing_subword_prefix } = steps.model;
  const cutters = stepsOf(steps.pre_tokenizer, "pretokenizers");
  const byteLevel = cutters.some((step) => step.type === "ByteLevel");
  if (type !== "BPE" || continuing_subword_prefix || !(byteLevel || byte_fallback === true)) {
    return undefined;
  }
  const throwsAway = (step: Record<string, unknown>) =>
    !KEEPS_ALL.includes(String(step.type)) || step.behavior === "Removed";
  if (cutters.some(throwsAway)) return undefined;
  // Such a token takes the spaces beside it along, however many there are.
  if (steps.added_tokens.some(({ lstrip, rstrip }) => lstrip || rstrip)) return undefined;
  let factor = 1;
  for (const step of stepsOf(steps.normalizer, "normalizers")) {
    if (step.type === "NFC") factor *= NFC_SHRINKS;
    else if (step.type !== "Prepend" && !(step.type === "Replace" && growsOnly(step))) {
      return undefined;
    }
  }
  return factor;
}

/** The steps of a part of tokenizer.json, those within sequences among them. */
function stepsOf(part: unknown, list: "pretokenizers" | "normalizers"): Record<string, unknown>[] {
  if (typeof part !== "object" || part === null) return [];
  const step = part as Record<string, unknown>;
  const inner = step[list];
  return Array.isArray(inner) ? inner.flatMap((one) => stepsOf(one, list)) : [step];
}

/** Whether a replacement has at least the bytes of what it replaces. */
function growsOnly({ pattern, content }: Record<string, unknown>): boolean {
  const from = (pattern as { String?: unknown } | undefined)?.String;
  return typeof from === "string" && typeof content === "string" &&
    bytesOf(content) >= bytesOf(from);
}

const encoder = new TextEncoder();
const bytesOf = (text: string): number => encoder.encode(text).length;
