/**
 * Prompts for models that write what stands between two texts (fill in the middle, Bavarian et al.
 * 2022, arXiv 2207.14255): their vocabularies have tokens that name the parts.
 *
 * @module
 */
import type { Tokenizer } from "./tokenizer.ts";

/** How a family writes such a prompt: its tokens, and the two texts in their order. */
type InfillLayout = readonly (string | { readonly text: "prefix" | "suffix" })[];

const PREFIX = { text: "prefix" } as const;
const SUFFIX = { text: "suffix" } as const;

/** The families: Qwen2.5 and its like, StarCoder and Granite, Code Llama, DeepSeek, Codestral. */
const LAYOUTS: readonly InfillLayout[] = [
  ["<|fim_prefix|>", PREFIX, "<|fim_suffix|>", SUFFIX, "<|fim_middle|>"],
  ["<fim_prefix>", PREFIX, "<fim_suffix>", SUFFIX, "<fim_middle>"],
  ["\u2581<PRE>", PREFIX, "\u2581<SUF>", SUFFIX, "\u2581<MID>"],
  [
    "<\uff5cfim\u2581begin\uff5c>",
    PREFIX,
    "<\uff5cfim\u2581hole\uff5c>",
    SUFFIX,
    "<\uff5cfim\u2581end\uff5c>",
  ],
  ["[SUFFIX]", SUFFIX, "[PREFIX]", PREFIX],
];

/** Tokens with which these families end what they fill in, besides a model's own end tokens. */
const ENDS = ["<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<file_sep>", "\u2581<EOT>"];

/**
 * Token ids of a prompt whose answer stands between `prefix` and `suffix`; undefined: the tokenizer
 * has no tokens for it. Nothing in the two texts is read as a special token.
 */
export function infillTokens(
  tokenizer: Tokenizer,
  prefix: string,
  suffix: string,
): number[] | undefined {
  const layout = LAYOUTS.find((parts) =>
    parts.every((part) => typeof part !== "string" || tokenizer.addedId(part) !== undefined)
  );
  if (!layout) return undefined;
  // Some families do not call these tokens special.
  const template = layout.filter((part) => typeof part === "string").join("");
  const bos = tokenizer.bosToken !== null && tokenizer.encode("a")[0] === tokenizer.bosToken;
  return [
    ...(bos ? [tokenizer.bosToken!] : []),
    ...layout.flatMap((part) => {
      if (typeof part === "string") return [tokenizer.addedId(part)!];
      const text = part.text === "prefix" ? prefix : suffix;
      const marked = { text, marks: "1".repeat(text.length) };
      return text === "" ? [] : tokenizer.encodeMarked(marked, { template });
    }),
  ];
}

/** Token ids that end what is filled in, besides the model's own end tokens. */
export function infillEnds(tokenizer: Tokenizer): number[] {
  return ENDS.flatMap((text) => tokenizer.addedId(text) ?? []);
}
