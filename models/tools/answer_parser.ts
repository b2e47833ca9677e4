/**
 * Turns an answer's text, as it arrives, into thoughts, text for the reader, and calls.
 *
 * @module
 */
import type { CallReader, ToolFormat } from "./format.ts";
import { isSpace } from "./json_value.ts";
import type { Thinking } from "./reasoning.ts";
import type { AnswerPiece, ToolCallDelta, ToolFunction } from "./tool_use.ts";

/** Options of an {@linkcode AnswerParser}. */
export interface AnswerParserOptions {
  /** How the model writes calls. */
  format: ToolFormat;
  /** The functions; empty: no text is a call. */
  functions: readonly ToolFunction[];
  /** Several calls? Further ones are left out if not. */
  parallel: boolean;
  /** How the answer begins; undefined: without thoughts. */
  thinking?: Thinking;
}

/**
 * It works unit by unit, so that the pieces say the same however the text is cut. Text that may
 * become the begin of a call waits until that is certain; spaces wait for what comes after them, and
 * those before and after calls and thoughts are left out.
 */
export class AnswerParser {
  readonly #options: AnswerParserOptions;
  #state: "begin" | "thinking" | "content" | "call" | "swallow";
  #out: AnswerPiece[] = [];
  /** Spaces that have not been told. */
  #spaces = "";
  /** Units that may be the begin of a marker. */
  #held = "";
  /** Whether spaces before the next text are left out, as it follows thoughts or a call. */
  #trims = false;
  /** Whether no text was told since the begin, the thoughts or the last call. */
  #fresh = true;
  /** Whether thoughts were told. */
  #thought = false;
  #reader?: CallReader;
  /** Text of the call under way, which is given back where it turns out to be none. */
  #raw = "";
  /** Whether the name of a call in that text is known. */
  #named = false;
  /** The call under way; undefined: its name is not known. */
  #call?: { id: string; index: number; told: boolean };
  #calls = 0;

  /** Begins an answer. */
  constructor(options: AnswerParserOptions) {
    this.#options = options;
    const { thinking } = options;
    this.#state = thinking ? (thinking.state === "open" ? "thinking" : "begin") : "content";
  }

  /** Calls whose name was told. */
  get calls(): number {
    return this.#calls;
  }

  /** Takes more text; gives what has become certain. */
  push(text: string): AnswerPiece[] {
    for (const unit of units(text)) this.#push(unit);
    return this.#taken();
  }

  /**
   * The answer is over; `cut`: by its limit of tokens. What was held back is told, but nothing that
   * may be the begin of a call or of thoughts in an answer that was cut.
   */
  end(cut: boolean): AnswerPiece[] {
    const rest = this.#state === "call" && !this.#named ? this.#raw : this.#held;
    if (!cut && this.#state === "thinking") this.#reason(rest);
    else if (!cut && rest !== "") this.#content(rest);
    if (this.#state !== "thinking" && !this.#trims && !(cut && rest !== "")) {
      this.#emit("content", this.#spaces);
    }
    [this.#held, this.#spaces] = ["", ""];
    return this.#taken();
  }

  #taken(): AnswerPiece[] {
    const pieces = this.#out;
    this.#out = [];
    return pieces;
  }

  #push(unit: string): void {
    switch (this.#state) {
      case "begin":
        return this.#begin(unit);
      case "thinking":
        return this.#think(unit);
      case "content":
        return this.#read(unit);
      case "call":
        return this.#readCall(unit);
      case "swallow":
        return;
    }
  }

