/**
 * Responses as they are kept.
 *
 * @module
 */
import type { InputItem } from "./input.ts";

/** A response that is kept. */
export interface StoredResponse {
  /** The response as its client got it. */
  response: { id: string; [field: string]: unknown };
  /** The request's own input, each item with an id. */
  input: (InputItem & { id: string })[];
  /** The whole conversation, those of earlier responses included, without instructions. */
  items: InputItem[];
}

/** A response with what the store knows of it. */
export interface KeptResponse extends StoredResponse {
  /** Characters of its JSON. */
  chars: number;
  /** Unix milliseconds at which it is forgotten. */
  until: number;
  /** The items that came out of it. */
  output: (InputItem & { id: string })[];
}
