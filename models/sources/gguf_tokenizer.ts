/**
 * Rebuilds, from the tokenizer in a GGUF file, the tokenizer.json and tokenizer_config.json that it
 * was made of.
 *
 * `gpt2`: byte-level BPE. Vocabulary and merges are in the file. How a text is split into words is
 * only named, so the expressions behind the known names are here.
 *
 * `llama`: SentencePiece BPE. The file has scores instead of merges. The merges are reconstructed
 * as transformers does: every way to make a token of two others is a merge, best score first. For
 * Llama 2 this gives the published list, except for the order of the runs of spaces, which share
 * one score. (Tokens of equal score merge by rank, where SentencePiece goes from left to right.)
 *
 * A GGUF file does not say whether a special token strips the spaces beside it (only Phi-3's are
 * known to), nor whether it is looked for before or after a text is normalised (here: before).
 *
 * @module
 */
import { ggufError, type GgufHeader, type GgufValue } from "./gguf.ts";
import { SPLITTINGS } from "./gguf_splittings.ts";

/** The tokenizer of a GGUF file in the form of Hugging Face files. */
export interface GgufTokenizer {
  /** Contents of tokenizer.json. */
  tokenizer: Record<string, unknown>;
  /** Contents of tokenizer_config.json. */
  settings: Record<string, unknown>;
  /** Id of the token that begins a text; null: none. */
  bos: number | null;
  /** Ids of the tokens that end an answer. */
  ends: number[];
}

/** Types of tokens by their number in the file. */
const NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6;

/** Tokens that end a turn whatever the metadata say, as in llama.cpp. */
const TURN_ENDS = [
  "<|eot_id|>",
  "<|eom_id|>",
  "<|im_end|>",
  "<|end|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|return|>",
  "<|call|>",
];

/**
 * Token that ends a message and not the turn, where the vocabulary has tokens that end a turn of
 * several messages (gpt-oss).
 */
const MESSAGE_END = { token: "<|end|>", unless: "<|return|>" };

/**
 * Rebuilds the tokenizer from a file's metadata; `path` is for messages. Throws OrreryError
 * `model/gguf_malformed` or `model/gguf_unsupported`.
 */
export function tokenizerOf(metadata: GgufHeader["metadata"], path: string): GgufTokenizer {
  const fields = new Fields(metadata, path);
  const kind = fields.text("model");
  if (kind !== "gpt2" && kind !== "llama") {
    throw ggufError(
      "gguf_unsupported",
      path,
      `tokenizer ${kind ?? "missing"} (supported: gpt2, llama)`,
    );
  }
  const tokens = fields.list("tokens", "string", undefined) ?? [];
  if (tokens.length === 0) throw fields.bad("tokens are missing");
  const types = fields.list("token_type", "number", tokens.length) ?? tokens.map(() => NORMAL);
  const name = String(metadata.get("general.architecture"));
  const { model, bosByDefault, ...parts } = kind === "gpt2"
    ? byteLevel(fields, tokens, types)
    : sentencePiece(fields, tokens, types);
  const id = (key: string): number | null => fields.id(key, tokens.length);
  const bos = id("bos_token_id");
  const eos = id("eos_token_id");
  const unknown = id("unknown_token_id");
  const pad = id("padding_token_id");
  const addBos = (fields.flag("add_bos_token") ?? bosByDefault) && bos !== null;
  const addEos = (fields.flag("add_eos_token") ?? false) && eos !== null;
  const added = tokens.flatMap((content, index) => {
    const special = types[index] === CONTROL || types[index] === UNKNOWN;
    if (content === "" || !special && types[index] !== USER_DEFINED) return [];
    const strips = name === "phi3" && types[index] === CONTROL &&
      !["<unk>", "<s>", "<|endoftext|>"].includes(content);
    return [{
      id: index,
      content,
      single_word: false,
      lstrip: false,
      rstrip: strips,
      normalized: false,
      special,
    }];
  });
  const around = [...(addBos ? [bos] : []), null, ...(addEos ? [eos] : [])];
  const named = (token: number | null) => token === null ? null : tokens[token];
  const stated = [eos, id("eot_token_id"), id("eom_token_id")].filter((token) => token !== null);
  const several = added.some(({ content }) => content === MESSAGE_END.unless);
  const turns = added.filter(({ content }) =>
    TURN_ENDS.includes(content) && !(several && content === MESSAGE_END.token)
  ).map((token) => token.id);
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added,
      ...parts,
      post_processor: around.length === 1 ? null : template(around.map(named), tokens),
      model: { dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null, ...model },
    },
    settings: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      add_bos_token: addBos,
      bos_token: named(bos),
      eos_token: named(eos),
      unk_token: named(unknown),
      pad_token: named(pad),
      ...chatTemplates(metadata),
    },
    bos,
    ends: [...new Set([...stated, ...turns])],
  };
}

