/**
 * gpt-oss, in OpenAI's Harmony form: a call is a message to a function,
 *
 *     <|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Rome"}<|call|>
 *
 * and thoughts and text are messages too, in channels of their own.
 *
 * @module
 */
import { openAiId, type TagFormat, type ToolFormat } from "../format.ts";
import { HeadedCalls } from "../readers.ts";

const CHANNEL = "<|channel|>";
const MESSAGE = "<|message|>";
const CALL = `${CHANNEL}commentary to=functions.`;

/** See the module's text. */
export const harmony: ToolFormat = {
  name: "harmony",
  markers: [{ text: CALL }],
  marks: `<|start|>${CHANNEL}${MESSAGE}<|constrain|><|end|><|call|><|return|>`,
  // The whole answer is read by a parser of its own; this is for what stands by itself.
  reader: (sink) => new HeadedCalls(sink, /^([\w.-]+)[^{]*$/),
  // The template writes one call a message.
  grammar: (functions) => ({
    triggers: [CALL],
    tags: functions.map((fn) => ({
      type: "tag",
      begin: `${CALL}${fn.name} <|constrain|>json${MESSAGE}`,
      content: { type: "json_schema", json_schema: fn.schema },
      end: "",
    })),
  }),
  callId: openAiId,
  channels: {
    text: (format) => ({
      type: "tag",
      begin: `${CHANNEL}final${MESSAGE}`,
      content: format,
      end: "",
    }),
    thought: (format): TagFormat => ({
      type: "or",
      elements: [
        {
          type: "sequence",
          elements: [
            {
              type: "tag",
              begin: `${CHANNEL}analysis${MESSAGE}`,
              content: { type: "any_text" },
              end: "<|end|>",
            },
            { type: "const_string", value: "<|start|>assistant" },
            format,
          ],
        },
        format,
      ],
    }),
  },
};
