/** A tokenizer that went through a GGUF file must encode as the one that it was made of. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeGguf, type GgufField, ggufTokenizer } from "../../tests/support/gguf_writer.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import { readGgufHeader } from "./gguf.ts";
import { type GgufTokenizer, tokenizerOf } from "./gguf_tokenizer.ts";
import { SPLITTINGS } from "./gguf_splittings.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FETCHED = join(ROOT, "../shared/data/fetched/tokenizers");

const TEXTS = [
  "",
  " ",
  "Hello world",
  "  two spaces, and   three\tand a tab\n\n\nand lines\r\n",
  "It's WE'LL don't i'M 'tis",
  "In 1999, 3.14159 and 1234567 = 10^6 + 234567; ½ and ٣",
  "naïve café — “quoted” … Ünïcödé Å e\u0301",
  "日本語のテキスト, 한국어, русский текст, العربية, हिन्दी",
  "🙂🚀 👩‍👩‍👧 \u{1F1E9}\u{1F1EA}",
  "for (let i=0;i<10;i++) { console.log(`${i}`) } // code\n\t\treturn x_y-z;",
  "<|im_start|>user\nHi<|im_end|>\n<|end|><s> </s>",
  "\u0000\u0007 ▁underscore\u00a0space",
];

type TokenizerJson = Parameters<typeof ggufTokenizer>[0];

/** Writes the fields into a file and reads the tokenizer from it. */
async function throughFile(fields: Record<string, GgufField>): Promise<GgufTokenizer> {
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    await Deno.writeFile(
      path,
      encodeGguf({ "general.architecture": { type: "string", value: "llama" }, ...fields }, []),
    );
    using file = await Deno.open(path);
    return tokenizerOf(readGgufHeader(file, path).metadata, path);
  } finally {
    await Deno.remove(path);
  }
}

/**
 * The library's `Digits` splits off ASCII digits only; the original implementation, and a GGUF
 * file, all of `\\p{N}`.
 */
function withAllDigits(original: TokenizerJson): unknown {
  const split = {
    type: "Split",
    pattern: { Regex: "\\p{N}" },
    behavior: "Isolated",
    invert: false,
  };
  return JSON.parse(
    JSON.stringify(original),
    (_, value) => value?.type === "Digits" ? split : value,
  );
}

async function readIfThere(path: string): Promise<TokenizerJson | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function assertSameIds({ tokenizer, settings }: GgufTokenizer, original: unknown): void {
  const [mine, theirs] = [Tokenizer.fromJson(tokenizer, settings), Tokenizer.fromJson(original)];
  for (const text of TEXTS) {
    for (const addSpecialTokens of [true, false]) {
      const ids = theirs.encode(text, { addSpecialTokens });
      assert.deepEqual(mine.encode(text, { addSpecialTokens }), ids, JSON.stringify(text));
      assert.equal(mine.decode(ids), theirs.decode(ids), JSON.stringify(text));
    }
  }
}

/** A run of spaces: Llama 2 has all of them at the lowest score. */
const isRun = (token: string) => /^\u2581\u2581+$/.test(token);

/** SentencePiece's fields: Llama 2's score is the piece's place behind the bytes, negative. */
function sentencePieceFields({ model, added_tokens }: TokenizerJson): Record<string, GgufField> {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  const special = new Set(added_tokens.map(({ id }) => id));
  const types = tokens.map((token, id) => {
    if (special.has(id)) return token === "<unk>" ? 2 : 3;
    return /^<0x[0-9A-F]{2}>$/.test(token) ? 6 : 1;
  });
  return {
    "tokenizer.ggml.model": { type: "string", value: "llama" },
    "tokenizer.ggml.pre": { type: "string", value: "default" },
    "tokenizer.ggml.tokens": { type: "string", value: tokens },
    "tokenizer.ggml.scores": {
      type: "f32",
      value: tokens.map((token, id) => types[id] !== 1 ? 0 : isRun(token) ? -1e9 : 259 - id),
    },
    "tokenizer.ggml.token_type": { type: "i32", value: types },
    "tokenizer.ggml.bos_token_id": { type: "u32", value: 1 },
    "tokenizer.ggml.eos_token_id": { type: "u32", value: 2 },
    "tokenizer.ggml.unknown_token_id": { type: "u32", value: 0 },
  };
}

