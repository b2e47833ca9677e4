import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { inFolder } from "../../tests/support/store_folder.ts";
import { describe } from "../arch/mod.ts";
import { endTokens, readTextFiles } from "./text_files.ts";

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const tokens = (files: Record<string, unknown>, config: Record<string, unknown> = {}) =>
  endTokens(
    describe({ ...MINIMAL_CONFIG, ...config }, "config.json"),
    new Map(Object.entries(files).map(([file, value]) => [file, json(value)])),
    "folder",
  );
const TOKENIZER = {
  "tokenizer.json": { added_tokens: [{ id: 7, content: "<eos>" }, { id: 8, content: "<bos>" }] },
  "tokenizer_config.json": { eos_token: "<eos>", bos_token: { content: "<bos>" } },
};

Deno.test("endTokens() takes EOS from generation_config, else config, else the tokenizer", () => {
  const generation = { "generation_config.json": { eos_token_id: [4, 5], bos_token_id: 9 } };
  const config = { eos_token_id: 6, bos_token_id: 3 };
  assert.deepEqual(tokens({ ...TOKENIZER, ...generation }, config), {
    eos_tokens: [4, 5],
    bos_token: 3,
  });
  assert.deepEqual(tokens({ ...TOKENIZER, ...generation }), { eos_tokens: [4, 5], bos_token: 9 });
  assert.deepEqual(tokens(TOKENIZER, config), { eos_tokens: [6], bos_token: 3 });
  assert.deepEqual(tokens(TOKENIZER), { eos_tokens: [7], bos_token: 8 });
  assert.deepEqual(tokens({}), { eos_tokens: [], bos_token: null });
});

Deno.test("endTokens() refuses an id outside the vocabulary and a file that is not JSON", () => {
  assert.throws(() => tokens({}, { eos_token_id: 300 }), {
    code: "config_malformed",
    message: "folder: token id 300 is outside the vocabulary of 300",
  });
  const described = describe(MINIMAL_CONFIG, "config.json");
  const broken = new Map([["tokenizer_config.json", new TextEncoder().encode("{")]]);
  assert.throws(() => endTokens(described, broken, "folder"), { code: "file_malformed" });
});

Deno.test("readTextFiles() needs tokenizer.json and keeps the other text files that exist", async () => {
  await inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/chat_template.jinja`, "t");
    await Deno.writeTextFile(`${dir}/notes.txt`, "n");
    await assert.rejects(readTextFiles(dir), { code: "file_missing" });
    await Deno.writeTextFile(`${dir}/tokenizer.json`, "{}");
    assert.deepEqual([...(await readTextFiles(dir)).keys()], [
      "tokenizer.json",
      "chat_template.jinja",
    ]);
  });
});
