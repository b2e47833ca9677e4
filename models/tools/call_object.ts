/**
 * Reads a call that is a JSON object with a name and arguments.
 *
 * @module
 */
import type { CallReader, CallSink, ReadState } from "./format.ts";
import { isSpace, JsonValue } from "./json_value.ts";

/** Keys under which models write the name. */
const NAMES = ["name", "tool_name"];

/** Keys under which models write arguments. */
const ARGUMENTS = ["arguments", "parameters"];

/**
 * The keys may come in any order, others are passed over. Arguments are told as they arrive, once
 * the name is known; such that were written as a text with JSON in it are told at their end.
 */
export class CallObject implements CallReader {
  readonly #sink: CallSink;
  #state: "begin" | "key" | "colon" | "value" = "begin";
  #key = "";
  #value?: JsonValue;
  /** Text of the key or value that is being read. */
  #text = "";
  /** Whether units of the value are told as they come. */
  #streams = false;
  #named = false;
  /** Arguments that came before the name; undefined: none came. */
  #early?: string;
  #told = false;

  /** `sink` takes the call. */
  constructor(sink: CallSink) {
    this.#sink = sink;
  }

  push(unit: string): ReadState {
    switch (this.#state) {
      case "begin":
        if (isSpace(unit)) return "more";
        if (unit !== "{") return "unreadable";
        this.#state = "key";
        return "more";
      case "key":
        return this.#pushKey(unit);
      case "colon":
        if (isSpace(unit)) return "more";
        if (unit !== ":") return "unreadable";
        this.#state = "value";
        return "more";
      case "value":
        return this.#pushValue(unit);
    }
  }

  #pushKey(unit: string): ReadState {
    if (!this.#value) {
      if (isSpace(unit) || unit === ",") return "more";
      if (unit === "}") return this.#end();
      if (unit !== '"') return "unreadable";
      this.#value = new JsonValue();
      this.#text = "";
    }
    this.#text += unit;
    if (this.#value.push(unit) !== "done") return "more";
    this.#value = undefined;
    this.#key = String(parsed(this.#text) ?? "");
    this.#state = "colon";
    return "more";
  }

  #pushValue(unit: string): ReadState {
    if (!this.#value) {
      if (isSpace(unit)) return "more";
      this.#value = new JsonValue();
      this.#text = "";
      this.#streams = this.#named && ARGUMENTS.includes(this.#key) && unit === "{";
    }
    const state = this.#value.push(unit);
    if (state === "unreadable") return state;
    if (state !== "over") {
      if (this.#streams) this.#tell(unit);
      else this.#text += unit;
    }
    if (state === "more") return "more";
    this.#value = undefined;
    this.#state = "key";
    if (!this.#streams) this.#take(this.#key, this.#text);
    return state === "over" ? this.#pushKey(unit) : "more";
  }

  /** Takes a whole value. */
  #take(key: string, text: string): void {
    const value = parsed(text);
    if (NAMES.includes(key) && typeof value === "string" && !this.#named) {
      this.#named = true;
      this.#sink.start(value);
      if (this.#early !== undefined) this.#tell(this.#early);
    } else if (ARGUMENTS.includes(key)) {
      const json = typeof value === "string" ? value : text === "null" ? "{}" : text;
      if (this.#named) this.#tell(json);
      else this.#early = json;
    } else if (key === "function" && typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) this.#take(name, JSON.stringify(inner));
    }
  }

  #tell(text: string): void {
    this.#told = true;
    this.#sink.arguments(text);
  }

  #end(): ReadState {
    if (!this.#named) return "unreadable";
    if (!this.#told) this.#sink.arguments("{}");
    this.#sink.finish();
    return "done";
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
