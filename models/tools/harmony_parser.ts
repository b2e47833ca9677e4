/**
 * Reads an answer in OpenAI's Harmony form (gpt-oss): messages, each with a channel.
 *
 *     <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...
 *
 * What is said in the channel `analysis` is thought, a message to `functions.NAME` is a call, and
 * all else is text for the reader.
 *
 * @module
 */
import { isSpace, JsonValue } from "./json_value.ts";
import type { AnswerPiece, ToolCallDelta } from "./tool_use.ts";

/** What begins the text of a message, after its header. */
const MESSAGE = "<|message|>";
/** What ends a message. */
const ENDS = ["<|end|>", "<|call|>", "<|return|>", "<|start|>"];
/** Longest header, in UTF-16 units. */
const MOST_HEADER = 500;

/** Options of a {@linkcode HarmonyParser}. */
export interface HarmonyOptions {
  /** Names of the functions; none: no message is a call. */
  functions: readonly { name: string }[];
  /** Several calls? Further ones are left out if not. */
  parallel: boolean;
  /** A new id of the `index`th call. */
  callId(name: string, index: number): string;
}

/** See the module's text; it is used as an `AnswerParser`. */
export class HarmonyParser {
  readonly #options: HarmonyOptions;
  #out: AnswerPiece[] = [];
  /** Where the text under way goes. */
  #kind: "header" | "content" | "reasoning" | "call" | "dropped" = "header";
  /** The header under way, or what may be the begin of an end. */
  #held = "";
  /** Spaces of a message that have not been told. */
  #spaces = "";
  /** Whether text of this kind was told before: a line break stands between two messages. */
  readonly #told = { content: false, reasoning: false };
  #fresh = true;
  #call?: { id: string; index: number };
  /** The arguments under way; undefined: they have ended. */
  #arguments?: JsonValue;
  #calls = 0;

  /** Begins an answer; the prompt ends with the header's begin. */
  constructor(options: HarmonyOptions) {
    this.#options = options;
  }

  /** Calls whose name was told. */
  get calls(): number {
    return this.#calls;
  }

  /** Takes more text; gives what has become certain. */
  push(text: string): AnswerPiece[] {
    for (const unit of text.split("")) this.#push(unit);
    return this.#taken();
  }

  /** The answer is over; `cut`: by its limit of tokens. */
  end(cut: boolean): AnswerPiece[] {
    // An answer without a header is text, as a grammar or a stop string may have left it.
    const plain = this.#kind === "header" && !this.#held.includes("<|") && !cut;
    if (plain && this.#calls === 0 && !this.#told.content) this.#say("content", this.#held.trim());
    else if (this.#kind !== "header" && !cut) this.#tell(this.#held);
    this.#held = "";
    return this.#taken();
  }

  #taken(): AnswerPiece[] {
    const pieces = this.#out;
    this.#out = [];
    return pieces;
  }

  #push(unit: string): void {
    this.#held += unit;
    if (this.#kind === "header") {
      if (this.#held.endsWith(MESSAGE)) this.#begin(this.#held.slice(0, -MESSAGE.length));
      else if (this.#held.length > MOST_HEADER) {
        // No header: whatever it is, it is told, once.
        this.#begin("<|channel|>final", this.#held);
      }
      return;
    }
    while (this.#held !== "" && !ENDS.some((end) => end.startsWith(this.#held))) {
      this.#tell(this.#held[0]);
      this.#held = this.#held.slice(1);
    }
    if (!ENDS.includes(this.#held)) return;
    this.#call = undefined;
    [this.#kind, this.#held, this.#spaces] = ["header", "", ""];
  }

  /** A message with this header begins. */
  #begin(header: string, text = ""): void {
    const [, name] = /\bto=functions\.([\w.-]+)/.exec(header) ?? [];
    const [, channel = "final"] = /<\|channel\|>\s*(\w+)/.exec(header) ?? [];
    [this.#held, this.#fresh] = ["", true];
    const { functions, parallel } = this.#options;
    if (name !== undefined && functions.length > 0) {
      const told = this.#calls === 0 || parallel;
      this.#kind = told ? "call" : "dropped";
      if (told) this.#start(name);
    } else this.#kind = channel === "analysis" ? "reasoning" : "content";
    for (const unit of text.split("")) this.#tell(unit);
  }

  #start(name: string): void {
    const index = this.#calls++;
    this.#call = { id: this.#options.callId(name, index), index };
    this.#arguments = new JsonValue();
    this.#delta({ name });
  }

  #tell(text: string): void {
    if (this.#kind === "call") { for (const unit of text.split("")) this.#argument(unit); }
    if (this.#kind !== "content" && this.#kind !== "reasoning") return;
    for (const unit of text.split("")) {
      // Spaces at the end of a thought or of a preamble are left out.
      if (isSpace(unit)) {
        this.#spaces += unit;
        continue;
      }
      const between = this.#fresh && this.#told[this.#kind] ? "\n" : "";
      this.#say(this.#kind, between + (this.#fresh ? "" : this.#spaces) + unit);
      [this.#spaces, this.#fresh, this.#told[this.#kind]] = ["", false, true];
    }
  }

  /** Takes a unit of arguments; what stands before and behind their object is no part of them. */
  #argument(unit: string): void {
    if (!this.#arguments || (this.#fresh && isSpace(unit))) return;
    this.#fresh = false;
    const state = this.#arguments.push(unit);
    if (state === "more" || state === "done") this.#delta({ arguments: unit });
    if (state !== "more") this.#arguments = undefined;
  }

  #delta(part: Pick<ToolCallDelta, "name" | "arguments">): void {
    const { id, index } = this.#call!;
    const last = this.#out.at(-1);
    if (part.arguments !== undefined && last?.type === "tool_call" && last.call.id === id) {
      last.call.arguments = (last.call.arguments ?? "") + part.arguments;
    } else this.#out.push({ type: "tool_call", call: { index, id, ...part } });
  }

  #say(type: "content" | "reasoning", text: string): void {
    if (text === "") return;
    const last = this.#out.at(-1);
    if (last?.type === type) last.text += text;
    else this.#out.push({ type, text });
  }
}
