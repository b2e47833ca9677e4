import fc from "fast-check";
import assert from "node:assert/strict";
import { AnswerParser } from "./answer_parser.ts";
import { TOOL_FORMATS } from "./formats/mod.ts";
import type { Thinking } from "./reasoning.ts";
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

interface Answer {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: string }[];
}

interface Options {
  parallel?: boolean;
  thinking?: Thinking;
  cut?: boolean;
  functions?: ToolFunction[];
}

/** What a client puts together from the pieces, when the text arrives in these parts. */
function answerOf(format: string, parts: string[], options: Options = {}): Answer {
  const { parallel = true, thinking, cut = false, functions = FUNCTIONS } = options;
  const parser = new AnswerParser({
    format: TOOL_FORMATS.find(({ name }) => name === format)!,
    functions,
    parallel,
    thinking,
  });
  const answer: Answer = { content: "", reasoning: "", calls: [] };
  const ids: string[] = [];
  const take = (piece: AnswerPiece) => {
    if (piece.type !== "tool_call") {
      answer[piece.type] += piece.text;
      return;
    }
    const { index, id, name, arguments: args } = piece.call;
    assert.ok(index <= answer.calls.length);
    if (index === answer.calls.length) {
      assert.equal(typeof name, "string", "a call's first piece has its name");
      answer.calls.push({ name: name!, arguments: "" });
      ids.push(id);
    } else assert.equal(name, undefined);
    assert.equal(id, ids[index]);
    answer.calls[index].arguments += args ?? "";
  };
  for (const part of parts) parser.push(part).forEach(take);
  parser.end(cut).forEach(take);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(parser.calls, answer.calls.length);
  return answer;
}

const ROME = { name: "get_weather", arguments: { city: 'Rome <b> "x" }]', days: 2 } };
const NOW = { name: "now", arguments: {} };
const json = (call: { name: string; arguments: unknown }, key = "arguments") =>
  `{"name": "${call.name}", "${key}": ${JSON.stringify(call.arguments)}}`;

