import assert from "node:assert/strict";
import { join } from "node:path";
import { ChatTemplate, describe, type ModelTexts, Tokenizer } from "../../models/mod.ts";
import { inFolder } from "../../tests/support/store_folder.ts";
import { writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { SEQUENCE_TOKENS, sequencesOf } from "./sequences.ts";

Deno.test("sequencesOf() fills sequences with text and gives each answer its own", async () => {
  await inFolder(async (dir) => {
    await writeTinyCheckpoint(join(dir, "model"));
    const texts: ModelTexts = {
      tokenizer: await Tokenizer.load(join(dir, "model")),
      template: await ChatTemplate.load(join(dir, "model")),
      bos: 4,
      ends: [1],
    };
    const config = join(dir, "model", "config.json");
    const { geometry } = describe(JSON.parse(await Deno.readTextFile(config)), config);
    const parts = { texts, geometry: { ...geometry, context: 1000 } };
    const sequences = sequencesOf([
      { text: "a".repeat(200) },
      { question: "Why?", answer: "So." },
      { text: "b".repeat(100) },
    ], parts);
    const [answer, ...plain] = sequences;
    const prompt = texts.template.render([{ role: "user", content: "Why?" }]);
    const ids = (text: string) => texts.tokenizer.encode(text, { addSpecialTokens: false });
    assert.deepEqual([...answer.tokens], [...ids(prompt), ...ids("So."), 1]);
    assert.equal(answer.from, ids(prompt).length - 1);
    assert.deepEqual(plain.map(({ from }) => from), [0, 0]);
    assert.deepEqual(plain.map(({ tokens }) => tokens[0]), [4, 4]);
    assert.equal(plain[0].tokens.length, SEQUENCE_TOKENS);
    const all = plain.flatMap(({ tokens }) => [...tokens.subarray(1)]);
    assert.deepEqual(all, ids(`${"a".repeat(200)}\n\n${"b".repeat(100)}\n\n`));
    assert.deepEqual(sequencesOf([], parts), []);
    const short = sequencesOf([{ text: "a".repeat(100) }], {
      ...parts,
      geometry: { ...geometry, context: 64 },
    });
    assert.deepEqual(short.map(({ tokens }) => tokens.length), [64, 40]);
  });
});
