/**
 * What masks let through, against ajv: each value of many schemas, valid and not.
 */
import assert from "node:assert/strict";
import { hasCode } from "../actors/mod.ts";
import { Tokenizer } from "../models/mod.ts";
import { judgeOf } from "./support/json_oracle.ts";
import { MaskJudge } from "./support/mask_judge.ts";
import { collected, SCHEMAS_FILE } from "./support/collected_schemas.ts";
import { join } from "node:path";
import { skipAbsent } from "./support/absent.ts";
import { loadIfThere, SHARED_DATA } from "./support/tokenizers.ts";
import { REFUSED_SCHEMAS } from "./support/refused_schemas.ts";
import { SCHEMA_CASES } from "./support/schema_cases.ts";

const judge = await MaskJudge.open(await Tokenizer.load("models/embedded/target"));

Deno.test("masks of our schemas let through what ajv calls valid, and nothing else", async (t) => {
  assert.ok(SCHEMA_CASES.length >= 60, `${SCHEMA_CASES.length} schemas`);
  for (const { name, schema, values } of SCHEMA_CASES) {
    await t.step(name, async () => {
      await judge.engine.compile(name, { kind: "json_schema", schema });
      const valid = judgeOf(schema);
      for (const value of values) {
        const text = JSON.stringify(value);
        const { passed, taken } = await judge.allows(name, value, schema);
        assert.equal(
          passed,
          valid(value),
          `${text.slice(0, 200)} is taken up to ${taken.slice(-80)}`,
        );
      }
      assert.equal(new Set(values.map(valid)).size, name === "anything" ? 1 : 2, "both kinds");
      judge.engine.forget(name);
    });
  }
});

Deno.test("GrammarEngine.compile() refuses what it cannot hold to, by the keyword's name", async () => {
  for (const { keyword, schema } of REFUSED_SCHEMAS) {
    await assert.rejects(
      judge.engine.compile(keyword, { kind: "json_schema", schema }),
      (error) => hasCode(error, "schema_unsupported") && error.metadata.keyword === keyword,
      keyword,
    );
  }
});

Deno.test("GrammarEngine.compile() refuses what is not well-formed, or too large", async () => {
  const deep = JSON.parse(`${'{"items":'.repeat(200)}{}${"}".repeat(200)}`);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`p${i}`, {
    anyOf: [{ type: "integer" }, { type: "string" }],
  }]));
  const cases: [string, unknown][] = [
    ["grammar_invalid", { type: "text" }],
    ["grammar_invalid", { $ref: "#/$defs/none" }],
    ["grammar_invalid", { $ref: "#" }],
    ["grammar_invalid", { allOf: [{ $ref: "#" }] }],
    ["grammar_invalid", { type: "string", pattern: "(a" }],
    ["grammar_invalid", { type: "string", pattern: "^(?=a)" }],
    ["grammar_invalid", { type: "string", const: 1 }],
    ["grammar_invalid", { type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }],
    ["grammar_too_large", deep],
    ["grammar_too_large", { type: "string", pattern: "^(a|b)*a(a|b){40}$", minLength: 1 }],
    ["grammar_too_large", {
      allOf: Object.values(many).flatMap((each) => [each, each, each]).map((each, i) => ({
        anyOf: [{ ...each, title: `${i}` }, { minimum: i }, { maxLength: i }, {
          required: [`${i}`],
        }],
      })),
    }],
  ];
  for (const [code, schema] of cases) {
    const text = JSON.stringify(schema).slice(0, 80);
    await assert.rejects(
      judge.engine.compile(text, { kind: "json_schema", schema }),
      (error) => hasCode(error, code),
      `${code}: ${text}`,
    );
  }
});

/** Schemas for which the engine looks at few states: a large vocabulary makes each one dear. */
const QUICK = new Set([
  ...["boolean", "number", "const", "required in order", "unicode keys", "nested objects", "date"],
  ...["integer range", "array limits", "anyOf beside properties", "references", "linked list"],
]);

for (const name of ["Qwen2.5", "Llama-2", "SmolLM2-135M-Instruct"]) {
  Deno.test(`masks of other vocabularies let through what ajv calls valid, and nothing else: ${name}`, async (t) => {
    const tokenizer = await loadIfThere(join(SHARED_DATA, "fetched/tokenizers", name));
    if (!tokenizer) return void await skipAbsent(t);
    const other = await MaskJudge.open(tokenizer);
    let [passes, stops] = [0, 0];
    for (const { name, schema, values } of SCHEMA_CASES) {
      if (!QUICK.has(name)) continue;
      await other.engine.compile(name, { kind: "json_schema", schema });
      const valid = judgeOf(schema);
      for (const value of values) {
        const { passed, taken } = await other.allows(name, value, schema);
        const where = `${name}: ${JSON.stringify(value).slice(0, 200)} is taken up to ${taken}`;
        assert.equal(passed, valid(value), where);
        if (passed) passes++;
        else stops++;
      }
      other.engine.forget(name);
    }
    assert.ok(passes > 15 && stops > 15, `${passes} pass, ${stops} are stopped`);
  });
}

Deno.test({
  name: "masks of collected schemas let through their valid instances, and no invalid one",
  ignore: SCHEMAS_FILE === undefined,
  async fn() {
    const sample = (await collected()).filter((_, i) => i % 13 === 0);
    let [valid, invalid] = [0, 0];
    for (const { id, schema, tests } of sample) {
      try {
        await judge.engine.compile(id, { kind: "json_schema", schema });
      } catch (error) {
        assert.ok(hasCode(error, "schema_unsupported"), `${id}: ${error}`);
        continue;
      }
      for (const { valid: expected, data } of tests) {
        const { passed, taken } = await judge.allows(id, data, schema);
        assert.equal(
          passed,
          expected,
          `${id}: ${JSON.stringify(data).slice(0, 200)}: ${taken.slice(-80)}`,
        );
        if (passed) valid++;
        else invalid++;
      }
      judge.engine.forget(id);
    }
    assert.ok(valid > 15 && invalid > 15, `${valid} valid, ${invalid} invalid`);
  },
});
