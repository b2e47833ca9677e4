/**
 * Reads calls whose arguments are elements, such as
 * `<function=NAME><parameter=KEY>value</parameter></function>`.
 *
 * @module
 */
import type { CallReader, CallSink, ReadState } from "./format.ts";
import type { ToolFunction } from "./tool_use.ts";

/** Longest element, in UTF-16 units. */
const MOST_ELEMENT = 1_000_000;

/** How a family writes the elements; each pattern is for a text that ends with `>`. */
export interface ElementForm {
  /** The begin of a call; group `name`, and `rest` for what is a part of its first argument. */
  call: RegExp;
  /** An argument; groups `key` and `value`, and `text`, "true" or "false", where it tells texts apart. */
  argument: RegExp;
  /** The end of a call. */
  end: RegExp;
  /** The end of a section of calls. @default a call stands by itself */
  section?: RegExp;
}

/** `<function=NAME>`, `<parameter=KEY>`: Qwen 3 Coder, Seed. */
export const FUNCTION_ELEMENTS: ElementForm = {
  call: /^\s*<function=(?<name>[^>\n]+)>$/,
  argument: /^\s*<parameter=(?<key>[^>\n]+)>\n?(?<value>[^]*?)\n?<\/parameter>$/,
  end: /^\s*<\/function>$/,
};

/** Each argument is told as JSON when its element ends. */
export class ElementCall implements CallReader {
  readonly #sink: CallSink;
  readonly #functions: readonly ToolFunction[];
  readonly #form: ElementForm;
  /** What has been read of the element under way. */
  #text = "";
  #function?: { parameters?: Record<string, unknown> };
  #told = 0;

  /** `functions` say of which types the arguments are. */
  constructor(sink: CallSink, functions: readonly ToolFunction[], form = FUNCTION_ELEMENTS) {
    this.#sink = sink;
    this.#functions = functions;
    this.#form = form;
  }

  push(unit: string): ReadState {
    this.#text += unit;
    if (unit !== ">") return this.#text.length > MOST_ELEMENT ? "unreadable" : "more";
    return this.#function ? this.#inCall() : this.#before();
  }

  #before(): ReadState {
    const { call, section } = this.#form;
    const found = call.exec(this.#text)?.groups;
    if (!found) {
      if (section?.test(this.#text)) return "done";
      // A text that begins as an element may not be complete: its names hold no `>`.
      return "unreadable";
    }
    const { name, rest = "" } = found;
    this.#function = this.#functions.find((fn) => fn.name === name) ?? {};
    this.#text = rest;
    this.#told = 0;
    this.#sink.start(name);
    return rest === "" ? "more" : this.#inCall();
  }

  #inCall(): ReadState {
    const { argument, end, section } = this.#form;
    if (end.test(this.#text)) {
      this.#sink.arguments(this.#told === 0 ? "{}" : "}");
      this.#sink.finish();
      this.#text = "";
      this.#function = undefined;
      return section ? "more" : "done";
    }
    const match = argument.exec(this.#text)?.groups;
    if (!match) return "more";
    this.#text = "";
    const { key, value, text } = match;
    const type = text === undefined ? this.#typeOf(key) : text === "true" ? "string" : "other";
    const json = JSON.stringify(valueOf(value, type));
    this.#sink.arguments(`${this.#told++ === 0 ? "{" : ", "}${JSON.stringify(key)}: ${json}`);
    return "more";
  }

  /** The type that the schema gives a parameter; undefined: it says none. */
  #typeOf(name: string): unknown {
    const { properties } = this.#function?.parameters ?? {};
    if (typeof properties !== "object" || properties === null) return undefined;
    const property = (properties as Record<string, unknown>)[name];
    return typeof property === "object" && property !== null
      ? (property as Record<string, unknown>).type
      : undefined;
  }
}

/** A text stays one where the schema says so; all else is read as JSON where it is some. */
function valueOf(text: string, type: unknown): unknown {
  if (type === "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
