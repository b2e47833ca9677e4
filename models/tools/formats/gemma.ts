/**
 * Gemma 4:
 *
 *     <|tool_call>call:weather{city:<|"|>Rome<|"|>,days:2}<tool_call|>
 *
 * and FunctionGemma the same with `<start_function_call>`, `<escape>` and `<end_function_call>`.
 *
 * @module
 */
import {
  type CallReader,
  type CallSink,
  type HeldFunction,
  openAiId,
  type ReadState,
  type TagFormat,
  type ToolFormat,
} from "../format.ts";
import { GemmaValue } from "../gemma_value.ts";
import { NOTHING, textChoices } from "./element_arguments.ts";

/** Most arguments that are held to their schema one by one. */
const MOST_HELD = 40;

/** The texts of a member of the family. */
interface GemmaTexts {
  name: string;
  open: string;
  close: string;
  /** Around texts. */
  mark: string;
}

/** `call:NAME`, the arguments, and the text that closes the call. */
class GemmaCall implements CallReader {
  readonly #sink: CallSink;
  readonly #texts: GemmaTexts;
  #head = "";
  #value?: GemmaValue;
  #after?: string;

  constructor(sink: CallSink, texts: GemmaTexts) {
    this.#sink = sink;
    this.#texts = texts;
  }

  push(unit: string): ReadState {
    if (this.#after !== undefined) {
      if (this.#after === "" && unit.trim() === "") return "more";
      this.#after += unit;
      if (this.#after === this.#texts.close) return "done";
      return this.#texts.close.startsWith(this.#after) ? "more" : "over";
    }
    if (!this.#value) {
      if (unit !== "{") {
        this.#head += unit;
        return /^\s*(c|ca|cal|call|call:[\w.-]*)?$/.test(this.#head) ? "more" : "unreadable";
      }
      const name = /^\s*call:([\w.-]+)$/.exec(this.#head)?.[1];
      if (name === undefined) return "unreadable";
      this.#sink.start(name);
      this.#value = new GemmaValue(this.#texts.mark);
    }
    const read = this.#value.push(unit);
    if (!read) return "unreadable";
    if (read.json !== "") this.#sink.arguments(read.json);
    if (read.ended) {
      this.#sink.finish();
      this.#after = "";
    }
    return "more";
  }
}

/** Any value, in a member's own way. */
const anyValue = (mark: string): TagFormat => {
  const m = JSON.stringify(mark);
  return {
    type: "grammar",
    grammar: [
      "root ::= value",
      'value ::= object | array | text | number | "true" | "false" | "null"',
      'object ::= "{" (member ("," member)*)? "}"',
      'member ::= [a-zA-Z0-9_$.-]+ ":" value',
      'array ::= "[" (value ("," value)*)? "]"',
      `text ::= ${m} ([^<] | "<" [^a-z|])* ${m}`,
      'number ::= "-"? [0-9]+ ("." [0-9]+)? ([eE] [+-]? [0-9]+)?',
    ].join("\n"),
  };
};

function valueFormat(property: unknown, mark: string): TagFormat {
  const choices = textChoices(property);
  if (choices) {
    return {
      type: "or",
      elements: choices.map((value) => ({ type: "const_string", value: mark + value + mark })),
    };
  }
  const { type } = (property ?? {}) as Record<string, unknown>;
  if (type === "string") {
    return { type: "tag", begin: mark, content: { type: "any_text" }, end: mark };
  }
  const plain = type === "integer" || type === "number" || type === "boolean" || type === "null";
  return plain ? { type: "json_schema", json_schema: property } : anyValue(mark);
}

/**
 * The arguments between their brackets: those that are required first, as a comma then always has
 * something before it.
 */
function argumentsFormat({ schema }: HeldFunction, mark: string): TagFormat {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, unknown>);
  const names = Array.isArray(schema.required) ? schema.required : [];
  if (properties.length > MOST_HELD) return anyValue(mark);
  const member = ([key, property]: [string, unknown], before: string): TagFormat => ({
    type: "sequence",
    elements: [
      { type: "const_string", value: `${before}${key}:` },
      valueFormat(property, mark),
    ],
  });
  const required = properties.filter(([key]) => names.includes(key));
  const others = properties.filter(([key]) => !names.includes(key));
  const maybe = (format: TagFormat): TagFormat => ({ type: "or", elements: [format, NOTHING] });
  const rest = (from: number) => others.slice(from).map((each) => maybe(member(each, ",")));
  const inner: TagFormat[] = required.length > 0
    ? [...required.map((each, i) => member(each, i === 0 ? "" : ",")), ...rest(0)]
    : others.length === 0
    ? []
    : [{
      type: "or",
      elements: [
        ...others.map((each, i): TagFormat => ({
          type: "sequence",
          elements: [member(each, ""), ...rest(i + 1)],
        })),
        NOTHING,
      ],
    }];
  const brace = (value: string): TagFormat => ({ type: "const_string", value });
  return { type: "sequence", elements: [brace("{"), ...inner, brace("}")] };
}

const format = (texts: GemmaTexts): ToolFormat => ({
  name: texts.name,
  markers: [{ text: texts.open }],
  marks: texts.open + texts.close + texts.mark,
  reader: (sink) => new GemmaCall(sink, texts),
  grammar: (functions) => ({
    triggers: [texts.open],
    tags: functions.map((fn) => ({
      type: "tag",
      begin: `${texts.open}call:${fn.name}`,
      content: argumentsFormat(fn, texts.mark),
      end: texts.close,
    })),
    separator: "",
  }),
  callId: openAiId,
});

/** Gemma 4. */
export const gemma = format({
  ...{ name: "gemma", open: "<|tool_call>", close: "<tool_call|>", mark: '<|"|>' },
});

/** FunctionGemma. */
export const functionGemma = format({
  ...{ name: "functiongemma", mark: "<escape>" },
  ...{ open: "<start_function_call>", close: "<end_function_call>" },
});