  /** Before thoughts that the answer may begin with. */
  #begin(unit: string): void {
    const { open } = this.#options.thinking!.marks;
    if (this.#held === "" && isSpace(unit)) {
      this.#spaces += unit;
      return;
    }
    this.#held += unit;
    if (this.#held === open) {
      [this.#held, this.#spaces] = ["", ""];
      this.#state = "thinking";
    } else if (!open.startsWith(this.#held)) {
      const text = this.#held;
      this.#held = "";
      this.#state = "content";
      for (const each of units(text)) this.#push(each);
    }
  }

  #think(unit: string): void {
    const { close } = this.#options.thinking!.marks;
    this.#held += unit;
    while (this.#held !== "" && !close.startsWith(this.#held)) {
      this.#reason(this.#held[0]);
      this.#held = this.#held.slice(1);
    }
    if (this.#held !== close) return;
    [this.#held, this.#spaces] = ["", ""];
    this.#trims = true;
    this.#state = "content";
  }

  /** Tells thoughts, without spaces at their begin and end. */
  #reason(text: string): void {
    for (const unit of units(text)) {
      if (isSpace(unit)) {
        this.#spaces += unit;
        continue;
      }
      this.#emit("reasoning", (this.#thought ? this.#spaces : "") + unit);
      [this.#spaces, this.#thought] = ["", true];
    }
  }

  #read(unit: string): void {
    const { functions, format } = this.#options;
    if (functions.length === 0) return this.#content(unit);
    this.#held += unit;
    while (this.#held !== "") {
      const marker = format.markers.find(({ text }) => text === this.#held);
      if (marker) return this.#open(this.#held, marker.feed ?? "");
      const bare = this.#bare();
      if (bare === true) return this.#open(this.#held, this.#held);
      if (bare === undefined) return;
      if (format.markers.some(({ text }) => text.startsWith(this.#held))) return;
      this.#content(this.#held[0]);
      this.#held = this.#held.slice(1);
    }
  }

  /** Whether what is held is the begin of a call without a marker, which only begins an answer. */
  #bare(): boolean | undefined {
    const { functions, format } = this.#options;
    if (!format.bare || this.#held === "" || !this.#fresh) return false;
    return format.bare(this.#held, functions.map(({ name }) => name));
  }

  /** Tells text for the reader; spaces wait. */
  #content(text: string): void {
    for (const unit of units(text)) {
      if (isSpace(unit)) {
        this.#spaces += unit;
        continue;
      }
      const between = this.#fresh && this.#calls > 0 && this.#options.format.bare;
      if (between && (unit === ";" || unit === ",")) continue;
      this.#emit("content", (this.#trims ? "" : this.#spaces) + unit);
      [this.#spaces, this.#trims, this.#fresh] = ["", false, false];
    }
  }

  #open(marker: string, feed: string): void {
    this.#state = "call";
    this.#held = "";
    this.#raw = this.#spaces + marker;
    this.#spaces = "";
    [this.#call, this.#named] = [undefined, false];
    this.#reader = this.#options.format.reader({
      start: (name) => this.#start(name),
      arguments: (text) => {
        if (this.#call?.told) this.#delta({ arguments: text });
      },
      finish: () => this.#call = undefined,
    }, this.#options.functions);
    for (const unit of units(feed)) this.#step(unit);
  }

  #start(name: string): void {
    const told = this.#calls === 0 || this.#options.parallel;
    this.#named = true;
    this.#call = { id: this.#options.format.callId(name, this.#calls), index: this.#calls, told };
    if (!told) return;
    this.#calls++;
    this.#delta({ name });
  }

  #delta(part: Pick<ToolCallDelta, "name" | "arguments">): void {
    const { id, index } = this.#call!;
    const last = this.#out.at(-1);
    if (part.arguments !== undefined && last?.type === "tool_call" && last.call.id === id) {
      last.call.arguments = (last.call.arguments ?? "") + part.arguments;
    } else this.#out.push({ type: "tool_call", call: { index, id, ...part } });
  }

  #readCall(unit: string): void {
    this.#raw += unit;
    this.#step(unit);
  }

  #step(unit: string): void {
    switch (this.#reader!.push(unit)) {
      case "more":
        return;
      case "done":
        return this.#close();
      case "over":
        this.#close();
        return this.#push(unit);
      case "unreadable": {
        if (this.#named) {
          // A call that has begun is not taken back: what follows is a part of it.
          this.#state = "swallow";
          return;
        }
        const text = this.#raw;
        this.#leave();
        this.#content(text);
      }
    }
  }

  /** The calls' text is over. */
  #close(): void {
    this.#leave();
    [this.#trims, this.#fresh] = [true, true];
  }

  #leave(): void {
    [this.#raw, this.#reader, this.#call] = ["", undefined, undefined];
    this.#state = "content";
  }

  #emit(type: "content" | "reasoning", text: string): void {
    if (text === "") return;
    const last = this.#out.at(-1);
    if (last?.type === type) last.text += text;
    else this.#out.push({ type, text });
  }
}

/** The UTF-16 units of a text, halves of a pair by themselves. */
const units = (text: string): string[] => text.split("");
