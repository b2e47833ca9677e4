import assert from "node:assert/strict";
import type { GrammarStep } from "../../actors/mod.ts";
import { type ConstraintSpec, Tokenizer } from "../../models/mod.ts";
import { hasCode } from "../../actors/mod.ts";
import { type Grammars, openGrammars } from "./mod.ts";

const tokenizer = await Tokenizer.load("models/embedded/target");
const eos = [...tokenizer.specialIds].slice(0, 1);

/** The embedded model's vocabulary, with 8 rows of padding behind it. */
const grammarsOf = (options = {}): Grammars =>
  openGrammars({ tokenizer, eos, vocab: tokenizer.vocabSize + 8, ...options });

const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
const allows = ({ mask }: GrammarStep, token: number) =>
  ((mask![token >> 5] >>> (token & 31)) & 1) === 1;

/** Does the constraint allow a text, token by token, and the end behind it? */
async function takes(grammars: Grammars, spec: ConstraintSpec, text: string): Promise<boolean> {
  const walk = await grammars.open(spec);
  try {
    const path = encode(text);
    const steps = [...await walk.steps([], 1), ...await walk.steps(path, path.length)];
    return steps.length === path.length + 1 && allows(steps.at(-1)!, eos[0]) &&
      path.every((token, i) => allows(steps[i], token));
  } finally {
    walk.close();
  }
}

Deno.test("Grammars.open() walks through each kind of constraint", async () => {
  const grammars = grammarsOf();
  try {
    const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const tag = {
      type: "triggered_tags",
      triggers: ["<call>"],
      tags: [{
        type: "tag",
        begin: "<call>",
        content: { type: "json_schema", json_schema: schema },
        end: "</call>",
      }],
    };
    const cases: [ConstraintSpec, string, string][] = [
      [{ kind: "json" }, '{"a": [1, "é\\u00e9"]}', "[1]"],
      [{ kind: "json_schema", schema }, '{"n": -3}', '{"n": 0.5}'],
      [{ kind: "regex", pattern: "[à-ü]{2,4}-\\d+" }, "éà-42", "ea-42"],
      [{ kind: "grammar", ebnf: 'root ::= "<" [à-ü]+ ">" | [^x]' }, "<éà>", "<ea>"],
      [
        { kind: "structural_tag", tag },
        'Well: <call>{"n": 1}</call> and so on',
        'So <call>{"m": 1}',
      ],
    ];
    for (const [spec, good, bad] of cases) {
      assert.ok(await takes(grammars, spec, good), `${spec.kind} takes ${good}`);
      assert.ok(!await takes(grammars, spec, bad), `${spec.kind} refuses ${bad}`);
    }
  } finally {
    grammars.close();
  }
});

Deno.test("GrammarWalk.steps() rolls back to what two paths share", async () => {
  const grammars = grammarsOf();
  try {
    const walk = await grammars.open({ kind: "regex", pattern: "a(b{3}c|d)" });
    const [a, b, c, d] = ["a", "b", "c", "d"].map((text) => encode(text)[0]);
    const long = await walk.steps([a, b, b], 3);
    assert.equal(long.length, 3);
    const [after] = await walk.steps([a], 1);
    assert.deepEqual(after, long[0], "the same state has the same mask and key");
    assert.ok(allows(after, d) && !allows(after, c));
    assert.equal((await walk.steps([a, d, b], 3)).length, 2, "it ends before what is refused");
    const [last] = await walk.steps([a, d], 1);
    assert.deepEqual(last.forced, eos);
    assert.deepEqual(await walk.steps([a, d, eos[0]], 1), [], "nothing follows the end");
    assert.deepEqual(
      (await walk.steps([a, b, b], 3)).map(({ key }) => key),
      long.map((s) => s.key),
    );
    walk.close();
    await assert.rejects(walk.steps([], 1), (error) => hasCode(error, "grammar_failed"));
  } finally {
    grammars.close();
  }
});

Deno.test("GrammarStep.mask has neither special tokens nor padding", async () => {
  const grammars = grammarsOf();
  try {
    const walk = await grammars.open({ kind: "regex", pattern: "(.|\\n)*" });
    const [step] = await walk.steps([], 1);
    for (const id of tokenizer.specialIds) {
      assert.equal(allows(step, id), eos.includes(id), `${id}`);
    }
    for (let id = tokenizer.vocabSize; id < tokenizer.vocabSize + 8; id++) {
      assert.ok(!allows(step, id));
    }
    walk.close();
  } finally {
    grammars.close();
  }
});

Deno.test("Grammars.open() refuses what is wrong, and goes on", async () => {
  const grammars = grammarsOf();
  try {
    const cases: [ConstraintSpec, string][] = [
      [{ kind: "grammar", ebnf: "root ::= nothing" }, "grammar_invalid"],
      [{ kind: "grammar", ebnf: 'root ::= "a' }, "grammar_invalid"],
      [{ kind: "regex", pattern: "(" }, "grammar_invalid"],
      [{ kind: "structural_tag", tag: { type: "tag" } }, "grammar_invalid"],
      [{ kind: "json_schema", schema: { type: "array", uniqueItems: true } }, "schema_unsupported"],
      [{ kind: "json_schema", schema: "x".repeat(2 ** 20) }, "grammar_too_large"],
    ];
    for (const [spec, code] of cases) {
      await assert.rejects(grammars.open(spec), (error) => hasCode(error, code), code);
    }
    assert.ok(await takes(grammars, { kind: "regex", pattern: "a+" }, "aa"));
  } finally {
    grammars.close();
  }
});

Deno.test("Grammars.open() ends a thread that compiles for too long, and starts another", async () => {
  const grammars = grammarsOf({ compileMs: 1 });
  try {
    const slow: ConstraintSpec = { kind: "regex", pattern: "[a-z ]{200,900}" };
    await assert.rejects(grammars.open(slow), (error) => hasCode(error, "grammar_deadline"));
  } finally {
    grammars.close();
  }
});

Deno.test("Grammars.open() stops waiting when its signal is aborted", async () => {
  const grammars = grammarsOf();
  try {
    const abort = new AbortController();
    const opening = grammars.open({ kind: "json" }, abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(opening, /enough/);
    (await grammars.open({ kind: "json" })).close();
  } finally {
    grammars.close();
  }
});

Deno.test("Grammars.close() makes open walks reject", async () => {
  const grammars = grammarsOf();
  const walk = await grammars.open({ kind: "json" });
  grammars.close();
  await assert.rejects(walk.steps([], 1), (error) => hasCode(error, "grammar_failed"));
  await assert.rejects(
    grammars.open({ kind: "json" }),
    (error) => hasCode(error, "grammar_failed"),
  );
});

Deno.test("Grammars.open() refuses constraints that are nested too deeply, and goes on", async () => {
  const grammars = grammarsOf();
  try {
    const nested = JSON.parse(`${'{"items":'.repeat(5000)}{}${"}".repeat(5000)}`);
    await assert.rejects(
      grammars.open({ kind: "json_schema", schema: nested }),
      (error) => hasCode(error, "grammar_too_large"),
    );
    const ebnf = `root ::= ${"(".repeat(50_000)}"a"${")".repeat(50_000)}`;
    await assert.rejects(grammars.open({ kind: "grammar", ebnf }));
    assert.ok(await takes(grammars, { kind: "regex", pattern: "a+" }, "aa"), "in another thread");
  } finally {
    grammars.close();
  }
});
