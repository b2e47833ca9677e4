/**
 * A checkpoint's tokenizer: text to token ids and back.
 *
 * @module
 */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { join } from "node:path";
import { z } from "zod";
import { modelError, reasonOf } from "../errors.ts";
import { parseJson, readIfThere, readJsonFile } from "../files.ts";
import { shrinksBy } from "./fewest_tokens.ts";
import { PlainReading } from "./plain_reading.ts";
import { bytesOfToken, type Spelling, spellingOf } from "./token_bytes.ts";

const part = z.record(z.string(), z.unknown()).nullable().default(null);

const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.enum(["BPE", "WordPiece", "Unigram"]).optional(),
    vocab: z.union([z.record(z.string(), z.number().int().nonnegative()), z.array(z.unknown())]),
  }),
  added_tokens: z.array(z.looseObject({
    id: z.number().int().nonnegative(),
    content: z.string().min(1),
    special: z.boolean().default(false),
  })).default([]),
  normalizer: part,
  pre_tokenizer: part,
  post_processor: part,
  decoder: part,
});

/** Characters of a token, at the begin of a text that is looked at for its number of tokens. */
const BEGIN_CHARS = 6;
/** Most characters of the last word there. */
const LAST_CHARS = 1_024;

const namedToken = z.union([
  z.string(),
  z.looseObject({ content: z.string() }).transform((token) => token.content),
]);

/** The fields of tokenizer_config.json that are read here; unknown fields are kept. */
export const tokenizerConfigSchema = z.looseObject({
  bos_token: namedToken.nullish(),
  eos_token: namedToken.nullish(),
  unk_token: namedToken.nullish(),
  pad_token: namedToken.nullish(),
  add_bos_token: z.boolean().nullish(),
  additional_special_tokens: z.array(namedToken).nullish(),
  chat_template: z.union([
    z.string(),
    z.array(z.object({ name: z.string(), template: z.string() })),
  ])
    .nullish(),
});

/**
 * Replaces each `Digits` step of a pre-tokenizer by the `Split` step that it stands for. The
 * library's own `Digits` matches ASCII digits only, the reference implementation every numeric
 * character (such as ½ or Arabic digits).
 */
function anyDigits<T>(step: T): T {
  const { type, pretokenizers, individual_digits } = (step ?? {}) as Record<string, unknown>;
  if (type === "Sequence" && Array.isArray(pretokenizers)) {
    return { ...step, pretokenizers: pretokenizers.map(anyDigits) };
  }
  if (type !== "Digits") return step;
  const pattern = { Regex: individual_digits ? "\\p{N}" : "\\p{N}+" };
  return { type: "Split", pattern, behavior: "Isolated", invert: false } as T;
}

/** A validated tokenizer_config.json. */
export type TokenizerConfig = z.infer<typeof tokenizerConfigSchema>;

/** Options of {@linkcode Tokenizer.encode}. */
export interface EncodeOptions {
  /**
   * Whether to add what the tokenizer puts around a text (mostly BOS). Right for a plain prompt;
   * wrong for a rendered chat, whose template has already written it. @default true
   */
  addSpecialTokens?: boolean;
}

/** Options of {@linkcode Tokenizer.encodeMarked}. */
export interface EncodeMarkedOptions {
  /**
   * The chat template's source: tokens that it names are no less special than those that the
   * tokenizer calls so. @default ""
   */
  template?: string;
}

/** Options of {@linkcode Tokenizer.decode}. */
export interface DecodeOptions {
  /** Whether to leave special tokens out of the text. @default true */
  skipSpecialTokens?: boolean;
  /** Special tokens that are never left out. @default none */
  shown?: ReadonlySet<number>;
}

/**
 * Turns text into token ids and back. It never removes spaces before punctuation
 * (`clean_up_tokenization_spaces`), so that the text is exactly what the ids say.
 */
export class Tokenizer {
  /** Ids of special tokens. */
  readonly specialIds: ReadonlySet<number>;
  /** Largest id + 1. A model's embedding may have more rows. */
  readonly vocabSize: number;
  /** Largest id + 1 of its vocabulary, without the tokens that were added to it. */
  readonly baseSize: number;
  /** Id of `bos_token` of tokenizer_config.json; null: none, or not in the vocabulary. */
  readonly bosToken: number | null;
  readonly #library: Library;
  readonly #added: ReadonlyMap<number, string>;
  readonly #byteLevel: boolean;
  /** How its vocabulary spells bytes; undefined: in a way that is not known here. */
  readonly spelling: Spelling | undefined;
  readonly #addBos: boolean | undefined;
  readonly #plain: PlainReading;
  /** See {@linkcode shrinksBy}. */
  readonly #shrinks: number | undefined;
  /** Bytes of the longest token; undefined: not looked for yet. */
  #longest?: number;

