/**
 * A scripted model for each way to write calls of functions: a small chat template of the family,
 * and answers in its form.
 *
 * @module
 */
import { LISTED_TOOL_FAMILIES } from "./listed_tool_families.ts";
import { ARGS, json, NAME, type ScriptedCall, templateOf, type ToolFamily } from "./tool_family.ts";

export type { ScriptedCall } from "./tool_family.ts";

const hermesCalls = (calls: readonly ScriptedCall[]) =>
  calls.map((call) => `<tool_call>\n${json(call)}\n</tool_call>`).join("\n");
const HERMES = `<tool_call>\n{"name": "${NAME}", "arguments": ${ARGS}}\n</tool_call>`;

/** By the name that the model's card gives. */
export const TOOL_FAMILIES: Record<string, ToolFamily> = {
  hermes: { template: templateOf(HERMES), writes: hermesCalls, parallel: true },
  "hermes, thinking": {
    template: templateOf(`${HERMES}{# <think> #}`),
    specials: ["<think>", "</think>"],
    writes: hermesCalls,
    parallel: true,
    thinks: "maybe",
  },
  generic: { template: templateOf("", { tools: false }), writes: hermesCalls, parallel: true },
  qwen_coder: {
    template: templateOf(
      `<tool_call>\n<function=${NAME}>{% for k, v in c.function.arguments.items() %}\n<parameter={{ k }}>\n{{ v }}\n</parameter>{% endfor %}\n</function>\n</tool_call>`,
    ),
    writes: (calls) =>
      calls.map(({ name, arguments: args }) =>
        `<tool_call>\n<function=${name}>\n` +
        Object.entries(args).map(([key, value]) =>
          `<parameter=${key}>\n${
            typeof value === "string" ? value : JSON.stringify(value)
          }\n</parameter>\n`
        ).join("") +
        "</function>\n</tool_call>"
      ).join("\n"),
    parallel: true,
  },
  llama3: {
    template: templateOf(`{"name": "${NAME}", "parameters": ${ARGS}}`),
    writes: ([call]) => json(call, "parameters"),
    parallel: false,
  },
  mistral: {
    template: templateOf(
      `[TOOL_CALLS] [{"name": "${NAME}", "arguments": ${ARGS}, "id": "{{ c.id }}"}]`,
    ),
    specials: ["[TOOL_CALLS]"],
    writes: (calls) => `[TOOL_CALLS] [${calls.map((call) => json(call)).join(", ")}]`,
    parallel: true,
  },
  mistral_args: {
    template: templateOf(`[TOOL_CALLS]${NAME}[ARGS]${ARGS}`),
    specials: ["[TOOL_CALLS]", "[ARGS]"],
    writes: (calls) =>
      calls.map((call) => `[TOOL_CALLS]${call.name}[ARGS]${JSON.stringify(call.arguments)}`).join(
        "",
      ),
    parallel: true,
  },
  phi4: {
    template:
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if 'tools' in m %}<|tool|>{{ m['tools'] }}<|/tool|>{% endif %}<|end|>{% endfor %}" +
      "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    writes: (calls) => `functools[${calls.map((call) => json(call)).join(", ")}]`,
    parallel: true,
  },
  deepseek: {
    template: templateOf(
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>" + NAME +
        "\n```json\n" + ARGS + "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      { think: "<think>\n" },
    ),
    opens: "<think>\n",
    specials: ["<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>"],
    writes: (calls) =>
      "<｜tool▁calls▁begin｜>" +
      calls.map(({ name, arguments: args }) =>
        `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${
          JSON.stringify(args)
        }\n\`\`\`<｜tool▁call▁end｜>`
      ).join("\n") + "<｜tool▁calls▁end｜>",
    parallel: true,
    thinks: "open",
  },
  "deepseek_v3.1": {
    template: templateOf(
      `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>${NAME}<｜tool▁sep｜>${ARGS}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
    ),
    writes: (calls) =>
      "<｜tool▁calls▁begin｜>" +
      calls.map(({ name, arguments: args }) =>
        `<｜tool▁call▁begin｜>${name}<｜tool▁sep｜>${JSON.stringify(args)}<｜tool▁call▁end｜>`
      ).join("") + "<｜tool▁calls▁end｜>",
    parallel: true,
  },
  ...LISTED_TOOL_FAMILIES,
};

/** A test's question: the model is to call these functions, and then to repeat what they gave. */
export interface ScriptedQuestion {
  /** Text before the calls. */
  before: string;
  /** The calls. */
  calls: ScriptedCall[];
}

/** The question as a user's message. */
export const questionText = (question: ScriptedQuestion): string =>
  `Do this: ${btoa(encodeURIComponent(JSON.stringify(question)))}.`;

/** What a model of this family says: calls to a question, else what the calls gave. */
export function familySays(family: ToolFamily): (prompt: string) => string {
  return (prompt) => {
    const turns = prompt.split("Do this: ");
    const last = turns.at(-1)!;
    const [, asked] = /^([\w+/=]+)\./.exec(last) ?? [];
    const thought = family.thinks === "maybe"
      ? "<think>\nLet me see <tool_call>.\n</think>\n\n"
      : family.thinks === "open"
      ? "Let me see.\n</think>\n\n"
      : "";
    const results = [...last.matchAll(/result-\d+/g)].map(([result]) => result);
    const { answers = (text, calls) => thought + text + calls } = family;
    if (results.length > 0) return answers(`It gave ${results.join(" and ")}.`, "");
    const { before, calls } = JSON.parse(decodeURIComponent(atob(asked))) as ScriptedQuestion;
    return answers(before, family.writes(calls));
  };
}
