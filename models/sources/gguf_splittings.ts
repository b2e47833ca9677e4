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
/** Qwen 3.5's: marks belong to the letters before them. */
const QWEN35 =
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const CASED =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+";
const CAPITALS =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const GPT4O =
  `${CASED}${CONTRACTIONS}?|${CAPITALS}${CONTRACTIONS}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
/**
 * Letters with a case that DeepSeek LLM knows: all those of Unicode 11 but Georgian's small ones,
 * the Armenian ones from U+0560 and some rare ranges.
 */
const DEEPSEEK_LETTERS =
  "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af" +
  "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5" +
  "\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba" +
  "\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45" +
  "\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe" +
  "\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc" +
  "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139" +
  "\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3" +
  "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06" +
  "\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}" +
  "\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}";
/** Signs and spaces between them, and (where no letter was found before) letters too. */
const DEEPSEEK_SIGNS = "!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002";
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
    "falcon-h1",
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
  "qwen35": { split: [QWEN35], normalizer: NFC },
  ...named({ split: [GPT4O] }, ["gpt-4o", "kanana2"]),
  "tekken": {
    split: [
      `${CASED}|${CAPITALS}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
    ],
    ignoreMerges: true,
    addBos: true,
  },
  "tiny_aya": { split: ["\\d{1,3}(?=(?:\\d{3})*\\b)", GPT4O] },
  ...named({
    split: [
      "\\p{N}{1,3}",
      "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ],
  }, ["hunyuan-dense", "deepseek-v3"]),
  "superbpe": { split: ["\\p{N}+", "(?=(\\p{Nd}{3})+(?!\\p{Nd}))"] },
  "viking": { split: [" ?[^(\\s|.,!?…。，、।۔،)]+", "\\p{N}"] },
  "deepseek-llm": {
    split: [
      "[\\r\\n]",
      `\\s?[${DEEPSEEK_LETTERS}]+`,
      `\\s?[${DEEPSEEK_SIGNS}]+`,
      "\\s+$",
      "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
      "\\p{N}+",
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
