/**
 * Functions that an answer may call, and what an answer's text turns out to be.
 *
 * @module
 */

/** A function that the model may call. */
export interface ToolFunction {
  /** Names the function in calls. */
  name: string;
  /** What it does, for the model. */
  description?: string;
  /** JSON schema of the arguments, which are an object. @default any object */
  parameters?: Record<string, unknown>;
  /**
   * Refuse a schema that no grammar can hold the arguments to, instead of taking any object there.
   * @default false
   */
  strict?: boolean;
}

/** The functions that an answer may call, and how. */
export interface ToolUse {
  /** At least one. */
  functions: ToolFunction[];
  /** Whether the answer calls one: as the model likes, never, at least one, or this one. */
  choice: "auto" | "none" | "required" | { name: string };
  /** Several calls in one answer? */
  parallel: boolean;
}

/** A piece of a call of a function. */
export interface ToolCallDelta {
  /** Number of the call within the answer, from 0. */
  index: number;
  /** Names the call; the same in all its pieces. */
  id: string;
  /** Name of the function, in the call's first piece only. */
  name?: string;
  /** More of the arguments' JSON text. */
  arguments?: string;
}

/** A piece of an answer. */
export type AnswerPiece =
  /** Text for the reader. */
  | { type: "content"; text: string }
  /** What the model thinks before it answers. */
  | { type: "reasoning"; text: string }
  | { type: "tool_call"; call: ToolCallDelta };
