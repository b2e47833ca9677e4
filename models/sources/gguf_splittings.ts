/**
 * How byte-level tokenizers split a text into words before they merge: a GGUF file only names it
 * (`tokenizer.ggml.pre`), so the expressions behind the names are here. Names of classes that are
 * not served, whose expressions nothing would use, are left out.
 *
 * @module
 */

/** How a text is split before its pieces are merged. */
export interface Splitting {
  /**
   * Expressions that split the text one after the other; what they do not match becomes a piece
   * too.
   */
  split: string[];
  /** A piece that is a token by itself is not merged. */
  ignoreMerges?: true;
  /** BOS is added where the file does not say. */
  addBos?: true;
  /** Normalisation before the split. */
  normalizer?: Record<string, unknown>;
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const LLAMA3 = words(`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}`);
const QWEN2 = words(`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}`);
const CASED =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+";
const CAPITALS =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const GPT4O =
  `${CASED}${CONTRACTIONS}?|${CAPITALS}${CONTRACTIONS}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const NFC = { type: "NFC" };

/** Splittings by the name in `tokenizer.ggml.pre`. */
export const SPLITTINGS: Readonly<Record<string, Splitting>> = {
  "default": { split: ["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"] },
  ...named({ split: [GPT2] }, [
    "gpt-2",
    "phi-2",
    "olmo",
    "mpt",
    "jais",
    "trillion",
    "a.x-4.0",
    "mellum",
    "exaone4",
    "granite-docling",
  ]),
  ...named({ split: ["\\p{N}", GPT2] }, [
    "smollm",
    "starcoder",
    "refact",
    "command-r",
    "exaone",
    "minerva-7b",
  ]),
  ...named({ split: [LLAMA3], ignoreMerges: true, addBos: true }, [
    "llama3",
    "llama-v3",
    "llama-bpe",
    "falcon3",
    "pixtral",
    "midm-2.0",
    "lfm2",
  ]),
  ...named({ split: [LLAMA3] }, ["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"]),
  ...named({ split: [QWEN2], normalizer: NFC }, [
    "qwen2",
    "deepseek-r1-qwen",
    "kormo",
    "megrez",
    "stablelm2",
    "hunyuan",
  ]),
  ...named({ split: [GPT4O] }, ["gpt-4o", "kanana2"]),
  "tekken": {
    split: [
      `${CASED}|${CAPITALS}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
    ],
    ignoreMerges: true,
    addBos: true,
  },
  "tiny_aya": { split: ["\\d{1,3}(?=(?:\\d{3})*\\b)", GPT4O] },
  "hunyuan-dense": {
    split: [
      "\\p{N}{1,3}",
      "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ],
  },
  "deepseek-coder": {
    split: [
      "[\\r\\n]",
      "\\s?\\p{L}+",
      "\\s?\\p{P}+",
      "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
      "\\p{N}",
    ],
  },
  "seed-coder": {
    split: [
      `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
    ],
  },
  "minicpm5": {
    split: [
      "\\p{N}{1,3}",
      words(`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+`),
    ],
    ignoreMerges: true,
  },
};

/** One splitting under several names. */
function named(splitting: Splitting, names: string[]): Record<string, Splitting> {
  return Object.fromEntries(names.map((name) => [name, splitting]));
}

/** An expression that begins with these alternatives and goes on as most byte-level ones do. */
function words(beginning: string): string {
  return `${beginning}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
}
