import assert from "node:assert/strict";
import { join } from "node:path";
import { skipAbsent } from "../../tests/support/absent.ts";
import { SHARED_DATA } from "../../tests/support/tokenizers.ts";
import { ChatTemplate } from "../text/mod.ts";
import { ToolTemplate } from "./tool_template.ts";

const TOOLS = [{
  type: "function",
  function: { name: "now", description: "The time", parameters: { type: "object" } },
}];
const CALLED = [
  { role: "user", content: "When?" },
  {
    role: "assistant",
    content: "",
    tool_calls: [
      { id: "call_1", type: "function", function: { name: "now", arguments: '{"zone": "UTC"}' } },
      { id: "call_2", type: "function", function: { name: "now", arguments: "{}" } },
    ],
  },
  { role: "tool", content: "noon", tool_call_id: "call_1" },
  { role: "tool", content: "one", tool_call_id: "call_2" },
];

const tools = (template: string) =>
  new ToolTemplate(ChatTemplate.fromConfig({ chat_template: template }));
/** The conversation as the template prints it. */
const printed = (template: string, messages: typeof CALLED, given?: unknown[]) => {
  const chat = ChatTemplate.fromConfig({ chat_template: template });
  const input = new ToolTemplate(chat).input(messages, given);
  return chat.render(input.messages, { tools: input.tools });
};

const CHATML =
  "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}" +
  '{% for c in m.tool_calls or [] %}<tool_call>\n{"name": "{{ c.function.name }}", "arguments": ARGS}\n</tool_call>{% endfor %}' +
  "{% if m.role == 'tool' %}({{ m.name }}, {{ m.tool_call_id }}){% endif %}{% endfor %}";
const OBJECTS = CHATML.replace("ARGS", "{{ c.function.arguments | tojson }}");
const TEXTS = CHATML.replace("ARGS", "{{ '' + c.function.arguments }}");
const PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";
const STRICT = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}" +
  "{{ raise_exception('roles must alternate') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}";
const FIELD =
  "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if 'tools' in m %}<|tool|>{{ m['tools'] }}<|/tool|>{% endif %}{% endfor %}";

Deno.test("ToolTemplate finds out how a template takes functions, calls and results", () => {
  const seen = (template: string) => {
    const { format, describes, calls, system } = tools(template);
    return [format.name, describes, calls, system];
  };
  assert.deepEqual(seen(OBJECTS), ["hermes", "template", "object", true]);
  assert.deepEqual(seen(TEXTS), ["hermes", "template", "text", true]);
  assert.deepEqual(seen(PLAIN), ["generic", "system text", "no", true]);
  assert.deepEqual(seen(STRICT), ["generic", "system text", "no", false]);
  assert.deepEqual(seen(FIELD), ["phi4", "system field", "no", true]);
  const written: [string, string][] = [
    ['[TOOL_CALLS] [{"name": "NAME", "arguments": {args}}]', "mistral"],
    ["[TOOL_CALLS]NAME[ARGS]{args}", "mistral_args"],
    ['{"name": "NAME", "parameters": {args}}', "llama3"],
    ["<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{args}\n```", "deepseek"],
    ["<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{args}", "deepseek_v3.1"],
    ["<unknown>NAME {args}", "generic"],
  ];
  for (const [call, name] of written) {
    const template = OBJECTS.replace(/<tool_call>.*?<\/tool_call>/s, call)
      .replace("NAME", "{{ c.function.name }}")
      .replace("{args}", "{{ c.function.arguments | tojson }}");
    assert.equal(tools(template).format.name, name, call);
  }
});

Deno.test("ToolTemplate.input() gives arguments as the template wants them, and results their names", () => {
  const expected =
    '[user]When?[assistant]<tool_call>\n{"name": "now", "arguments": {"zone": "UTC"}}\n' +
    '</tool_call><tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>' +
    "[tool]noon(now, call_1)[tool]one(now, call_2)";
  for (const template of [OBJECTS, TEXTS]) {
    assert.equal(printed(template, CALLED), expected);
    const described = `<tools>${
      JSON.stringify(TOOLS).replaceAll(/([:,])(?=["{])/g, "$1 ")
    }</tools>`;
    assert.equal(printed(template, CALLED, TOOLS), described + expected);
  }
});

