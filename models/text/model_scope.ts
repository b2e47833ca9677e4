/**
 * The scope of a model: a small linear test of whether a question is about anything that the model
 * has learned. A model that was trained on a few hundred topics answers any other question with one
 * of them; where its folder has a scope, the question is refused instead.
 *
 * A question becomes features: its words, pairs of words that follow each other, pieces of words, and
 * marks for words that the corpus lacks. Each feature has a row in a table, by its hash:
 *
 *     h      = sum of the features' rows / sqrt(number of features)      (width)
 *     scores = head (classes, width) * h + bias                          (classes)
 *     margin = best score of all classes but the last - score of the last
 *
 * The last class is "about none of these". models/training/scope.py trains it. All of it is sums,
 * products and one square root of numbers of 64 bits, so that every machine judges alike.
 *
 * @module
 */
import { z } from "zod";
import { modelError } from "../errors.ts";

/** Field of generation_config.json that holds a scope. */
export const SCOPE_FIELD = "orrery_scope";

/** Tokens of a question that are looked at. */
const MOST_TOKENS = 64;
/** Characters of a question that are looked at: longest question that is judged as a whole. */
const MOST_CHARS = 4096;
/** Letters in a piece of a word. */
const PIECES = [3, 4, 5];
/** Marks that any text may have; they say nothing about its subject. */
const COMMON = new Set(".,!?;:'\"()-…“”„«»–—¿¡");
/** Words with apostrophes, numbers, and any other character but spaces. */
const PARTS = /[a-z]+(?:'[a-z]+)*|[0-9]+|[^\sa-z0-9]/gu;
/** A word or a piece of one. */
const WORD = /^[a-z]/;
/** Numbers that count questions, in front of one ("7.", "(7)", "Q7:") and behind it ("(7)", "#7"). */
const COUNTER_BEFORE =
  /^\s*(?:\([0-9]{1,9}\)|\[[0-9]{1,9}\]|#[0-9]{1,9}|(?:q|question |no\. ?)?[0-9]{1,9}[.):])[.):]?\s/;
const COUNTER_BEHIND =
  /(?:(?<=\s)(?:\([0-9/]{1,9}\)|\[[0-9/]{1,9}\]|#[0-9]{1,9})|(?<=[.?!])\s+[0-9]{1,9})\s*$/;

const scopeSchema = z.object({
  version: z.literal(1),
  /** Smallest margin of a question that is answered. */
  threshold: z.number(),
  /** Rows of the table. */
  buckets: z.int().min(1).max(1 << 20),
  width: z.int().min(1).max(1024),
  /** Whole answers that refuse; the model chooses among them. */
  refusals: z.array(z.string().min(1)).min(1).max(64),
  /** Begins of questions that are left out before they are judged. */
  strip: z.array(z.string().min(1)).max(64).default([]),
  /** Begins of questions that are answered unjudged. */
  pass: z.array(z.string().min(1)).max(64).default([]),
  /** Words of the corpus, with a space between two. */
  words: z.string(),
  bias: z.array(z.number()).min(2),
  /** Value of 1 in `rows` and in `head`. */
  rows_step: z.number().positive(),
  head_step: z.number().positive(),
  /** i8 (buckets, width), base64. */
  rows: z.string(),
  /** i8 (classes, width), base64. */
  head: z.string(),
});

/** See the module's text. */
export class ModelScope {
  /** Whole answers to a question outside of the scope, of which the model chooses one. */
  readonly refusals: readonly string[];
  readonly #threshold: number;
  readonly #buckets: number;
  readonly #width: number;
  readonly #strip: readonly string[];
  readonly #pass: readonly string[];
  readonly #words: ReadonlySet<string>;
  readonly #bias: readonly number[];
  /** i8 (buckets, width). */
  readonly #rows: Int8Array;
  /** i8 (classes, width). */
  readonly #head: Int8Array;
  /** What 1 in `#rows` times 1 in `#head` is worth. */
  readonly #step: number;

  private constructor(told: z.infer<typeof scopeSchema>, rows: Int8Array, head: Int8Array) {
    this.refusals = told.refusals;
    this.#threshold = told.threshold;
    this.#buckets = told.buckets;
    this.#width = told.width;
    this.#strip = told.strip;
    this.#pass = told.pass;
    this.#words = new Set(told.words.split(" "));
    this.#bias = told.bias;
    this.#rows = rows;
    this.#head = head;
    this.#step = told.rows_step * told.head_step;
  }

  /**
   * The scope that a generation_config.json has; undefined: it has none. `file` is its path, for
   * messages. Throws OrreryError `model/generation_config_malformed`.
   */
  static fromConfig(config: unknown, file: string): ModelScope | undefined {
    const value = (config as Record<string, unknown> | null | undefined)?.[SCOPE_FIELD];
    if (value === undefined || value === null) return undefined;
    const malformed = (where: string, why: string) =>
      modelError(
        "generation_config_malformed",
        `${file}: ${SCOPE_FIELD}${where}: ${why}; correct it or leave ${SCOPE_FIELD} out`,
        { file },
      );
    const parsed = scopeSchema.safeParse(value);
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0];
      throw malformed(path.map((part) => `.${String(part)}`).join(""), message);
    }
    const told = parsed.data;
    const table = (field: "rows" | "head", count: number): Int8Array => {
      let bytes: Uint8Array;
      try {
        bytes = Uint8Array.fromBase64(told[field]);
      } catch {
        throw malformed(`.${field}`, "it is no base64");
      }
      const wanted = count * told.width;
      if (bytes.length === wanted) return new Int8Array(bytes.buffer, bytes.byteOffset, wanted);
      throw malformed(`.${field}`, `it has ${bytes.length} bytes and must have ${wanted}`);
    };
    return new ModelScope(told, table("rows", told.buckets), table("head", told.bias.length));
  }

  /** Whether the model should know an answer to the question. */
  covers(question: string): boolean {
    return this.#pass.some((begin) => question.startsWith(begin)) ||
      this.margin(question) >= this.#threshold;
  }

  /** How much likelier it is that the question is about something known than about nothing known. */
  margin(question: string): number {
    const begin = this.#strip.find((each) => question.startsWith(each)) ?? "";
    const tokens = questionTokens(question.slice(begin.length));
    const features = questionFeatures(tokens, (word) => this.#words.has(word));
    const sum = new Float64Array(this.#width);
    for (const feature of features) {
      const at = (fnv1a(feature) % this.#buckets) * this.#width;
      for (let i = 0; i < sum.length; i++) sum[i] += this.#rows[at + i];
    }
    const scale = this.#step / Math.sqrt(Math.max(1, features.length));
    const scores = this.#bias.map((bias, of) => {
      let dot = 0;
      for (let i = 0; i < sum.length; i++) dot += this.#head[of * this.#width + i] * sum[i];
      return bias + dot * scale;
    });
    return Math.max(...scores.slice(0, -1)) - scores[scores.length - 1];
  }
}

/**
 * The tokens of a question: words of ASCII letters, `0` for a number, `@` for a mark of formulas and
 * programs, `~` for any other character; of equal marks in a row the first. A number that counts
 * questions is left out.
 */
export function questionTokens(question: string): string[] {
  const tokens: string[] = [];
  const text = question.slice(0, MOST_CHARS).toLowerCase().replaceAll("\u2019", "'")
    .replace(COUNTER_BEFORE, "").replace(COUNTER_BEHIND, "");
  for (const [part] of text.matchAll(PARTS)) {
    if (COMMON.has(part)) continue;
    if (WORD.test(part)) tokens.push(part.replaceAll("'", ""));
    else {
      const mark = /^[0-9]/.test(part) ? "0" : part.charCodeAt(0) < 128 ? "@" : "~";
      if (tokens.at(-1) !== mark) tokens.push(mark);
    }
    if (tokens.length === MOST_TOKENS) break;
  }
  return tokens;
}

/** The features of a question; `known`: whether the corpus of the model has a word. */
export function questionFeatures(
  tokens: readonly string[],
  known: (word: string) => boolean,
): string[] {
  const features: string[] = [];
  const spelled = ["<"];
  for (const token of tokens) {
    const word = WORD.test(token);
    const strange = word && !known(token);
    spelled.push(strange ? "?" : token);
    features.push(`w${token}`);
    if (strange) features.push("?");
    if (!word || token.length <= 3) continue;
    const marked = `<${token}>`;
    for (const size of PIECES) {
      for (let at = 0; at + size <= marked.length; at++) {
        features.push(`c${marked.slice(at, at + size)}`);
      }
    }
  }
  spelled.push(">");
  for (let i = 1; i < spelled.length; i++) features.push(`p${spelled[i - 1]} ${spelled[i]}`);
  return features;
}

/** FNV-1a over the characters of an ASCII text, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
