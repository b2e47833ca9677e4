/**
 * What templates of models do that Python does otherwise than JavaScript: small templates, and what
 * they print (checked with jinja2 3.1.6, set up as transformers does).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { skipAbsent } from "../../../tests/support/absent.ts";
import { SHARED_DATA } from "../../../tests/support/tokenizers.ts";
import { ChatTemplate } from "../chat.ts";
import { foreign, fromJson, marksOf, parseTemplate, rawText, runTemplate } from "./mod.ts";
import { globals } from "./globals.ts";

const DATA = {
  tool: { name: "f", n: 1.5, ok: true, none: null, list: [1, "é<b>'"], empty: {} },
  text: " a\n",
  items: { b: 2, a: 1 },
  rows: [{ k: "x", v: 1 }, { k: "y", v: 2 }],
};

/** What a template prints of {@linkcode DATA}. */
function printed(source: string): string {
  const names = Object.entries(DATA).map(([k, v]): [string, ReturnType<typeof fromJson>] => [
    k,
    fromJson(v),
  ]);
  return rawText(
    runTemplate(parseTemplate(source), [...globals((format) => `<${format}>`), ...names]),
  );
}

const CASES: [group: string, source: string, printed: string][] = [
  [
    "JSON",
    "{{ tool | tojson }}",
    '{"name": "f", "n": 1.5, "ok": true, "none": null, "list": [1, "é<b>\'"], "empty": {}}',
  ],
  ["JSON", "{{ items | tojson(sort_keys=true, separators=(',', ':')) }}", '{"a":1,"b":2}'],
  ["JSON", "{{ tool.list | tojson(indent=2) }}", '[\n  1,\n  "é<b>\'"\n]'],
  ["JSON", "{{ tool.list | tojson(ensure_ascii=True) }}", '[1, "\\u00e9<b>\'"]'],
  ["JSON", "{{ {1: 'a', none: 2} | tojson }}", '{"1": "a", "null": 2}'],
  [
    "str",
    "{{ tool | string }}",
    "{'name': 'f', 'n': 1.5, 'ok': True, 'none': None, 'list': [1, \"é<b>'\"], 'empty': {}}",
  ],
  [
    "str",
    "{{ true }} {{ none }} {{ 1.0 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 2 ** 3 }}",
    "True None 1.0 3.5 3 2 8",
  ],
  [
    "sum",
    "{{ [1, 2.5] | sum }} {{ [[1, 2], [3]] | sum(start=[]) }} {{ rows | sum('v') }}",
    "3.5 [1, 2, 3] 3",
  ],
  ["str", "{{ '%s-%d' | format('a', 3) }}", "a-3"],
  ["str", "{{ (1, 2) }} {{ [] }} {{ 'a\\nb' | list }}", "(1, 2) [] ['a', '\\n', 'b']"],
  ["str", "{{ missing }}|{{ missing is defined }}|{{ missing | length }}", "|False|0"],
  ["str", "{{ 'n=' ~ 1 ~ none }}", "n=1None"],
  [
    "strip",
    "[{{ text.strip() }}][{{ text.rstrip('\\n') }}][{{ 'xxaxx'.lstrip('x') }}][{{ 'xay'.strip('xy') }}]",
    "[a][ a][axx][a]",
  ],
  [
    "strip",
    "{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b '.split() }} {{ 'a=b'.partition('=') }}",
    "['a,b', 'c'] ['a', 'b'] ('a', '=', 'b')",
  ],
  [
    "strip",
    "{{ 'prefix-x'.removeprefix('prefix-') }} {{ '%s=%d' % ('a', 1) }} {{ '{}-{x}'.format(1, x=2) }}",
    "x a=1 1-2",
  ],
  [
    "min",
    "{{ [3, 1, 2] | min }} {{ [3, 1] | max }} {{ rows | map(attribute='v') | sum }}",
    "1 3 3",
  ],
  [
    "min",
    "{{ rows | selectattr('k', 'equalto', 'y') | map(attribute='v') | list }} {{ ['a', ''] | select | list }}",
    "[2] ['a']",
  ],
  [
    "min",
    "{{ items | dictsort }} {{ items | items | list }}",
    "[('a', 1), ('b', 2)] [('b', 2), ('a', 1)]",
  ],
  ["unpack", "{% for k, v in items.items() %}{{ k }}={{ v }};{% endfor %}", "b=2;a=1;"],
  [
    "unpack",
    "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }} {% endfor %}{% set x, y = (1, 2) %}{{ x }}{{ y }}",
    "3 7 12",
  ],
  [
    "keys",
    "{% set d = {1: 'one', 'two': 2} %}{{ d[1] }}{{ d['two'] }}{{ d[3] is defined }}{{ d.items is defined }}",
    "one2FalseTrue",
  ],
  [
    "keys",
    "{{ 'a😀b'[1] }}{{ 'a😀b'[1:] }}{{ 'a😀b' | length }}{{ 'abc'[::-1] }}{{ [1, 2, 3][:-1] }}",
    "😀😀b3cba[1, 2]",
  ],
  [
    "loops",
    "{% for i in range(5) %}{% if i == 3 %}{% break %}{% endif %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
    "02",
  ],
  [
    "loops",
    "{% set ns = namespace(n=0) %}{% for r in rows if r.v > 1 %}{% set ns.n = ns.n + r.v %}{{ loop.index }}{{ loop.last }}{% else %}none{% endfor %}{{ ns.n }}",
    "1True2",
  ],
  [
    "loops",
    "{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}{% for c in 'ab' %}{{ loop.cycle('-', '+') }}{{ c }}{% endfor %}",
    "1-a+b",
  ],
  [
    "macros",
    "{% macro m(a, b='d') %}{{ a }}{{ b }}{{ kwargs.z }}{% endmacro %}{{ m(1, z=3) }}{{ m('x', b='y') }}",
    "1d3xy",
  ],
  ["macros", "{%- generation -%} g {%- endgeneration -%}", "g"],
  [
    "macros",
    "{% filter upper %}a{{ 'b' }}{% endfilter %}{% set x %}s{{ 1 }}{% endset %}{{ x }}",
    "ABs1",
  ],
  [
    "macros",
    "{{ 'a' if false }}{{ 1 in [1.0] }}{{ 'k' in rows[0] }}{{ 'b' not in 'abc' }}",
    "TrueTrueFalse",
  ],
];