/** The parts of tokenizer.json that differ between the kinds of tokenizers. */
interface TokenizerParts {
  model: Record<string, unknown>;
  normalizer: unknown;
  pre_tokenizer: unknown;
  decoder: unknown;
  /** Whether BOS is added where the file does not say. */
  bosByDefault: boolean;
}

/** The parts of a `gpt2` tokenizer. */
function byteLevel(fields: Fields, tokens: string[], types: number[]): TokenizerParts {
  const named = fields.text("pre") ?? "default";
  const splitting = Object.hasOwn(SPLITTINGS, named) ? SPLITTINGS[named] : undefined;
  if (!splitting) {
    const known = Object.keys(SPLITTINGS).join(", ");
    throw ggufError(
      "gguf_unsupported",
      fields.path,
      `tokenizer.ggml.pre ${named} (supported: ${known})`,
    );
  }
  const merges = (fields.list("merges", "string", undefined) ?? []).map((merge) => {
    const at = merge.indexOf(" ", 1);
    if (at < 1 || at === merge.length - 1) {
      throw fields.bad(`merge ${JSON.stringify(merge)} is not two tokens`);
    }
    return [merge.slice(0, at), merge.slice(at + 1)];
  });
  const split = splitting.split.map((Regex) => (
    { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false }
  ));
  const bytes = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: false,
    use_regex: false,
  };
  return {
    normalizer: splitting.normalizer ?? null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...split, bytes] },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    bosByDefault: splitting.addBos ?? false,
    model: {
      type: "BPE",
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: splitting.ignoreMerges ?? false,
      vocab: vocabulary(fields, tokens, types, [NORMAL]),
      merges,
    },
  };
}

/** The parts of a `llama` tokenizer. */
function sentencePiece(fields: Fields, tokens: string[], types: number[]): TokenizerParts {
  const scores = fields.list("scores", "number", tokens.length);
  if (!scores) throw fields.bad("scores are missing");
  const prefix = fields.flag("add_space_prefix") ?? true;
  const spaces = { type: "Replace", pattern: { String: " " }, content: "\u2581" };
  const vocab = vocabulary(fields, tokens, types, [NORMAL, UNKNOWN, CONTROL, BYTE]);
  const merges: { pair: [string, string]; score: number }[] = [];
  tokens.forEach((token, id) => {
    if (types[id] !== NORMAL) return;
    const found: [string, string][] = [];
    for (let at = 1; at < token.length; at++) {
      const pair: [string, string] = [token.slice(0, at), token.slice(at)];
      if (pair.every((part) => Object.hasOwn(vocab, part))) found.push(pair);
    }
    found.sort(([a, b], [c, d]) => vocab[a] - vocab[c] || vocab[b] - vocab[d]);
    for (const pair of found) merges.push({ pair, score: scores[id] });
  });
  merges.sort((a, b) => b.score - a.score); // the sort is stable, so equal scores keep this order
  const unknown = types.indexOf(UNKNOWN);
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [...(prefix ? [{ type: "Prepend", prepend: "\u2581" }] : []), spaces],
    },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "\u2581" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    bosByDefault: true,
    model: {
      type: "BPE",
      unk_token: unknown < 0 ? null : tokens[unknown],
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab,
      merges: merges.map(({ pair }) => pair),
    },
  };
}