  private constructor(json: z.infer<typeof tokenizerSchema>, config: TokenizerConfig) {
    const library = { ...json, pre_tokenizer: anyDigits(json.pre_tokenizer) };
    this.#library = new Library(library, { ...config, clean_up_tokenization_spaces: false });
    this.#added = new Map(json.added_tokens.map(({ id, content }) => [id, content]));
    const named = new Set(config.additional_special_tokens ?? []);
    this.specialIds = new Set(
      json.added_tokens.filter(({ special, content }) => special || named.has(content)).map((
        { id },
      ) => id),
    );
    let last = json.model.vocab instanceof Array ? json.model.vocab.length - 1 : 0;
    if (!(json.model.vocab instanceof Array)) {
      for (const id of Object.values(json.model.vocab)) last = Math.max(last, id);
    }
    this.baseSize = last + 1;
    for (const id of this.#added.keys()) last = Math.max(last, id);
    this.vocabSize = last + 1;
    this.bosToken = config.bos_token ? this.#library.token_to_id(config.bos_token) ?? null : null;
    this.#byteLevel = /"type":"ByteLevel"/.test(JSON.stringify(json.decoder));
    this.spelling = spellingOf(json.decoder);
    this.#addBos = config.add_bos_token ?? undefined;
    this.#plain = new PlainReading(this.#library, (token) => this.specialIds.has(token.id));
    this.#shrinks = this.spelling && shrinksBy(json);
  }

  /**
   * Makes a tokenizer from the contents of tokenizer.json and tokenizer_config.json; `file` is the
   * path of the first, for messages. Throws OrreryError `model/tokenizer_malformed`.
   */
  static fromJson(json: unknown, config: unknown = {}, file = "tokenizer.json"): Tokenizer {
    const fail = (why: string, cause?: unknown) =>
      modelError("tokenizer_malformed", `${file} cannot be used: ${why}`, { file }, cause);
    const checked = tokenizerSchema.safeParse(json);
    const checkedConfig = tokenizerConfigSchema.safeParse(config);
    const issue = checked.error?.issues[0];
    if (!checked.success) throw fail(`${issue?.path.join(".") || "its top"}: ${issue?.message}`);
    if (!checkedConfig.success) {
      const { path, message } = checkedConfig.error.issues[0];
      throw fail(`tokenizer_config.json: ${path.join(".") || "its top"}: ${message}`);
    }
    try {
      return new Tokenizer(checked.data, checkedConfig.data);
    } catch (error) {
      throw fail(reasonOf(error), error);
    }
  }

  /**
   * Reads the tokenizer of a model folder: tokenizer.json and, where it exists,
   * tokenizer_config.json.
   */
  static async load(folder: string): Promise<Tokenizer> {
    const file = join(folder, "tokenizer.json");
    return Tokenizer.fromJson(await readJsonFile(file), await readTokenizerConfig(folder), file);
  }

  /**
   * The ids of a text. BOS is added where `add_bos_token` of tokenizer_config.json says so or, if
   * it says nothing, where the post-processor of tokenizer.json does; never twice. Throws
   * OrreryError `model/text_not_encodable` for a text that the vocabulary cannot express.
   */
  encode(text: string, { addSpecialTokens = true }: EncodeOptions = {}): number[] {
    const ids: (number | undefined)[] = text === "" && !addSpecialTokens
      ? []
      : this.#library.encode(text, { add_special_tokens: addSpecialTokens }).ids;
    const found = known(ids);
    const bos = this.bosToken;
    if (!addSpecialTokens || bos === null) return found;
    if (this.#addBos === false && found[0] === bos && !text.startsWith(this.#text(bos))) {
      return found.slice(1);
    }
    if (this.#addBos === true && found[0] !== bos) return [bos, ...found];
    return found[0] === bos && found[1] === bos ? found.slice(1) : found;
  }

  /**
   * The ids of a prompt that a chat template wrote. `marks` has a character for each of `text`, `1`
   * where it came from the request: no special token is read there, so that `<|im_end|>` in a
   * message is text. Without such text the ids are those of `encode`, without what that adds.
   * Throws as {@linkcode encode}.
   */
  encodeMarked(
    { text, marks }: { text: string; marks: string },
    { template = "" }: EncodeMarkedOptions = {},
  ): number[] {
    const ids = this.#plain.encode(text, marks, template);
    return ids ? known(ids) : this.encode(text, { addSpecialTokens: false });
  }

  /**
   * Tokens that a text has at least, by its bytes and the longest token of the vocabulary: what is
   * added around it does not count. 0 where this tokenizer may throw parts of a text away. The first
   * call looks at the whole vocabulary (0.1 s with 150,000 tokens).
   */
  fewestTokens(text: string): number {
    if (this.#shrinks === undefined) return 0;
    if (this.#longest === undefined) {
      this.#longest = 1;
      for (let id = 0; id < this.vocabSize; id++) {
        this.#longest = Math.max(this.#longest, this.tokenBytes(id).length);
      }
    }
    return Math.ceil(Buffer.byteLength(text) / this.#shrinks / this.#longest);
  }

  /**
   * Whether a text has more tokens than `most`, told by its begin where that suffices; false: it may
   * have fewer. What is cut into pieces from the left has the same pieces however it goes on, but
   * for the last one.
   */
  exceeds(text: string, most: number): boolean {
    if (this.fewestTokens(text) > most) return true;
    if (this.#shrinks === undefined || !this.#byteLevel) return false;
    const begin = text.slice(0, most * BEGIN_CHARS + LAST_CHARS);
    if (begin.length * 2 > text.length) return false; // it saves little
    const last = Buffer.byteLength(/\s*\S*$/.exec(begin.slice(-LAST_CHARS))![0]);
    if (last >= LAST_CHARS) return false; // a word without an end
    return this.encode(begin, { addSpecialTokens: false }).length - last > most;
  }

  /**
   * The text of ids. An incomplete UTF-8 character becomes U+FFFD; an id outside the vocabulary
   * adds nothing.
   */
  decode(
    ids: readonly number[],
    { skipSpecialTokens = true, shown }: DecodeOptions = {},
  ): string {
    const skips = (id: number) => this.specialIds.has(id) && !shown?.has(id);
    const kept = ids.filter((id) => this.#text(id) !== "" && !(skipSpecialTokens && skips(id)));
    return kept.length === 0
      ? ""
      : this.#library.decode(kept, { skip_special_tokens: skipSpecialTokens && !shown });
  }

  /**
   * The text of one token by itself, its leading space included; a part of a character is U+FFFD.
   */
  tokenText(id: number): string {
    const added = this.#added.get(id);
    if (added !== undefined) return added;
    const raw = this.#text(id);
    return this.#byteLevel && raw !== "" ? this.decode([id]) : raw.replaceAll("\u2581", " ");
  }

  /**
   * The bytes that a token adds to a text, its leading space included; no bytes for an id outside
   * the vocabulary, or where {@linkcode Tokenizer.spelling} is not known.
   */
  tokenBytes(id: number): Uint8Array {
    const added = this.#added.get(id);
    if (added !== undefined) return new TextEncoder().encode(added);
    const spelled = this.#text(id);
    return spelled === "" || this.spelling === undefined
      ? new Uint8Array(0)
      : bytesOfToken(spelled, this.spelling);
  }

  /** The id of a token that was added to the vocabulary as a whole text; undefined: it has none. */
  addedId(text: string): number | undefined {
    for (const [id, content] of this.#added) if (content === text) return id;
    return undefined;
  }

  #text(id: number): string {
    return this.#library.id_to_token(id) ?? "";
  }
}

/** The ids. Throws OrreryError `model/text_not_encodable` where one is missing. */
function known(ids: readonly (number | undefined)[]): number[] {
  if (!ids.some((id) => id === undefined)) return ids as number[];
  throw modelError(
    "text_not_encodable",
    "the text has characters that the tokenizer has no token for",
  );
}

/** Reads tokenizer_config.json of a model folder; `{}` if the file does not exist. */
export async function readTokenizerConfig(folder: string): Promise<unknown> {
  const path = join(folder, "tokenizer_config.json");
  const bytes = await readIfThere(path);
  return bytes ? parseJson(bytes, path) : {};
}
