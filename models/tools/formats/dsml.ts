/**
 * DeepSeek V3.2 and V4, in one section (`function_calls` or `tool_calls`) for each call
 *
 *     <｜DSML｜invoke name="weather">
 *     <｜DSML｜parameter name="city" string="true">Rome</｜DSML｜parameter>
 *     </｜DSML｜invoke>
 *
 * @module
 */
import { ElementCall, type ElementForm } from "../element_call.ts";
import { listTag, openAiId, type ToolFormat } from "../format.ts";
import { elementArguments } from "./element_arguments.ts";

const FORM: ElementForm = {
  call: /^\s*<｜DSML｜invoke name="(?<name>[^">]+)">$/,
  argument:
    /^\s*<｜DSML｜parameter name="(?<key>[^">]+)" string="(?<text>true|false)">(?<value>[^]*?)<\/｜DSML｜parameter>$/,
  end: /^\s*<\/｜DSML｜invoke>$/,
  section: /^\s*<\/｜DSML｜\w+>$/,
};
const CALL = "<｜DSML｜invoke name=";

const format = (name: string, section: string): ToolFormat => ({
  name,
  markers: [{ text: `<｜DSML｜${section}>` }],
  marks: "<｜DSML｜</｜DSML｜｜DSML｜",
  reader: (sink, functions) => new ElementCall(sink, functions, FORM),
  grammar: (functions, parallel) => ({
    triggers: [`<｜DSML｜${section}>`],
    tags: [listTag(
      `<｜DSML｜${section}>\n`,
      functions.map((fn) => ({
        type: "tag",
        begin: `${CALL}"${fn.name}">\n`,
        content: elementArguments(fn, (key, text) => ({
          begin: `<｜DSML｜parameter name="${key}" string="${text}">`,
          end: "</｜DSML｜parameter>\n",
        })),
        end: "</｜DSML｜invoke>\n",
      })),
      `</｜DSML｜${section}>`,
      { trigger: CALL, separator: "", parallel },
    )],
  }),
  callId: openAiId,
});

/** V3.2. */
export const deepseek32 = format("deepseek_v3.2", "function_calls");
/** V4. */
export const deepseek4 = format("deepseek_v4", "tool_calls");