for (const group of new Set(CASES.map(([name]) => name))) {
  Deno.test(`runTemplate() prints what Python prints: ${group}`, () => {
    for (const [name, source, expected] of CASES) {
      if (name === group) assert.equal(printed(source), expected, source);
    }
  });
}

Deno.test("runTemplate() refuses what Python refuses, in its words", () => {
  for (
    const [source, words] of [
      ["{{ 'a' + none }}", /can only concatenate str \(not "NoneType"\) to str/],
      ["{{ missing.field }}", /'missing' is undefined/],
      ["{{ rows[7].k }}", /list object has no element 7/],
      ["{{ rows.append(1) }}", /'append' of 'list' is unsafe/],
      ["{{ raise_exception('no system role') }}", /^no system role$/],
      ["{{ rows | map(attribute='k') | tojson }}", /generator is not JSON serializable/],
      ["{{ 1 | nothing }}", /No filter named 'nothing'/],
      ["{% for a, b in [[1]] %}{% endfor %}", /not enough values to unpack/],
    ] as const
  ) assert.throws(() => printed(source), { name: "TemplateError", message: words }, source);
});

Deno.test("runTemplate() knows which characters came from the request, whatever is done with them", () => {
  const cases: [source: string, text: string, marks: string][] = [
    ["<{{ t }}>", "<ab</x>c>", "011111110"],
    ["{{ t.split('</x>')[-1] }}!", "c!", "10"],
    ["{{ t | upper | replace('B', '_') }}", "A_</X>C", "1011111"],
    ["{{ ('[' + t + ']')[1:-1].strip('a') }}", "b</x>c", "111111"],
    ["{{ [t] | join(',') ~ (t | length) }}", "ab</x>c7", "11111110"],
    ["{{ d | tojson }}", '{"ab": "x"}', "01111001110"],
    ["{% for c in t %}{{ c }}{% endfor %}", "ab</x>c", "1111111"],
    [
      "{{ '%s' % t }}{{ t[0] }}{{ d.ab }}{{ (d | items | first)[0] }}",
      "ab</x>caxab",
      "11111111111",
    ],
  ];
  for (const [source, text, marks] of cases) {
    const found = runTemplate(parseTemplate(source), [
      ["t", foreign("ab</x>c")],
      ["d", fromJson({ ab: "x" })],
    ]);
    assert.deepEqual([rawText(found), marksOf(found)], [text, marks], source);
  }
});

interface Rendered {
  name: string;
  tokens: Record<string, string>;
  template: string;
  cases: {
    messages: { role: string; content: string }[];
    tools: unknown[] | null;
    add_generation_prompt: boolean;
    variables: Record<string, unknown>;
    rendered: string | null;
  }[];
}

Deno.test("ChatTemplate.render() equals transformers on the templates of many models", async (t) => {
  const file = join(SHARED_DATA, "fetched/chat_templates/rendered.jsonl");
  const lines = await Deno.readTextFile(file).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  if (lines === "") {
    await skipAbsent(t, "the templates are");
    return;
  }
  let cases = 0;
  for (const line of lines.trim().split("\n")) {
    const { name, tokens, template, cases: all } = JSON.parse(line) as Rendered;
    const chat = ChatTemplate.fromConfig({ ...tokens, chat_template: template });
    for (const [i, c] of all.entries()) {
      const render = () =>
        chat.render(c.messages, {
          tools: c.tools ?? undefined,
          addGenerationPrompt: c.add_generation_prompt,
          variables: c.variables,
          now: new Date(2026, 6, 4), // the day of these texts
        });
      cases++;
      if (c.rendered === null) {
        assert.throws(render, { code: "chat_template_failed" }, `${name} ${i}`);
      } else assert.equal(render(), c.rendered, `${name} ${i}`);
    }
  }
  assert.ok(cases >= 900, `${cases} conversations`);
});
