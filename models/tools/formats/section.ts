/**
 * Calls in one section, each with a header before its arguments: DeepSeek and Kimi.
 *
 * @module
 */
import { type HeldFunction, listTag, type NamedTag, type ToolFormat } from "../format.ts";
import { HeadedCalls } from "../readers.ts";

/** How a family writes its section. */
export interface Section extends Pick<ToolFormat, "name" | "callId"> {
  /** Texts around the section, and what each call in it begins with. */
  texts: { begin: string; end: string; call: string };
  /** The texts that each call has besides. */
  others: string;
  /** Finds the function's name in a header that is whole. */
  header: RegExp;
  /** The tag of a call of this function. */
  tag(fn: HeldFunction): Omit<NamedTag, "type">;
  /** What stands between two calls. */
  separator: string;
}

/** The format of a family with such sections. */
export function sectionFormat(
  { name, callId, texts: { begin, end, call }, others, header, tag, separator }: Section,
): ToolFormat {
  return {
    name,
    markers: [{ text: begin }],
    marks: begin + call + others + end,
    reader: (sink) => new HeadedCalls(sink, header, end),
    grammar: (functions, parallel) => ({
      triggers: [begin],
      tags: [listTag(
        begin,
        functions.map((fn) => ({ type: "tag", ...tag(fn) })),
        end,
        { trigger: call, separator, parallel },
      )],
    }),
    callId,
  };
}