Deno.test("ToolTemplate.input() writes calls and results as text where the template has none", () => {
  const call = (args: string) => `<tool_call>\n{"name": "now", "arguments": ${args}}\n</tool_call>`;
  assert.equal(
    printed(STRICT, CALLED),
    `[user]When?[assistant]${call('{"zone": "UTC"}')}\n${call("{}")}` +
      "[user]<tool_response>\nnoon\n</tool_response>\n<tool_response>\none\n</tool_response>",
  );
  const told = printed(PLAIN, [CALLED[0]], TOOLS);
  assert.match(told, /^\[system\]# Tools/);
  assert.ok(told.includes(JSON.stringify(TOOLS[0])));
  assert.ok(
    told.includes('<tool_call>\n{"name": "FUNCTION", "arguments": {ARGUMENTS}}\n</tool_call>'),
  );
  assert.match(
    printed(PLAIN, [{ role: "system", content: "Be brief." }], TOOLS),
    /^\[system\]Be brief\.\n\n# Tools/,
  );
  assert.match(printed(STRICT, [CALLED[0]], TOOLS), /^\[user\]# Tools[^]*\n\nWhen\?$/);
  assert.equal(
    printed(FIELD, [CALLED[0]], TOOLS),
    `[system]<|tool|>${JSON.stringify(TOOLS)}<|/tool|>[user]When?`,
  );
});

Deno.test("ToolTemplate.input() makes ids that Mistral's template takes, the same for call and result", () => {
  const template = OBJECTS.replace(
    /<tool_call>.*?<\/tool_call>/s,
    '[TOOL_CALLS][{"name": "{{ c.function.name }}", ' +
      '"arguments": {{ c.function.arguments | tojson }}, "id": "{{ c.id }}"}]',
  );
  const text = printed(template, CALLED);
  const ids = [...text.matchAll(/"id": "(\w{9})"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, 2);
  assert.ok(text.endsWith(`[tool]noon(now, ${ids[0]})[tool]one(now, ${ids[1]})`), text);
});

/** Templates of public models, by their names in the collection, and how they write calls. */
const COLLECTED: Record<string, string> = {
  "gemma-4": "gemma",
  "lc_GLM-4.6": "glm",
  laguna_v8: "laguna",
  "lc_moonshotai-Kimi-K2": "kimi",
  "lc_openai-gpt-oss-120b": "harmony",
  "lc_ByteDance-Seed-OSS": "seed",
  "lc_Apriel-1.6-15b-Thinker-fixed": "apriel",
  "lc_MiniMax-M1": "minimax",
  "lc_CohereForAI-c4ai-command-r-plus-tool_use": "cohere_action",
  "lc_deepseek-ai-DeepSeek-V3.2": "deepseek_v3.2",
  "lc_deepseek-ai-DeepSeek-V4-Flash-0731": "deepseek_v4",
  "lc_ibm-granite-granite-4.0": "hermes",
  "lc_Qwen3.5-4B": "qwen_coder",
  "lc_mistralai-Ministral-3-14B-Reasoning-2512": "mistral_args",
  "lc_meta-llama-Llama-3.3-70B-Instruct": "llama3",
};

Deno.test("ToolTemplate knows how public models write calls by their templates", async (t) => {
  const file = join(SHARED_DATA, "fetched/chat_templates/rendered.jsonl");
  const text = await Deno.readTextFile(file).catch(() => "");
  if (text === "") {
    await skipAbsent(t, "the templates are");
    return;
  }
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  const known = new Map(lines.map((each) => [each.name, each]));
  for (const [name, format] of Object.entries(COLLECTED)) {
    const { template, tokens } = known.get(name);
    const found = new ToolTemplate(
      ChatTemplate.fromConfig({ chat_template: template, ...tokens }),
    );
    assert.equal(found.format.name, format, name);
    assert.equal(found.describes, "template", name);
  }
});

Deno.test("ToolTemplate.input() gives a template with one call a message each call and its result in turn", () => {
  const template =
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]{% if m.thinking %}({{ m.thinking }}){% endif %}{{ m.content }}" +
    "{% for c in m.tool_calls or [] %} to=functions.{{ c.function.name }}<|message|>{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
  const [user, assistant, ...results] = CALLED;
  const text = printed(template, [
    user,
    Object.assign({}, assistant, { reasoning_content: "Hm" }),
    ...results.toReversed(),
  ]);
  assert.equal(
    text,
    '[user]When?[assistant](Hm) to=functions.now<|message|>{"zone": "UTC"}[tool]noon' +
      "[assistant] to=functions.now<|message|>{}[tool]one",
  );
});