/** By format: an answer with text before calls, and the calls in it. */
const ANSWERS: {
  format: string;
  text: string;
  calls: typeof ROME[] | typeof NOW[];
  content: string;
}[] = [
  {
    format: "hermes",
    text: `Let me <look>.\n\n<tool_call>\n${json(ROME)}\n</tool_call>\n<tool_call>\n${
      json(NOW)
    }\n</tool_call>`,
    calls: [ROME, NOW] as typeof ROME[],
    content: "Let me <look>.",
  },
  {
    format: "generic",
    text: `<tool_call>{"arguments": ${
      JSON.stringify(ROME.arguments)
    }, "name": "get_weather"}</tool_call> done`,
    calls: [ROME],
    content: "done",
  },
  {
    format: "qwen_coder",
    text:
      'Hm.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nRome <b> "x" }]\n</parameter>\n' +
      "<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
    calls: [ROME, NOW] as typeof ROME[],
    content: "Hm.",
  },
  { format: "llama3", text: json(ROME, "parameters"), calls: [ROME], content: "" },
  {
    format: "llama3",
    text: `<|python_tag|>${json(ROME, "parameters")}; ${json(NOW, "parameters")}`,
    calls: [ROME, NOW] as typeof ROME[],
    content: "",
  },
  { format: "llama3", text: '{"name": "get_wea', calls: [], content: '{"name": "get_wea' },
  {
    format: "llama3",
    text: 'As JSON: {"name": "now"}',
    calls: [],
    content: 'As JSON: {"name": "now"}',
  },
  {
    format: "mistral",
    text: `[TOOL_CALLS] [${json(ROME)}, ${json(NOW)}]`,
    calls: [ROME, NOW] as typeof ROME[],
    content: "",
  },
  {
    format: "mistral_args",
    text: `Right. [TOOL_CALLS]get_weather[ARGS]${
      JSON.stringify(ROME.arguments)
    }[TOOL_CALLS]now[CALL_ID]abc123def[ARGS]{}`,
    calls: [ROME, NOW] as typeof ROME[],
    content: "Right.",
  },
  {
    format: "phi4",
    text: `functools[${json(ROME)},${json(NOW)}]`,
    calls: [ROME, NOW] as typeof ROME[],
    content: "",
  },
  {
    format: "phi4",
    text: `Yes: <|tool_call|>[${json(ROME)}]<|/tool_call|>`,
    calls: [ROME],
    content: "Yes:",
  },
  {
    format: "deepseek",
    text:
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n" +
      `${
        JSON.stringify(ROME.arguments)
      }\n\`\`\`<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n` +
      "```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    calls: [ROME, NOW] as typeof ROME[],
    content: "",
  },
  {
    format: "deepseek_v3.1",
    text: "I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>" +
      `${JSON.stringify(ROME.arguments)}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
    calls: [ROME],
    content: "I look.",
  },
];

/** Cuts a text at these places. */
const cutAt = (text: string, places: number[]): string[] => {
  const at = [...new Set(places.map((p) => p % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => text.slice(from, at[i]));
};

for (const { format, text, calls, content } of ANSWERS) {
  Deno.test(`AnswerParser.push() reads ${format}: ${JSON.stringify(text.slice(0, 40))}`, () => {
    const whole = answerOf(format, [text]);
    assert.equal(whole.content, content);
    assert.deepEqual(
      whole.calls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) })),
      calls,
    );
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { maxLength: 12 }), (places) => {
        assert.deepEqual(answerOf(format, cutAt(text, places)), whole);
      }),
      { numRuns: 60 },
    );
    assert.deepEqual(answerOf(format, text.split("")), whole);
  });
}

Deno.test("AnswerParser.end() never tells a part of a call as text, wherever the answer was cut", () => {
  for (const { format, text, calls, content } of ANSWERS.filter(({ calls }) => calls.length > 0)) {
    for (let length = 0; length <= text.length; length++) {
      const answer = answerOf(format, text.slice(0, length).split(""), { cut: true });
      assert.ok(
        content.startsWith(answer.content.trimEnd()),
        `${format} ${length}: ${answer.content}`,
      );
      answer.calls.forEach((call, i) => {
        assert.equal(call.name, calls[i].name);
        if (i + 1 < answer.calls.length) JSON.parse(call.arguments);
      });
    }
  }
});

Deno.test("AnswerParser.push() tells thoughts apart, opened by the prompt or by the answer", () => {
  const marks = { open: "<think>", close: "</think>" };
  const thoughts = "\nHm, <b>\nwell <tool_call>\n";
  const call = `<tool_call>\n${json(ROME)}\n</tool_call>`;
  const cases: [Thinking["state"], string, Partial<Answer>][] = [
    ["open", `${thoughts}</think>\n\nYes`, { reasoning: thoughts.trim(), content: "Yes" }],
    ["maybe", `<think>${thoughts}</think>\n\nYes \n`, {
      reasoning: thoughts.trim(),
      content: "Yes \n",
    }],
    ["maybe", " <b>Yes</b>", { reasoning: "", content: " <b>Yes</b>" }],
    ["maybe", "<thin", { reasoning: "", content: "<thin" }],
    ["open", "never closed </thi", { reasoning: "never closed </thi", content: "" }],
    ["maybe", `<think>${thoughts}</think>\n\n${call}`, { reasoning: thoughts.trim(), content: "" }],
  ];
  for (const [state, text, expected] of cases) {
    const options = { thinking: { marks, state } };
    const whole = answerOf("hermes", [text], options);
    assert.deepEqual({ reasoning: whole.reasoning, content: whole.content }, expected);
    assert.equal(whole.calls.length, text.includes(call) ? 1 : 0);
    assert.deepEqual(answerOf("hermes", text.split(""), options), whole);
  }
});

Deno.test("AnswerParser.push() leaves out further calls where one is allowed", () => {
  for (const { format, text, calls } of ANSWERS.filter(({ calls }) => calls.length > 1)) {
    const answer = answerOf(format, text.split(""), { parallel: false });
    assert.deepEqual(answer.calls.map(({ name }) => name), [calls[0].name]);
    assert.deepEqual(JSON.parse(answer.calls[0].arguments), calls[0].arguments);
  }
});

Deno.test("AnswerParser.push() gives back as text what turns out to be no call, and keeps text as it is without functions", () => {
  for (
    const text of [
      "a <tool_call> tag </tool_call> b",
      "<tool_call>[1, 2]</tool_call>",
      '<tool_call>\n{"x": 1}',
    ]
  ) {
    assert.deepEqual(answerOf("hermes", text.split("")), {
      content: text,
      reasoning: "",
      calls: [],
    });
  }
  const text = `<tool_call>\n${json(ROME)}\n</tool_call> \n`;
  assert.equal(answerOf("hermes", [text], { functions: [] }).content, text);
});

Deno.test("AnswerParser.push() takes arguments that were written as a text, under `parameters`, or not at all", () => {
  const calls = [
    `{"name": "now", "arguments": "{\\"a\\": 1}"}`,
    `{"type": "function", "id": "x", "name": "now", "parameters": {"a":1}}`,
    `{"type": "function", "function": {"name": "now", "arguments": {"a": 1}}}`,
    `{"name":"now"}`,
    `{"name":"now","arguments":null}`,
  ].map((call) => answerOf("hermes", `<tool_call>${call}</tool_call>`.split("")).calls);
  assert.deepEqual(calls.flat().map((call) => JSON.parse(call.arguments)), [
    { a: 1 },
    { a: 1 },
    { a: 1 },
    {},
    {},
  ]);
});

Deno.test("AnswerParser.push() names calls as the family wants it", () => {
  const ids = ["mistral", "hermes"].map((name) => {
    const format = TOOL_FORMATS.find((f) => f.name === name)!;
    return [format.callId("a", 0), format.callId("b", 1)];
  });
  for (const id of ids[0]) assert.match(id, /^[A-Za-z0-9]{9}$/);
  for (const id of ids[1]) assert.match(id, /^call_[A-Za-z0-9]{24}$/);
});
