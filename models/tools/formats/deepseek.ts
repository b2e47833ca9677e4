/**
 * DeepSeek V3 and R1 write, in one section, for each call
 *
 *     <｜tool▁call▁begin｜>function<｜tool▁sep｜>weather
 *     ```json
 *     {"city": "Rome"}
 *     ```<｜tool▁call▁end｜>
 *
 * and V3.1 `<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Rome"}<｜tool▁call▁end｜>`.
 *
 * @module
 */
import { type HeldFunction, openAiId, type ToolFormat } from "../format.ts";
import { sectionFormat } from "./section.ts";

const [BEGIN, END] = ["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"];
const [CALL, SEPARATOR, CALL_END] = [
  "<｜tool▁call▁begin｜>",
  "<｜tool▁sep｜>",
  "<｜tool▁call▁end｜>",
];
const NAME = new RegExp(
  `${CALL}\\s*(?:function\\s*${SEPARATOR}\\s*)?([\\w.-]+)\\s*(?:${SEPARATOR})?\\s*(?:\`\`\`json)?\\s*$`,
);

const format = (
  name: string,
  around: (fn: HeldFunction) => { before: string; after: string },
  separator: string,
): ToolFormat =>
  sectionFormat({
    name,
    texts: { begin: BEGIN, end: END, call: CALL },
    others: SEPARATOR + CALL_END,
    header: NAME,
    tag: (fn) => ({
      begin: CALL + around(fn).before,
      content: { type: "json_schema", json_schema: fn.schema },
      end: around(fn).after + CALL_END,
    }),
    separator,
    callId: openAiId,
  });

/** V3 and R1. */
export const deepseek = format(
  "deepseek",
  ({ name }) => ({ before: `function${SEPARATOR}${name}\n\`\`\`json\n`, after: "\n```" }),
  "\n",
);

/** V3.1 and later ones. */
export const deepseek31 = format(
  "deepseek_v3.1",
  ({ name }) => ({ before: `${name}${SEPARATOR}`, after: "" }),
  "",
);
