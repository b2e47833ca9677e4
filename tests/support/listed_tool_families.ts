/**
 * Further families of {@linkcode TOOL_FAMILIES}: calls in lists, in elements, and in channels.
 *
 * @module
 */
import { ARGS, json, NAME, type ScriptedCall, templateOf, type ToolFamily } from "./tool_family.ts";

type Calls = readonly ScriptedCall[];

/** Calls whose arguments are elements. */
const elements = (
  { name, arguments: args }: ScriptedCall,
  write: (key: string, text: string, isText: boolean) => string,
  around: (name: string, inner: string) => string,
) => {
  const inner = Object.entries(args).map(([key, value]) =>
    write(
      key,
      typeof value === "string" ? value : JSON.stringify(value),
      typeof value === "string",
    )
  );
  return around(name, inner.join(""));
};

const EACH = (text: string) => `{% for k, v in c.function.arguments.items() %}${text}{% endfor %}`;

const glm = (between: string): ToolFamily => ({
  template: templateOf(
    `<tool_call>${NAME}${between}` +
      EACH(`<arg_key>{{ k }}</arg_key>${between}<arg_value>{{ v }}</arg_value>${between}`) +
      "</tool_call>",
  ),
  writes: (calls: Calls) =>
    calls.map((call) =>
      elements(
        call,
        (key, text) =>
          `<arg_key>${key}</arg_key>${between}<arg_value>${text}</arg_value>${between}`,
        (name, inner) => `<tool_call>${name}${between}${inner}</tool_call>`,
      )
    ).join("\n"),
  parallel: true,
});

const dsml = (section: string): ToolFamily => ({
  template: templateOf(
    `<｜DSML｜${section}>\n<｜DSML｜invoke name="${NAME}">\n` +
      EACH('<｜DSML｜parameter name="{{ k }}" string="true">{{ v }}</｜DSML｜parameter>\n') +
      `</｜DSML｜invoke>\n</｜DSML｜${section}>`,
  ),
  writes: (calls: Calls) =>
    `<｜DSML｜${section}>\n` +
    calls.map((call) =>
      elements(
        call,
        (key, text, isText) =>
          `<｜DSML｜parameter name="${key}" string="${isText}">${text}</｜DSML｜parameter>\n`,
        (name, inner) => `<｜DSML｜invoke name="${name}">\n${inner}</｜DSML｜invoke>\n`,
      )
    ).join("") + `</｜DSML｜${section}>`,
  parallel: true,
});

const gemma = (open: string, close: string, mark: string): ToolFamily => ({
  template: templateOf(
    `${open}call:${NAME}{{ "{" }}` + EACH(`{{ k }}:${mark}{{ v }}${mark}`) + `}${close}`,
  ),
  writes: (calls: Calls) =>
    calls.map((call) =>
      elements(
        call,
        (key, text, isText) => `,${key}:${isText ? mark + text + mark : text}`,
        (name, inner) => `${open}call:${name}{${inner.slice(1)}}${close}`,
      )
    ).join(""),
  parallel: true,
});

const cohere = (call: ScriptedCall) => json(call, "parameters").replace('"name"', '"tool_name"');

/** By the name that the model's card gives. */
export const LISTED_TOOL_FAMILIES: Record<string, ToolFamily> = {
  glm: glm("\n"),
  laguna: glm(""),
  "deepseek_v3.2": dsml("function_calls"),
  deepseek_v4: dsml("tool_calls"),
  gemma: {
    ...gemma("<|tool_call>", "<tool_call|>", '<|"|>'),
    specials: ["<|tool_call>", "<tool_call|>", '<|"|>'],
  },
  functiongemma: gemma("<start_function_call>", "<end_function_call>", "<escape>"),
  seed: {
    template: templateOf(
      `<seed:tool_call>\n<function=${NAME}>` + EACH("\n<parameter={{ k }}>{{ v }}</parameter>") +
        "\n</function>\n</seed:tool_call>",
    ),
    writes: (calls) =>
      calls.map((call) =>
        elements(
          call,
          (key, text) => `<parameter=${key}>${text}</parameter>\n`,
          (name, inner) =>
            `<seed:tool_call>\n<function=${name}>\n${inner}</function>\n</seed:tool_call>`,
        )
      ).join("\n"),
    parallel: true,
  },
  kimi: {
    template: templateOf(
      `<|tool_calls_section_begin|><|tool_call_begin|>functions.${NAME}:0<|tool_call_argument_begin|>` +
        `${ARGS}<|tool_call_end|><|tool_calls_section_end|>`,
    ),
    specials: ["<|tool_calls_section_begin|>", "<|tool_call_begin|>"],
    writes: (calls) =>
      "<|tool_calls_section_begin|>" +
      calls.map(({ name, arguments: args }, i) =>
        `<|tool_call_begin|>functions.${name}:${i}<|tool_call_argument_begin|>${
          JSON.stringify(args)
        }<|tool_call_end|>`
      ).join("") + "<|tool_calls_section_end|>",
    parallel: true,
  },
  apriel: {
    template: templateOf(`<tool_calls>[{"name": "${NAME}", "arguments": ${ARGS}}]</tool_calls>`),
    writes: (calls) => `<tool_calls>[${calls.map((call) => json(call)).join(", ")}]</tool_calls>`,
    parallel: true,
  },
  minimax: {
    template: templateOf(
      `<tool_calls>\n{"name": "${NAME}", "arguments": ${ARGS}}\n</tool_calls>`,
    ),
    writes: (calls) => `<tool_calls>\n${calls.map((call) => json(call)).join("\n")}\n</tool_calls>`,
    parallel: true,
  },
  granite: {
    template: `{# <|start_of_role|> <|tool_call|> #}${templateOf("")}`,
    specials: ["<|tool_call|>"],
    writes: (calls) => `<|tool_call|>[${calls.map((call) => json(call)).join(", ")}]`,
    parallel: true,
  },
  cohere: {
    template: templateOf(
      `<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "${NAME}", "parameters": ${ARGS}}]<|END_ACTION|>`,
    ),
    specials: ["<|START_ACTION|>", "<|END_ACTION|>"],
    writes: (calls) =>
      `<|START_ACTION|>[\n    ${calls.map(cohere).join(",\n    ")}\n]<|END_ACTION|>`,
    parallel: true,
  },
  cohere_action: {
    template: templateOf(
      `Action:\n\`\`\`json\n[{"tool_name": "${NAME}", "parameters": ${ARGS}}]\`\`\``,
    ),
    writes: (calls) => `Action:\n\`\`\`json\n[\n    ${calls.map(cohere).join(",\n    ")}\n]\`\`\``,
    parallel: true,
  },
  harmony: {
    template: templateOf(
      ` to=functions.${NAME}<|channel|>commentary json<|message|>${ARGS}<|call|>`,
    ),
    specials: ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"],
    writes: ([{ name, arguments: args }]) =>
      `<|channel|>commentary to=functions.${name} <|constrain|>json<|message|>${
        JSON.stringify(args)
      }`,
    answers: (text, calls) => {
      const thought = "<|channel|>analysis<|message|>Let me see.<|start|>assistant";
      if (calls === "") return `${thought}<|channel|>final<|message|>${text}`;
      const before = text && `<|channel|>commentary<|message|>${text}<|start|>assistant`;
      return thought + before + calls;
    },
    parallel: false,
    thinks: "open",
  },
};
