import assert from "node:assert/strict";
import { ModelScope, questionFeatures, questionTokens } from "./model_scope.ts";

const FILE = "generation_config.json";
const BUCKETS = 4096;

/** A scope with two classes: a question with a word that is not known is about nothing known. */
const config = (more: Record<string, unknown> = {}) => {
  const rows = new Int8Array(BUCKETS).fill(0); // (BUCKETS, width 1)
  rows[bucketOf("?")] = 100;
  return {
    eos_token_id: 1,
    orrery_scope: {
      version: 1,
      threshold: 0,
      buckets: BUCKETS,
      width: 1,
      refusals: ["I do not know that."],
      words: "why does it rain",
      bias: [1, 0],
      rows_step: 0.1,
      head_step: 1,
      rows: new Uint8Array(rows.buffer).toBase64(),
      head: Uint8Array.of(0, 1).toBase64(),
      ...more,
    },
  };
};

/** FNV-1a of a feature's name, as model_scope.ts says, over the rows. */
function bucketOf(feature: string): number {
  let hash = 0x811c9dc5n;
  for (const byte of new TextEncoder().encode(feature)) {
    hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
  }
  return Number(hash % BigInt(BUCKETS));
}

Deno.test("ModelScope.covers() is true for what the words of the corpus ask, and no other question", () => {
  const scope = ModelScope.fromConfig(config(), FILE)!;
  assert.ok(scope.covers("Why does it rain?"));
  assert.ok(!scope.covers("Why does it yodel?"));
  assert.deepEqual(scope.refusals, ["I do not know that."]);
  // One "?" among the features of four words: (100 * 0.1) / sqrt(features) over a bias of 1.
  const features = questionFeatures(
    questionTokens("why does it yodel"),
    (w) => ["why", "does", "it", "rain"].includes(w),
  );
  const known = scope.margin("why does it rain");
  assert.ok(known > scope.margin("why does it yodel"));
  assert.equal(features.filter((name) => name === "?").length, 1);
});

Deno.test("ModelScope.covers() leaves out begins that it is told to, and lets others pass", () => {
  const scope = ModelScope.fromConfig(config({ strip: ["Outline: "], pass: ["Expand "] }), FILE)!;
  assert.ok(scope.covers("Outline: Why does it rain?"));
  assert.ok(!scope.covers("outline why does it rain"));
  assert.ok(scope.covers("Expand point 2: Yodelling"));
});

Deno.test("questionTokens() has words, and one mark for numbers, formulas and other scripts in a row", () => {
  assert.deepEqual(questionTokens("What’s IT's 3.5 + {x}?"), [
    "whats",
    "its",
    "0",
    "@",
    "x",
    "@",
  ]);
  assert.deepEqual(questionTokens("今日は x Ünder"), ["~", "x", "~", "nder"]);
  assert.deepEqual(questionTokens("… ?!"), []);
  assert.equal(questionTokens("a ".repeat(200)).length, 64);
});

Deno.test("questionTokens() leaves out numbers that count questions, and no others", () => {
  const rain = questionTokens("why does it rain");
  for (
    const before of ["7. ", "7) ", "(7) ", "[12] ", "#7 ", "Q7: ", "Question 7: ", "No. 7: "]
  ) {
    assert.deepEqual(questionTokens(`${before}Why does it rain?`), rain, before);
  }
  for (const behind of [" (7)", " [7]", " #7", " 7", "\n\n7 ", " (7/10)"]) {
    assert.deepEqual(questionTokens(`Why does it rain?${behind}`), rain, behind);
  }
  assert.deepEqual(questionTokens("7 colours of f(7) and 7"), [
    ...["0", "colours", "of", "f", "0", "and", "0"],
  ]);
  assert.deepEqual(questionTokens("3.5 kg in 1998?"), ["0", "kg", "in", "0"]);
});

Deno.test("questionFeatures() has words, their pieces and pairs, and marks for strange words", () => {
  assert.deepEqual(questionFeatures(["ice", "melts"], (word) => word === "ice"), [
    ..."wice,wmelts,?,c<me,cmel,celt,clts,cts>,c<mel,cmelt,celts,clts>".split(","),
    ..."c<melt,cmelts,celts>,p< ice,pice ?,p? >".split(","),
  ]);
});

Deno.test("ModelScope.fromConfig() refuses a scope that does not fit together, and says where", () => {
  assert.equal(ModelScope.fromConfig({ eos_token_id: 1 }, FILE), undefined);
  assert.equal(ModelScope.fromConfig(undefined, FILE), undefined);
  const refused = (more: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => ModelScope.fromConfig(config(more), FILE), {
      code: "generation_config_malformed",
      message,
    });
  refused({ version: 2 }, /generation_config\.json: orrery_scope\.version: /);
  refused({ refusals: [] }, /orrery_scope\.refusals: /);
  refused({ rows: "AAAA" }, /orrery_scope\.rows: it has 3 bytes and must have 4096/);
  refused({ head: "no base64!" }, /orrery_scope\.head: it is no base64/);
  refused({ bias: [1, 0, 0] }, /orrery_scope\.head: it has 2 bytes and must have 3/);
});
