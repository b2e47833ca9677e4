/**
 * Drafts of a model with another tokenizer, on the real engine at f32: the text joins the
 * vocabularies, and the tokens are those of plain decoding.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openPair, type PairOptions } from "./support/embedded_pair.ts";
import { writeOtherVocabulary } from "./support/other_vocabulary.ts";
import { FIFTY } from "./support/prompts.ts";
import { inFolder } from "./support/store_folder.ts";

const prompts = FIFTY.slice(0, 6);
const maxTokens = 24;

/** Share of the drafted rows that were accepted, by drafts of 4 tokens; compares the tokens. */
async function acceptance(dir: string, options: PairOptions, plain: number[][]): Promise<number> {
  await using pair = await openPair(dir, options);
  let [drafted, accepted] = [0, 0];
  for (const [i, prompt] of prompts.entries()) {
    const sampling = { temperature: i % 3 === 2 ? 0.8 : 0, seed: i };
    plain[i] ??= (await pair.answer(prompt, { mode: "plain", maxTokens, sampling })).tokens;
    const { tokens, done } = await pair.answer(prompt, {
      ...{ mode: "speculative", maxTokens, sampling, draftLength: 4, draftTree: false },
      reuse: false,
    });
    assert.deepEqual(tokens, plain[i], `${prompt} (${options.stages} stages)`);
    if (sampling.temperature > 0) continue;
    drafted += done.report.drafted;
    accepted += done.report.accepted;
  }
  assert.ok(drafted > 30, `${drafted} rows drafted`);
  return accepted / drafted;
}

Deno.test("BridgedChains.draft() drafts with other token ids as well as with equal ones, on 1, 2 and 4 stages", async () => {
  await inFolder(async (dir) => {
    const plain: number[][] = [];
    const draftFolder = join(dir, "reversed");
    await writeOtherVocabulary(draftFolder, { reversed: true });
    const equal = await acceptance(dir, { stages: 1 }, plain);
    for (const stages of [1, 2, 4]) {
      const other = await acceptance(dir, { stages, draftFolder }, plain);
      assert.ok(other > 0.8 * equal, `${other} of the drafts accepted, ${equal} with equal ids`);
    }
  });
});

Deno.test("BridgedChains.draft() drafts with tokens that cut words elsewhere", async () => {
  await inFolder(async (dir) => {
    const draftFolder = join(dir, "finer");
    await writeOtherVocabulary(draftFolder, { merges: 0.5 });
    const other = await acceptance(dir, { stages: 2, draftFolder }, []);
    assert.ok(other > 0.1, `${other} of the drafts accepted`);
  });
});
