import assert from "node:assert/strict";
import { answerConstraint, type AnswerRules } from "./answer_constraint.ts";
import { TOOL_FORMATS } from "./formats/mod.ts";
import type { TagFormat } from "./format.ts";
import type { Thinking } from "./reasoning.ts";
import type { ToolUse } from "./tool_use.ts";

const USE: ToolUse = {
  functions: [
    { name: "a", parameters: { properties: { n: { type: "integer" } } } },
    { name: "b" },
  ],
  choice: "auto",
  parallel: true,
};
const MAYBE: Thinking = { marks: { open: "<think>", close: "</think>" }, state: "maybe" };

function formatFor(format: string, rules: Partial<AnswerRules>): TagFormat | undefined {
  const made = answerConstraint({
    format: TOOL_FORMATS.find(({ name }) => name === format)!,
    check: () => {},
    ...rules,
  });
  if (made === undefined) return undefined;
  assert.ok(made.kind === "structural_tag");
  return (made.tag as { format: TagFormat }).format;
}

Deno.test("answerConstraint() lets text be free but for calls, with `auto`", () => {
  for (const { name, channels } of TOOL_FORMATS) {
    if (channels) continue; // its text stands in a message of its own
    const format = formatFor(name, { use: USE })!;
    assert.ok(format.type === "triggered_tags", name);
    // Each tag begins with a trigger, as the engine demands; no trigger begins with another.
    for (const { begin } of format.tags) {
      assert.equal(format.triggers.filter((trigger) => begin.startsWith(trigger)).length, 1, begin);
    }
  }
});

Deno.test("answerConstraint() wants calls only with `required`, and that function with a name", () => {
  const required = formatFor("hermes", { use: { ...USE, choice: "required" } })!;
  assert.ok(required.type === "tags_with_separator" && required.at_least_one);
  assert.equal(required.tags.length, 2);
  const one = formatFor("hermes", { use: { ...USE, choice: "required", parallel: false } })!;
  assert.equal(one.type, "or");
  const named = formatFor("hermes", { use: { ...USE, choice: { name: "a" } } })!;
  assert.deepEqual(named, {
    type: "tag",
    begin: '<tool_call>\n{"name": "a", "arguments": ',
    content: {
      type: "json_schema",
      json_schema: { type: "object", properties: { n: { type: "integer" } } },
    },
    end: "}\n</tool_call>",
  });
});

Deno.test("answerConstraint() holds nothing without functions and constraint, and text to the constraint beside calls", () => {
  assert.equal(formatFor("hermes", {}), undefined);
  assert.equal(
    formatFor("hermes", { use: { ...USE, choice: "none" }, thinking: MAYBE }),
    undefined,
  );
  const constraint = { kind: "json_schema" as const, schema: { type: "array" } };
  const both = formatFor("hermes", { use: USE, constraint })!;
  assert.ok(both.type === "or");
  const array = { type: "json_schema", json_schema: { type: "array" } };
  assert.ok(both.elements[1].type === "tags_with_separator");
  assert.deepEqual(both.elements[1].tags[0].content, array);
  const single = formatFor("hermes", { use: { ...USE, parallel: false }, constraint })!;
  assert.ok(single.type === "or");
  assert.deepEqual(single.elements[1], array);
});

Deno.test("answerConstraint() begins the constraint after thoughts", () => {
  const constraint = { kind: "regex" as const, pattern: "yes|no" };
  const open = formatFor("hermes", { constraint, thinking: { ...MAYBE, state: "open" } })!;
  assert.deepEqual(open, {
    type: "sequence",
    elements: [
      { type: "tag", begin: "", content: { type: "any_text" }, end: "</think>" },
      { type: "regex", pattern: "\\n{0,2}" },
      { type: "regex", pattern: "yes|no" },
    ],
  });
  const maybe = formatFor("hermes", { constraint, thinking: MAYBE })!;
  assert.ok(maybe.type === "or");
  assert.deepEqual(maybe.elements[1], { type: "regex", pattern: "yes|no" });
});

Deno.test("answerConstraint() takes any object where no grammar holds to a schema, unless the function is strict", () => {
  const check = (schema: unknown) => {
    if ((schema as { properties?: unknown }).properties) throw new Error("unsupported");
  };
  const loose = formatFor("mistral_args", { use: { ...USE, choice: { name: "a" } }, check })!;
  assert.ok(loose.type === "tag");
  assert.deepEqual(loose.content, { type: "json_schema", json_schema: { type: "object" } });
  const strict = [{ ...USE.functions[0], strict: true }];
  assert.throws(
    () => formatFor("hermes", { use: { ...USE, functions: strict }, check }),
    /unsupported/,
  );
});
