/**
 * Llama 3.1 to 3.3: one call, which is the whole answer, at times behind `<|python_tag|>`:
 *
 *     {"name": "weather", "parameters": {"city": "Rome"}}
 *
 * @module
 */
import { jsonCall, openAiId, type ToolFormat } from "../format.ts";
import { isSpace } from "../json_value.ts";
import { JsonCalls } from "../readers.ts";

const PYTHON_TAG = "<|python_tag|>";

/** See the module's text. */
export const llama3: ToolFormat = {
  name: "llama3",
  markers: [{ text: PYTHON_TAG }],
  marks: PYTHON_TAG,
  bare: isCallBegin,
  reader: (sink) => new JsonCalls(sink),
  // The template refuses messages with more than one call.
  grammar: (functions) => ({
    triggers: ['{"name": "', PYTHON_TAG],
    tags: ["", PYTHON_TAG].flatMap((before) =>
      functions.map((fn) => {
        const { begin, content, end } = jsonCall(fn, "parameters");
        return { type: "tag" as const, begin: before + begin, content, end };
      })
    ),
  }),
  callId: openAiId,
};

/** Whether a text begins with `{"name": "NAME"`, spaces aside; undefined: it may yet. */
function isCallBegin(begin: string, names: readonly string[]): boolean | undefined {
  let verdict: boolean | undefined = false;
  for (const name of names) {
    let [rest, complete] = [begin, true];
    for (const part of ["{", '"name"', ":", JSON.stringify(name)]) {
      while (rest !== "" && isSpace(rest[0])) rest = rest.slice(1);
      complete = rest.startsWith(part);
      if (!complete) {
        if (part.startsWith(rest)) verdict = undefined;
        break;
      }
      rest = rest.slice(part.length);
    }
    if (complete) return true;
  }
  return verdict;
}