Deno.test("tokenizerOf() gives the embedded model's ids", async () => {
  const original = (await readIfThere(join(ROOT, "models/embedded/target/tokenizer.json")))!;
  assertSameIds(await throughFile(ggufTokenizer(original, "gpt-2")), original);
});

for (const [name, pre] of [["SmolLM2-135M-Instruct", "smollm"], ["Qwen2.5", "qwen2"]]) {
  const original = await readIfThere(join(FETCHED, name, "tokenizer.json"));
  const why = original ? "" : " (skipped: the tokenizer is not here)";
  Deno.test(`tokenizerOf() gives the ids of ${name}${why}`, { ignore: !original }, async () => {
    assertSameIds(await throughFile(ggufTokenizer(original!, pre)), withAllDigits(original!));
  });
}

const llama2 = await readIfThere(join(FETCHED, "Llama-2/tokenizer.json"));
const why = llama2 ? "" : " (skipped: the tokenizer is not here)";
Deno.test(
  `tokenizerOf() reconstructs Llama 2's merges from scores${why}`,
  { ignore: !llama2 },
  async () => {
    const read = await throughFile(sentencePieceFields(llama2!));
    const { merges } = read.tokenizer["model"] as { merges: [string, string][] };
    const [mine, published] = [
      merges.map((pair) => pair.join(" ")),
      llama2!.model.merges as string[],
    ];
    const words = (all: string[]) => all.filter((merge) => !isRun(merge.replace(" ", "")));
    assert.deepEqual(words(mine), words(published));
    assert.deepEqual(mine.toSorted(), published.toSorted());
    // the file cannot say that Llama 2's special tokens are looked for in the normalised text: they
    // are found as they stand
    assertSameIds(read, {
      ...llama2!,
      added_tokens: llama2!.added_tokens.map((t) => ({ ...t, normalized: false })),
    });
    assert.deepEqual([read.bos, read.ends], [1, [2]]);
  },
);

