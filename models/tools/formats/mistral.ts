/**
 * Mistral. With the older templates (to version 7 of its tokenizer) a list:
 *
 *     [TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Rome"}}]
 *
 * with the newer ones, for each call:
 *
 *     [TOOL_CALLS]weather[ARGS]{"city": "Rome"}
 *
 * @module
 */
import { jsonCall, listTag, randomId, type ToolFormat } from "../format.ts";
import { Either, HeadedCalls, JsonCalls } from "../readers.ts";

const MARK = "[TOOL_CALLS]";
const NAME = /^\s*([\w.-]+)(?:\[CALL_ID\]\w+)?(?:\[ARGS\])?\s*$/;

/** The older form. */
export const mistralList: ToolFormat = {
  name: "mistral",
  markers: [{ text: MARK }],
  marks: `${MARK}[CALL_ID][ARGS]`,
  reader: (sink) =>
    new Either((first) =>
      first === "[" || first === "{" ? new JsonCalls(sink) : new HeadedCalls(sink, NAME)
    ),
  grammar: (functions, parallel) => ({
    triggers: [MARK],
    tags: [listTag(
      `${MARK} [`,
      functions.map((fn) => ({ type: "tag", ...jsonCall(fn, "arguments") })),
      "]",
      { trigger: "{", separator: ", ", parallel },
    )],
  }),
  callId: () => randomId(9),
  takesId: (id) => /^[A-Za-z0-9]{9}$/.test(id),
};

/** The newer form. */
export const mistralArgs: ToolFormat = {
  ...mistralList,
  name: "mistral_args",
  grammar: (functions) => ({
    triggers: [MARK],
    tags: functions.map((fn) => ({
      type: "tag",
      begin: `${MARK}${fn.name}[ARGS]`,
      content: { type: "json_schema", json_schema: fn.schema },
      end: "",
    })),
    separator: "",
  }),
};
