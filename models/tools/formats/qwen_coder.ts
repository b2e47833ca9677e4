/**
 * Qwen 3 Coder and Qwen 3.5:
 *
 *     <tool_call>
 *     <function=weather>
 *     <parameter=city>
 *     Rome
 *     </parameter>
 *     </function>
 *     </tool_call>
 *
 * @module
 */
import type { HeldFunction, TagFormat, ToolFormat } from "../format.ts";
import { CLOSE_CALL, hermes, OPEN_CALL } from "./hermes.ts";

/** See the module's text. */
export const qwenCoder: ToolFormat = {
  ...hermes,
  name: "qwen_coder",
  grammar: (functions) => ({
    triggers: [OPEN_CALL],
    tags: functions.map((fn) => ({
      type: "tag",
      begin: `${OPEN_CALL}\n<function=${fn.name}>\n`,
      content: parameters(fn),
      end: `</function>\n${CLOSE_CALL}`,
    })),
    separator: "\n",
  }),
};

const NOTHING: TagFormat = { type: "grammar", grammar: 'root ::= ""' };

/** The parameters in the order of the schema; those that are not required may be left out. */
function parameters({ schema }: HeldFunction): TagFormat {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, unknown>);
  const required = Array.isArray(schema.required) ? schema.required : [];
  const elements = properties.map(([name, property]): TagFormat => {
    const tag: TagFormat = {
      type: "tag",
      begin: `<parameter=${name}>\n`,
      content: valueFormat(property),
      end: "\n</parameter>\n",
    };
    return required.includes(name) ? tag : { type: "or", elements: [tag, NOTHING] };
  });
  return elements.length === 0 ? NOTHING : { type: "sequence", elements };
}

/** Texts are written without quotes. */
function valueFormat(property: unknown): TagFormat {
  const { type, enum: values, const: value } = (property ?? {}) as Record<string, unknown>;
  if (type !== "string" && type !== undefined) {
    return { type: "json_schema", json_schema: property };
  }
  const choices = value === undefined ? values : [value];
  if (Array.isArray(choices) && choices.every((choice) => typeof choice === "string")) {
    return { type: "or", elements: choices.map((text) => ({ type: "const_string", value: text })) };
  }
  return { type: "any_text" };
}
