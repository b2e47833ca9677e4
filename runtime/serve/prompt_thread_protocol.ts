/**
 * What a node and the thread that encodes its large prompts say to each other. Both are parts of
 * this program: messages are typed, not validated.
 *
 * @module
 */
import type { WireError } from "../../actors/mod.ts";
import type { AnyPrompt } from "./prompt_encoder.ts";

/** The model whose prompts the thread encodes; the thread's first message, which it answers too. */
export interface OpenPromptThread {
  op: "open";
  /** Folder of the stored model. */
  folder: string;
  /** Name of the model, for messages. */
  name: string;
  /** Largest number of tokens of prompt and answer together. */
  context: number;
}

/** What the thread is asked. */
export type PromptQuestion =
  /** A prompt, as JSON where it has many values: a text is copied at once. */
  | { op: "prompt"; prompt: AnyPrompt | string }
  /** Token ids of a text by itself: nothing is added. */
  | { op: "text"; text: string };

/** A message to the thread. */
export type ToPromptThread = (OpenPromptThread | PromptQuestion) & { id: number };

/** A prompt that the thread has encoded. */
export interface EncodedPrompt {
  /** Token ids. */
  ids: Int32Array<ArrayBuffer>;
  /** What a chat template wrote at its end; "" for other prompts. */
  tail: string;
}

/** A message of the thread. */
export type FromPromptThread =
  | { id: number; value: EncodedPrompt }
  | { id: number; error: WireError };
