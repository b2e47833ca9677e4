/**
 * Hermes, Qwen 2.5 and Qwen 3:
 *
 *     <tool_call>
 *     {"name": "weather", "arguments": {"city": "Rome"}}
 *     </tool_call>
 *
 * @module
 */
import { jsonCall, openAiId, type ToolFormat } from "../format.ts";
import { Closed, Either, JsonCalls } from "../readers.ts";
import { ElementCall } from "../element_call.ts";

/** Text that begins a call. */
export const OPEN_CALL = "<tool_call>";
/** Text that ends it. */
export const CLOSE_CALL = "</tool_call>";

/** See the module's text. */
export const hermes: ToolFormat = {
  name: "hermes",
  markers: [{ text: OPEN_CALL }],
  marks: OPEN_CALL + CLOSE_CALL,
  reader: (sink, functions) =>
    new Closed(
      new Either((first) => first === "<" ? new ElementCall(sink, functions) : new JsonCalls(sink)),
      CLOSE_CALL,
    ),
  grammar: (functions) => ({
    triggers: [OPEN_CALL],
    tags: functions.map((fn) => {
      const { begin, content, end } = jsonCall(fn, "arguments");
      return {
        type: "tag",
        begin: `${OPEN_CALL}\n${begin}`,
        content,
        end: `${end}\n${CLOSE_CALL}`,
      };
    }),
    separator: "\n",
  }),
  callId: openAiId,
};
