/**
 * gpt-oss, in OpenAI's Harmony form: a call is a message to a function,
 *
 *     <|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Rome"}<|call|>
 *
 * and thoughts and text are messages too, in channels of their own.
 *
 * @module
 */
import { type NamedTag, openAiId, type TagFormat, type ToolFormat } from "../format.ts";
import { HeadedCalls } from "../readers.ts";
import { NOTHING } from "./element_arguments.ts";

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
    text: (format) => ({ type: "tag", begin: FINAL, content: format, end: "" }),
    behind: (format) => ({ type: "or", elements: [after("analysis", format), format] }),
    beside: (format) => ({ type: "or", elements: [after("commentary", format), format] }),
    free: (calls) => ({
      type: "triggered_tags",
      triggers: [CHANNEL],
      tags: [
        ...calls,
        // What comes behind it is free.
        { type: "tag", begin: FINAL, content: NOTHING, end: "" },
        ...["analysis", "commentary"].flatMap((channel) => ENDS.map((end) => said(channel, end))),
      ],
    }),
  },
};

const FINAL = `${CHANNEL}final${MESSAGE}`;

/** What ends a message, and begins the next one. */
const ENDS = ["<|end|><|start|>assistant", "<|start|>assistant"];

/** A message of text in a channel. Special tokens follow only where a tag names them. */
const said = (channel: string, end: string): NamedTag => ({
  type: "tag",
  begin: `${CHANNEL}${channel}${MESSAGE}`,
  content: { type: "any_text" },
  end,
});

/** A format behind a message in a channel. */
const after = (channel: string, format: TagFormat): TagFormat => ({
  type: "sequence",
  elements: [{ type: "or", elements: ENDS.map((end) => said(channel, end)) }, format],
});
