/**
 * Calls as JSON objects between two texts. Apriel writes a list of them,
 *
 *     <tool_calls>[{"name": "weather", "arguments": {"city": "Rome"}}]</tool_calls>
 *
 * MiniMax M1 one a line, Granite 3 a list behind `<|tool_call|>` that nothing closes. Cohere's
 * Command R7B and A write
 *
 *     <|START_ACTION|>[{"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Rome"}}]<|END_ACTION|>
 *
 * and its Command R+ the same, without ids, in a block of JSON behind `Action:`.
 *
 * @module
 */
import { jsonCall, listTag, type NamedTag, openAiId, type ToolFormat } from "../format.ts";
import { Closed, JsonCalls, LooseCalls } from "../readers.ts";

/** What is particular to a family. */
interface Listed {
  name: string;
  begin: string;
  end: string;
  separator?: string;
  /** What each call begins with, before its name. @default as OpenAI has it */
  cohere?: boolean;
  /** What begins a call in free text. @default `begin` */
  marker?: string;
  reader?: ToolFormat["reader"];
}

function listed({ name, begin, end, separator = ", ", cohere, ...more }: Listed): ToolFormat {
  const { marker = begin.trim(), reader } = more;
  return {
    name,
    markers: [{ text: marker }],
    marks: `${marker}${end}`,
    reader: reader ?? ((sink) => new LooseCalls(sink, end.trim().replace(/^\]/, "").trim())),
    grammar: (functions, parallel) => ({
      triggers: [marker],
      tags: [listTag(
        begin,
        functions.map((fn): NamedTag => {
          const call = jsonCall(fn, cohere ? "parameters" : "arguments");
          if (cohere) call.begin = call.begin.replace('"name"', '"tool_name"');
          return { type: "tag", ...call };
        }),
        end,
        { trigger: "{", separator, parallel },
      )],
    }),
    callId: openAiId,
  };
}

/** Apriel. */
export const apriel = listed({
  ...{ name: "apriel", marker: "<tool_calls>", begin: "<tool_calls>[", end: "]</tool_calls>" },
});

/** MiniMax M1. */
export const minimax = listed({
  ...{ name: "minimax", begin: "<tool_calls>\n", end: "\n</tool_calls>", separator: "\n" },
});

/** Granite 3. */
export const granite = listed({
  ...{ name: "granite", marker: "<|tool_call|>", begin: "<|tool_call|>[", end: "]" },
  reader: (sink) => new Closed(new JsonCalls(sink), "</tool_call>"),
});

/** Command R7B and A. */
export const cohere = listed({
  ...{ name: "cohere", cohere: true },
  ...{ marker: "<|START_ACTION|>", begin: "<|START_ACTION|>[\n    ", end: "\n]<|END_ACTION|>" },
  separator: ",\n    ",
});

/** Command R+. */
export const cohereAction = listed({
  ...{ name: "cohere_action", cohere: true },
  ...{ marker: "Action:", begin: "Action:\n```json\n[\n    ", end: "\n]```", separator: ",\n    " },
  reader: (sink) => new LooseCalls(sink, "```", "```json"),
});
