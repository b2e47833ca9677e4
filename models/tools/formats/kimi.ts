/**
 * Kimi K2, in one section for each call
 *
 *     <|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "Rome"}<|tool_call_end|>
 *
 * The number counts the calls, and the text before the arguments is the call's id.
 *
 * @module
 */
import type { ToolFormat } from "../format.ts";
import { sectionFormat } from "./section.ts";

const [BEGIN, END] = ["<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"];
const [CALL, ARGUMENTS, CALL_END] = [
  "<|tool_call_begin|>",
  "<|tool_call_argument_begin|>",
  "<|tool_call_end|>",
];
const NAME =
  /<\|tool_call_begin\|>\s*(?:functions\.)?([\w.-]+?)(?::\d+)?\s*<\|tool_call_argument_begin\|>\s*$/;

/** See the module's text. */
export const kimi: ToolFormat = sectionFormat({
  name: "kimi",
  texts: { begin: BEGIN, end: END, call: CALL },
  others: ARGUMENTS + CALL_END,
  header: NAME,
  tag: (fn) => ({
    begin: `${CALL}functions.${fn.name}:`,
    content: {
      type: "sequence",
      elements: [
        { type: "regex", pattern: "[0-9]{1,3}" },
        { type: "const_string", value: ARGUMENTS },
        { type: "json_schema", json_schema: fn.schema },
      ],
    },
    end: CALL_END,
  }),
  separator: "",
  callId: (name, index) => `functions.${name}:${index}`,
});