/** A small SentencePiece vocabulary. */
const SMALL: TokenizerJson = {
  model: {
    vocab: Object.fromEntries(
      [
        "<unk>",
        "<s>",
        "</s>",
        ...Array.from(
          { length: 256 },
          (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`,
        ),
        ..."▁a,ab,▁ab,abc,▁,a,b,c".split(","),
      ].map((token, id) => [token, id]),
    ),
    merges: [],
  },
  added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true })),
};

Deno.test("tokenizerOf() merges by score, falls back to bytes and puts a space before a text", async () => {
  const read = await throughFile(sentencePieceFields(SMALL));
  const tokenizer = Tokenizer.fromJson(read.tokenizer, read.settings);
  // "▁a" has a better score than "ab": "▁ab" + "c", never "▁" + "abc"
  assert.deepEqual(tokenizer.encode("abc é"), [1, 261, 266, 263, 3 + 0xc3, 3 + 0xa9]);
  assert.equal(tokenizer.decode(tokenizer.encode("abc é")), "abc é");
});

Deno.test("tokenizerOf() obeys add_bos_token, add_eos_token and add_space_prefix", async () => {
  const flag = (value: boolean): GgufField => ({ type: "bool", value });
  const read = await throughFile({
    ...sentencePieceFields(SMALL),
    "tokenizer.ggml.add_bos_token": flag(false),
    "tokenizer.ggml.add_eos_token": flag(true),
    "tokenizer.ggml.add_space_prefix": flag(false),
  });
  const tokenizer = Tokenizer.fromJson(read.tokenizer, read.settings);
  assert.deepEqual(tokenizer.encode("ab ab"), [260, 261, 2]);
  assert.equal(tokenizer.decode([260, 261]), "ab ab");
});

Deno.test("tokenizerOf() splits digits as the name in the file says, and knows each name", async () => {
  const tokens = ["1", "2", "3", "4", "12", "123", "1234", "23", "234"];
  const merges = ["1 2", "12 3", "123 4", "2 3", "23 4"];
  const pieces = async (pre: string): Promise<string> => {
    const { tokenizer, settings } = await throughFile({
      "tokenizer.ggml.model": { type: "string", value: "gpt2" },
      "tokenizer.ggml.pre": { type: "string", value: pre },
      "tokenizer.ggml.tokens": { type: "string", value: tokens },
      "tokenizer.ggml.token_type": { type: "i32", value: tokens.map(() => 1) },
      "tokenizer.ggml.merges": { type: "string", value: merges },
    });
    return Tokenizer.fromJson(tokenizer, settings).encode("1234").map((id) => tokens[id]).join(" ");
  };
  const expected: Record<string, string[]> = {
    "1234": ["gpt-2", "exaone4", "granite-docling", "deepseek-llm"],
    "1 2 3 4": [
      "qwen2",
      "qwen35",
      "stablelm2",
      "hunyuan",
      "smollm",
      "exaone",
      "seed-coder",
      "tekken",
      "viking",
    ],
    "123 4": [
      "llama-bpe",
      "falcon-h1",
      "lfm2",
      "glm4",
      "gpt-4o",
      "hunyuan-dense",
      "deepseek-v3",
      "minicpm5",
    ],
    "1 234": ["tiny_aya", "superbpe"],
  };
  for (const [split, names] of Object.entries(expected)) {
    for (const pre of names) assert.equal(await pieces(pre), split, pre);
  }
  for (const pre of Object.keys(SPLITTINGS)) {
    assert.equal((await pieces(pre)).replaceAll(" ", ""), "1234", pre);
  }
});

Deno.test("SPLITTINGS keeps marks with their letters where Qwen 3.5 does and Qwen 2 does not", () => {
  const pieces = (pre: string) => "हिन्दी e\u0301".match(new RegExp(SPLITTINGS[pre].split[0], "gu"));
  assert.deepEqual(pieces("qwen35"), ["हिन्दी", " e\u0301"]);
  assert.deepEqual(pieces("qwen2"), ["ह", "िन", "्द", "ी", " e", "\u0301"]);
});

Deno.test("tokenizerOf() takes <|end|> for the end of a message where others end the turn", async () => {
  const ends = async (tokens: string[]) =>
    (await throughFile({
      "tokenizer.ggml.model": { type: "string", value: "gpt2" },
      "tokenizer.ggml.pre": { type: "string", value: "gpt-4o" },
      "tokenizer.ggml.tokens": { type: "string", value: ["a", ...tokens] },
      "tokenizer.ggml.token_type": { type: "i32", value: [1, ...tokens.map(() => 3)] },
    })).ends;
  assert.deepEqual(await ends(["<|end|>"]), [1]);
  assert.deepEqual(await ends(["<|end|>", "<|return|>", "<|call|>"]), [2, 3]);
});

Deno.test("tokenizerOf() finds the tokens that end a turn and all chat templates", async () => {
  const tokens = ["a", "<eos>", "<|im_end|>"];
  const { ends, settings } = await throughFile({
    "tokenizer.ggml.model": { type: "string", value: "gpt2" },
    "tokenizer.ggml.pre": { type: "string", value: "qwen2" },
    "tokenizer.ggml.tokens": { type: "string", value: tokens },
    "tokenizer.ggml.token_type": { type: "i32", value: [1, 3, 3] },
    "tokenizer.ggml.eos_token_id": { type: "u32", value: 1 },
    "tokenizer.chat_template": { type: "string", value: "plain" },
    "tokenizer.chat_template.tool_use": { type: "string", value: "tools" },
  });
  assert.deepEqual(ends, [1, 2]);
  assert.deepEqual(settings["chat_template"], [
    { name: "default", template: "plain" },
    { name: "tool_use", template: "tools" },
  ]);
});

Deno.test("tokenizerOf() refuses other tokenizers by name, and lists of the wrong length", async () => {
  const fields = sentencePieceFields(SMALL);
  await assert.rejects(
    throughFile({ ...fields, "tokenizer.ggml.model": { type: "string", value: "t5" } }),
    { code: "gguf_unsupported", message: /tokenizer t5 \(supported: gpt2, llama\)/ },
  );
  await assert.rejects(
    throughFile({ ...fields, "tokenizer.ggml.scores": { type: "f32", value: [1, 2] } }),
    { code: "gguf_malformed", message: /scores has 2 entries for \d+ tokens/ },
  );
});
