/**
 * How a model family writes calls of functions.
 *
 * @module
 */
import type { ToolFunction } from "./tool_use.ts";

/** Takes what a reader finds. */
export interface CallSink {
  /** A call of this function begins. */
  start(name: string): void;
  /** More of its arguments' JSON text. */
  arguments(text: string): void;
  /** The call is complete. */
  finish(): void;
}

/**
 * What a character did: `more` is wanted; it ended the calls (`done`); it is no part of them, which
 * have ended before (`over`); or the text is no call (`unreadable`).
 */
export type ReadState = "more" | "done" | "over" | "unreadable";

/** Reads the text of calls, one UTF-16 unit at a time, so that pieces may be cut anywhere. */
export interface CallReader {
  /** Takes the next unit. */
  push(unit: string): ReadState;
}

/** A format of structural tags; see docs/structured-output.md. */
export type TagFormat =
  | { type: "const_string"; value: string }
  | { type: "json_schema"; json_schema: unknown }
  | { type: "any_text" }
  | { type: "regex"; pattern: string }
  | { type: "grammar"; grammar: string }
  | { type: "sequence" | "or"; elements: TagFormat[] }
  | NamedTag
  | {
    type: "triggered_tags";
    triggers: string[];
    tags: NamedTag[];
    at_least_one?: boolean;
    stop_after_first?: boolean;
  }
  | {
    type: "tags_with_separator";
    tags: NamedTag[];
    separator: string;
    at_least_one?: boolean;
    stop_after_first?: boolean;
  };

/** Text between two texts. */
export interface NamedTag {
  /** Says that this is a tag. */
  type: "tag";
  /** Text at its begin. */
  begin: string;
  /** What stands within. */
  content: TagFormat;
  /** Text at its end; may be empty. */
  end: string;
}

/** Which texts a grammar lets through as calls. */
export interface CallGrammar {
  /** Texts that begin a call wherever they stand in free text. */
  triggers: string[];
  /** Each begins with a trigger. With `lists` there is one, which holds all calls. */
  tags: NamedTag[];
  /** What stands between two calls; undefined: one tag holds all calls, or there is one call only. */
  separator?: string;
}

/** A function as a grammar sees it. */
export interface HeldFunction extends ToolFunction {
  /** What its arguments are held to. */
  schema: Record<string, unknown>;
}

/** Messages in channels, of which an answer consists. */
export interface AnswerChannels {
  /** What the answer's text must be, in its channel. */
  text(format: TagFormat): TagFormat;
  /** A format behind thoughts, where the model has some. */
  behind(format: TagFormat): TagFormat;
  /** A format behind text before a call, where the model writes some. */
  beside(format: TagFormat): TagFormat;
  /** Any messages, and calls that are held to these tags. */
  free(calls: NamedTag[]): TagFormat;
}

/** A model family's way to write calls. */
export interface ToolFormat {
  /** As the model's card has it. */
  readonly name: string;
  /** What begins a call in free text; `feed` is the part of it that the reader must see. */
  readonly markers: readonly { text: string; feed?: string }[];
  /** The texts that calls consist of, joined: special tokens in them must be shown. */
  readonly marks: string;
  /**
   * Whether the begin of an answer is a call without a marker; undefined: it may become one. Left
   * out: calls have markers.
   */
  bare?(begin: string, names: readonly string[]): boolean | undefined;
  /** Reads what follows a marker. */
  reader(sink: CallSink, functions: readonly ToolFunction[]): CallReader;
  /** The texts that are calls; several only if `parallel`. */
  grammar(functions: readonly HeldFunction[], parallel: boolean): CallGrammar;
  /** A new id of a call of this function, the `index`th one of the answer, from 0. */
  callId(name: string, index: number): string;
  /** How answers are written that are messages in channels; undefined: text is text. */
  readonly channels?: AnswerChannels;
  /** Whether an id of the client is one that the template takes. @default all are */
  takesId?(id: string): boolean;
}

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Random letters and digits. */
export function randomId(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => ALPHANUMERIC[byte % ALPHANUMERIC.length]).join("");
}

/** An id as OpenAI's. */
export const openAiId = () => `call_${randomId(24)}`;

/** A call as a JSON object: the name, then the arguments under this key. */
export function jsonCall(fn: HeldFunction, key: "arguments" | "parameters"): {
  begin: string;
  content: TagFormat;
  end: string;
} {
  return {
    begin: `{"name": ${JSON.stringify(fn.name)}, "${key}": `,
    content: { type: "json_schema", json_schema: fn.schema },
    end: "}",
  };
}

/** At least one of the tags, several with `separator` between them. */
export function repeated(triggers: string[], tags: NamedTag[], separator: string): TagFormat {
  // The engine has no empty separator; it looks for triggers then, in text that is free.
  return separator === ""
    ? { type: "triggered_tags", triggers, tags, at_least_one: true }
    : { type: "tags_with_separator", tags, separator, at_least_one: true };
}

/** One tag that holds a list of calls between two texts. */
export function listTag(begin: string, calls: NamedTag[], end: string, options: {
  /** What each call begins with. */
  trigger: string;
  /** Between two calls. */
  separator: string;
  /** More than one call? */
  parallel: boolean;
}): NamedTag {
  const { trigger, separator, parallel } = options;
  const one: TagFormat = calls.length === 1 ? calls[0] : { type: "or", elements: calls };
  return {
    type: "tag",
    begin,
    content: parallel ? repeated([trigger], calls, separator) : one,
    end,
  };
}
