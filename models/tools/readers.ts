/**
 * Readers of calls, of which the families' formats are made.
 *
 * @module
 */
import { CallObject } from "./call_object.ts";
import type { CallReader, CallSink, ReadState } from "./format.ts";
import { isSpace, JsonValue } from "./json_value.ts";

/** Longest text before a call's arguments, in UTF-16 units. */
const MOST_HEAD = 2_000;

/** A call as a JSON object, or a list of such. */
export class JsonCalls implements CallReader {
  readonly #sink: CallSink;
  #call?: CallObject;
  #state: "begin" | "list" | "object" = "begin";

  /** `sink` takes the calls. */
  constructor(sink: CallSink) {
    this.#sink = sink;
  }

  push(unit: string): ReadState {
    if (this.#call) {
      const state = this.#call.push(unit);
      if (state !== "done") return state;
      this.#call = undefined;
      return this.#state === "list" ? "more" : "done";
    }
    if (isSpace(unit) || (this.#state === "list" && unit === ",")) return "more";
    if (unit === "[" && this.#state === "begin") {
      this.#state = "list";
      return "more";
    }
    if (unit === "]" && this.#state === "list") return "done";
    if (unit !== "{") return "unreadable";
    if (this.#state === "begin") this.#state = "object";
    this.#call = new CallObject(this.#sink);
    return this.#call.push(unit);
  }
}

/** Calls as JSON objects, with anything of lists and spaces around them, until a text that ends them. */
export class LooseCalls implements CallReader {
  readonly #sink: CallSink;
  readonly #close: string;
  readonly #open: string;
  #call?: CallObject;
  /** Text between calls, without spaces and brackets. */
  #between = "";
  /** Whether a call has begun. */
  #opened = false;

  /** `close` ends the calls; `open` stands before them. */
  constructor(sink: CallSink, close: string, open = "") {
    this.#sink = sink;
    this.#close = close;
    this.#open = open;
  }

  push(unit: string): ReadState {
    if (this.#call) {
      const state = this.#call.push(unit);
      if (state !== "done") return state;
      this.#call = undefined;
      return "more";
    }
    if (unit === "{" && this.#between === (this.#opened ? "" : this.#open)) {
      this.#call = new CallObject(this.#sink);
      [this.#between, this.#opened] = ["", true];
      return this.#call.push(unit);
    }
    if (isSpace(unit) || unit === "[" || unit === "," || unit === "]") return "more";
    this.#between += unit;
    const wanted = this.#opened ? this.#close : this.#open || this.#close;
    if (this.#between === this.#close && wanted === this.#close) return "done";
    return wanted.startsWith(this.#between) ? "more" : "unreadable";
  }
}

/** A reader, then a text that closes what it read, if it is there. */
export class Closed implements CallReader {
  readonly #inner: CallReader;
  readonly #close: string;
  #ended = false;
  #seen = "";

  /** `close` comes after what `inner` reads. */
  constructor(inner: CallReader, close: string) {
    this.#inner = inner;
    this.#close = close;
  }

  push(unit: string): ReadState {
    if (!this.#ended) {
      const state = this.#inner.push(unit);
      if (state !== "done") return state;
      this.#ended = true;
      return "more";
    }
    if (this.#seen === "" && isSpace(unit)) return "more";
    this.#seen += unit;
    if (this.#seen === this.#close) return "done";
    return this.#close.startsWith(this.#seen) ? "more" : "over";
  }
}

/** A name in some text, then the arguments as a JSON object; once, or until a text that ends them. */
export class HeadedCalls implements CallReader {
  readonly #sink: CallSink;
  readonly #name: RegExp;
  readonly #close?: string;
  #head = "";
  #value?: JsonValue;

  /**
   * `name` finds the function's name in the text before `{`, as its first group; `close` ends a
   * section of several calls, left out: there is one call.
   */
  constructor(sink: CallSink, name: RegExp, close?: string) {
    this.#sink = sink;
    this.#name = name;
    this.#close = close;
  }

  push(unit: string): ReadState {
    if (this.#value) {
      const state = this.#value.push(unit);
      if (state === "unreadable" || state === "over") return "unreadable";
      this.#sink.arguments(unit);
      if (state === "more") return "more";
      this.#value = undefined;
      this.#head = "";
      this.#sink.finish();
      return this.#close === undefined ? "done" : "more";
    }
    if (unit === "{") {
      const name = this.#name.exec(this.#head)?.[1];
      if (name === undefined) return "unreadable";
      this.#sink.start(name);
      this.#sink.arguments(unit);
      this.#value = new JsonValue();
      this.#value.push(unit);
      return "more";
    }
    this.#head += unit;
    if (this.#close !== undefined && this.#head.endsWith(this.#close)) return "done";
    return this.#head.length > MOST_HEAD ? "unreadable" : "more";
  }
}

/** Chooses a reader by the first unit that is no space. */
export class Either implements CallReader {
  readonly #choose: (first: string) => CallReader;
  #chosen?: CallReader;

  /** `choose` gets the first unit. */
  constructor(choose: (first: string) => CallReader) {
    this.#choose = choose;
  }

  push(unit: string): ReadState {
    if (!this.#chosen && isSpace(unit)) return "more";
    this.#chosen ??= this.#choose(unit);
    return this.#chosen.push(unit);
  }
}
