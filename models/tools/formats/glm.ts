/**
 * GLM 4.5 and 4.6:
 *
 *     <tool_call>weather
 *     <arg_key>city</arg_key>
 *     <arg_value>Rome</arg_value>
 *     </tool_call>
 *
 * and Laguna, without the line breaks.
 *
 * @module
 */
import { ElementCall, type ElementForm } from "../element_call.ts";
import { openAiId, type ToolFormat } from "../format.ts";
import { elementArguments } from "./element_arguments.ts";
import { CLOSE_CALL, OPEN_CALL } from "./hermes.ts";

const FORM: ElementForm = {
  call: /^\s*(?<name>[^\s<>]+)\s*(?<rest><arg_key>|<\/tool_call>)$/,
  argument: /^\s*<arg_key>(?<key>[^<]*)<\/arg_key>\s*<arg_value>(?<value>[^]*?)<\/arg_value>$/,
  end: /^\s*<\/tool_call>$/,
};

const format = (name: string, between: string): ToolFormat => ({
  name,
  markers: [{ text: OPEN_CALL }],
  marks: `${OPEN_CALL}${CLOSE_CALL}<arg_key></arg_key><arg_value></arg_value>`,
  reader: (sink, functions) => new ElementCall(sink, functions, FORM),
  grammar: (functions) => ({
    triggers: [OPEN_CALL],
    tags: functions.map((fn) => ({
      type: "tag",
      begin: `${OPEN_CALL}${fn.name}${between}`,
      content: elementArguments(fn, (key) => ({
        begin: `<arg_key>${key}</arg_key>${between}<arg_value>`,
        end: `</arg_value>${between}`,
      })),
      end: CLOSE_CALL,
    })),
    separator: "\n",
  }),
  callId: openAiId,
});

/** GLM. */
export const glm = format("glm", "\n");
/** Laguna. */
export const laguna = format("laguna", "");
