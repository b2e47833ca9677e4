/**
 * Reads a call whose arguments are elements: `<function=NAME><parameter=KEY>value</parameter>...`.
 *
 * @module
 */
import type { CallReader, CallSink, ReadState } from "./format.ts";
import type { ToolFunction } from "./tool_use.ts";

/** Longest element, in UTF-16 units. */
const MOST_ELEMENT = 1_000_000;

/** Each argument is told as JSON when its element ends. */
export class XmlCall implements CallReader {
  readonly #sink: CallSink;
  readonly #functions: readonly ToolFunction[];
  /** What has been read of the element under way. */
  #text = "";
  #function?: { parameters?: Record<string, unknown> };
  #told = 0;

  /** `functions` say of which types the arguments are. */
  constructor(sink: CallSink, functions: readonly ToolFunction[]) {
    this.#sink = sink;
    this.#functions = functions;
  }

  push(unit: string): ReadState {
    this.#text += unit;
    if (unit !== ">") return this.#text.length > MOST_ELEMENT ? "unreadable" : "more";
    if (!this.#function) {
      const name = /^\s*<function=([^>\n]+)>$/.exec(this.#text)?.[1];
      if (name === undefined) return "unreadable";
      this.#function = this.#functions.find((fn) => fn.name === name) ?? {};
      this.#text = "";
      this.#sink.start(name);
      return "more";
    }
    if (/^\s*<\/function>$/.test(this.#text)) {
      this.#sink.arguments(this.#told === 0 ? "{}" : "}");
      this.#sink.finish();
      return "done";
    }
    const match = /^\s*<parameter=([^>\n]+)>\n?([^]*?)\n?<\/parameter>$/.exec(this.#text);
    if (!match) return "more";
    this.#text = "";
    const json = JSON.stringify(valueOf(match[2], this.#typeOf(match[1])));
    this.#sink.arguments(`${this.#told++ === 0 ? "{" : ", "}${JSON.stringify(match[1])}: ${json}`);
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
