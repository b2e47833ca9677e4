/**
 * Phi-4-mini: a list of calls,
 *
 *     functools[{"name": "weather", "arguments": {"city": "Rome"}}]
 *
 * or the same between `<|tool_call|>` and `<|/tool_call|>`. Its template takes the descriptions as a
 * field of the system message.
 *
 * @module
 */
import { jsonCall, listTag, openAiId, type ToolFormat } from "../format.ts";
import { Closed, JsonCalls } from "../readers.ts";

/** See the module's text. */
export const phi4: ToolFormat = {
  name: "phi4",
  markers: [{ text: "functools[", feed: "[" }, { text: "<|tool_call|>" }],
  marks: "<|tool_call|><|/tool_call|>",
  reader: (sink) => new Closed(new JsonCalls(sink), "<|/tool_call|>"),
  grammar: (functions, parallel) => {
    const calls = functions.map((fn) => ({ type: "tag" as const, ...jsonCall(fn, "arguments") }));
    const options = { trigger: "{", separator: ", ", parallel };
    return {
      triggers: ["functools[", "<|tool_call|>"],
      tags: [
        listTag("functools[", calls, "]", options),
        listTag("<|tool_call|>[", calls, "]<|/tool_call|>", options),
      ],
    };
  },
  callId: openAiId,
};
