import assert from "node:assert/strict";
import { type ScriptedCall, TOOL_FAMILIES } from "../../tests/support/tool_families.ts";
import { answerReader } from "./answer_reader.ts";
import { TOOL_FORMATS } from "./formats/mod.ts";
import type { AnswerPiece, ToolFunction } from "./tool_use.ts";

const FUNCTIONS: ToolFunction[] = [
  {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
    },
  },
  { name: "now" },
];
const ROME: ScriptedCall = {
  name: "get_weather",
  arguments: { city: 'Rome "x" }] </tool_call', days: 2 },
};
const NOW: ScriptedCall = { name: "now", arguments: {} };

interface Read {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: string }[];
}

/** What a client puts together of an answer that arrives in these parts. */
function read(format: string, parts: string[], { cut = false, parallel = true } = {}): Read {
  const reader = answerReader({
    format: TOOL_FORMATS.find(({ name }) => name === format)!,
    functions: FUNCTIONS,
    parallel,
  });
  const all: Read = { content: "", reasoning: "", calls: [] };
  const take = (piece: AnswerPiece) => {
    if (piece.type !== "tool_call") {
      all[piece.type] += piece.text;
      return;
    }
    const call = all.calls[piece.call.index] ??= { name: "", arguments: "" };
    call.name += piece.call.name ?? "";
    call.arguments += piece.call.arguments ?? "";
  };
  for (const part of parts) reader.push(part).forEach(take);
  reader.end(cut).forEach(take);
  assert.equal(reader.calls, all.calls.length);
  return all;
}

const parsed = ({ calls }: Read) =>
  calls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) }));

for (const { name } of TOOL_FORMATS) {
  const family = TOOL_FAMILIES[name];
  Deno.test(`answerReader() reads calls of ${name}, cut at every place`, () => {
    const calls = family.parallel ? [ROME, NOW] : [ROME];
    const written = family.writes(calls);
    const before = name === "llama3" ? "" : "Let me <see>.";
    const text = family.answers?.(before, written) ?? before + written;
    const whole = read(name, [text]);
    assert.equal(whole.content, before);
    assert.deepEqual(parsed(whole), calls);
    assert.deepEqual(read(name, text.split("")), whole);
    for (let at = 1; at < text.length; at++) {
      assert.deepEqual(read(name, [text.slice(0, at), text.slice(at)]), whole, text.slice(0, at));
      const cut = read(name, [text.slice(0, at)], { cut: true });
      assert.ok(before.startsWith(cut.content.trimEnd()), `${at}: ${cut.content}`);
      for (const [i, call] of cut.calls.entries()) {
        assert.equal(call.name, calls[i].name);
        assert.ok(whole.calls[i].arguments.startsWith(call.arguments));
      }
    }
    if (family.parallel) {
      assert.deepEqual(parsed(read(name, [text], { parallel: false })), [ROME]);
    }
  });
}

Deno.test("answerReader() tells Harmony's channels apart: thoughts, preambles, calls, the final text", () => {
  const thought = "<|channel|>analysis<|message|>Hm,\n<b> well.\n<|end|><|start|>assistant";
  const cases: [string, Partial<Read>][] = [
    [`${thought}<|channel|>final<|message|>It is\n21.`, {
      content: "It is\n21.",
      reasoning: "Hm,\n<b> well.",
    }],
    ["<|channel|>final<|message|>Yes <|no", { content: "Yes <|no" }],
    [`${thought}<|channel|>commentary<|message|>I look.<|end|>${thought.slice(0, 0)}`, {
      content: "I look.",
    }],
    [
      `${thought}<|channel|>analysis<|message|>Or so.<|end|><|start|>assistant<|channel|>final<|message|>A`,
      { content: "A", reasoning: "Hm,\n<b> well.\nOr so." },
    ],
    // The recipient stands in the role's part, as its template writes it.
    [' to=functions.now<|channel|>commentary json<|message|>{"a": 1}<|call|>', {
      content: "",
      calls: [{ name: "now", arguments: '{"a": 1}' }],
    }],
    ["without any header", { content: "without any header" }],
  ];
  for (const [text, expected] of cases) {
    const whole = read("harmony", [text]);
    assert.deepEqual({ ...whole, ...expected }, whole, text);
    for (let at = 1; at < text.length; at++) {
      assert.deepEqual(read("harmony", [text.slice(0, at), text.slice(at)]), whole, text);
    }
  }
  const cut = read("harmony", [thought.slice(0, -20)], { cut: true });
  assert.equal(cut.content, "");
});

Deno.test("answerReader() gives back what only looks like a call of Gemma, GLM or Cohere", () => {
  const texts = {
    gemma: "a <|tool_call>word {b}",
    glm: "the tag <tool_call> has <b>no</b> call",
    cohere_action: "Action: sit down. {1}",
    apriel: "<tool_calls> are lists",
  };
  for (const [format, text] of Object.entries(texts)) {
    assert.deepEqual(read(format, text.split("")), { content: text, reasoning: "", calls: [] });
  }
});

Deno.test("answerReader() reads Gemma's values: nested, numbers, words, other marks in texts", () => {
  const text =
    '<|tool_call>call:now{a:{b:[1,-2.5e3,true,null],"c":<|"|>x "y" \\ <|no{}<|"|>},d:[],e:word}<tool_call|>';
  const [call] = parsed(read("gemma", text.split("")));
  assert.deepEqual(call.arguments, {
    a: { b: [1, -2500, true, null], c: 'x "y" \\ <|no{}' },
    d: [],
    e: "word",
  });
});
