/**
 * Token ids of each family beside those of the reference implementation
 * (models/training/golden_ids.py).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { skipAbsent } from "../../tests/support/absent.ts";
import { Tokenizer } from "./tokenizer.ts";

const root = join(import.meta.dirname!, "..", "..");
const fetched = join(root, "../shared/data/fetched/tokenizers");
const embedded = join(root, "models/embedded/target");

interface Golden {
  name: string;
  /** Of tokenizer.json. */
  sha256: string;
  /** By text: ids without and with what the tokenizer adds. */
  cases: { plain: number[]; special: number[] }[];
}

const lines = Deno.readTextFileSync(join(import.meta.dirname!, "golden_ids.jsonl")).trim().split(
  "\n",
);
const [{ texts }, ...families] = lines.map((line) => JSON.parse(line)) as [
  { texts: string[] },
  ...Golden[],
];

for (const { name, sha256, cases } of families) {
  Deno.test(`Tokenizer.encode() gives the reference's ids with the tokenizer of ${name}`, async (t) => {
    const folder = name === "embedded" ? embedded : join(fetched, name);
    const bytes = await Deno.readFile(join(folder, "tokenizer.json")).catch((error) => {
      if (error instanceof Deno.errors.NotFound && name !== "embedded") return undefined;
      throw error;
    });
    if (!bytes) {
      await skipAbsent(t);
      return;
    }
    const found = createHash("sha256").update(bytes).digest("hex");
    assert.equal(
      found,
      sha256,
      `tokenizer.json of ${name} is another one: run models/training/golden_ids.py`,
    );
    const tokenizer = await Tokenizer.load(folder);
    assert.equal(cases.length, texts.length);
    cases.forEach(({ plain, special }, i) => {
      const text = texts[i];
      assert.deepEqual(
        tokenizer.encode(text, { addSpecialTokens: false }),
        plain,
        `${JSON.stringify(text)} alone`,
      );
      assert.deepEqual(tokenizer.encode(text), special, JSON.stringify(text));
    });
  });
}