/**
 * Ids by text of the tokens whose type is one of `kinds`. Of two tokens with the same text the
 * first counts.
 */
function vocabulary(
  { bad }: Fields,
  tokens: string[],
  types: number[],
  kinds: number[],
): Record<string, number> {
  const vocab: Record<string, number> = Object.create(null); // a token may be called __proto__
  tokens.forEach((token, id) => {
    if (kinds.includes(types[id]) && !Object.hasOwn(vocab, token)) vocab[token] = id;
  });
  if (Object.keys(vocab).length === 0) throw bad("none of its tokens is an ordinary one");
  return vocab;
}

/** The post-processor that adds special tokens; `around` is their order, with null for the text. */
function template(around: (string | null)[], tokens: string[]): Record<string, unknown> {
  const special = around.filter((token) => token !== null);
  const piece = (sequence: "A" | "B", type_id: number) =>
    around.map((id) =>
      id === null ? { Sequence: { id: sequence, type_id } } : { SpecialToken: { id, type_id } }
    );
  return {
    type: "TemplateProcessing",
    single: piece("A", 0),
    pair: [...piece("A", 0), ...piece("B", 1)],
    special_tokens: Object.fromEntries(
      special.map((token) => [token, { id: token, ids: [tokens.indexOf(token)], tokens: [token] }]),
    ),
  };
}

/**
 * The field chat_template: the template of `tokenizer.chat_template`, with those that have a name
 * if there are any.
 */
function chatTemplates(metadata: ReadonlyMap<string, GgufValue>): Record<string, unknown> {
  const main = metadata.get("tokenizer.chat_template");
  const prefix = "tokenizer.chat_template.";
  const others = [...metadata].flatMap(([key, template]) =>
    key.startsWith(prefix) && typeof template === "string"
      ? [{ name: key.slice(prefix.length), template }]
      : []
  );
  if (typeof main !== "string") return others.length === 0 ? {} : { chat_template: others };
  return {
    chat_template: others.length === 0 ? main : [{ name: "default", template: main }, ...others],
  };
}

/** Reads and checks metadata whose key begins with `tokenizer.ggml.`. */
class Fields {
  readonly path: string;
  readonly #metadata: ReadonlyMap<string, GgufValue>;

  constructor(metadata: ReadonlyMap<string, GgufValue>, path: string) {
    this.#metadata = metadata;
    this.path = path;
  }

  readonly bad = (why: string): Error =>
    ggufError("gguf_malformed", this.path, `its tokenizer: ${why}`);

  text(key: string): string | undefined {
    return this.#scalar(key, "string") as string | undefined;
  }

  flag(key: string): boolean | undefined {
    return this.#scalar(key, "boolean") as boolean | undefined;
  }

  /** The id of a token, which must be in the vocabulary; null: not stated. */
  id(key: string, tokens: number): number | null {
    const id = this.#scalar(key, "number") as number | undefined;
    if (id === undefined) return null;
    if (!Number.isInteger(id) || id < 0 || id >= tokens) {
      throw this.bad(`${key} ${id} is not one of ${tokens} tokens`);
    }
    return id;
  }

  list(key: string, type: "string", length: number | undefined): string[] | undefined;
  list(key: string, type: "number", length: number | undefined): number[] | undefined;
  list(key: string, type: "string" | "number", length: number | undefined): unknown[] | undefined {
    const found = this.#metadata.get(`tokenizer.ggml.${key}`);
    if (found === undefined) return undefined;
    if (!Array.isArray(found) || found.some((value: unknown) => typeof value !== type)) {
      throw this.bad(`${key} is not an array of ${type}s`);
    }
    if (length !== undefined && found.length !== length) {
      throw this.bad(`${key} has ${found.length} entries for ${length} tokens`);
    }
    return found;
  }

  #scalar(key: string, type: "string" | "number" | "boolean"): unknown {
    const found = this.#metadata.get(`tokenizer.ggml.${key}`);
    if (found !== undefined && typeof found !== type) throw this.bad(`${key} is not a ${type}`);
    return found;
  }
}
