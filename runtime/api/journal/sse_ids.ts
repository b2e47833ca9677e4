/**
 * Ids of server-sent events: which request they belong to, and their number in its stream.
 *
 * @module
 */
import { apiError } from "../errors.ts";

/** Where a client's stream has come to. */
export interface StreamPosition {
  /** The request: 32 hexadecimal digits. */
  id: string;
  /** Events that the client has. */
  events: number;
}

/** The position that a `Last-Event-ID` names. Throws group `api`, code `invalid_value`. */
export function streamPosition(lastEventId: string): StreamPosition {
  const [, id, number] = /^([0-9a-f]{32}):(\d{1,9})$/.exec(lastEventId.trim()) ?? [];
  if (id !== undefined) return { id, events: Number(number) };
  throw apiError(
    "invalid_value",
    "Last-Event-ID: expected the id of an event of this server, 32 hexadecimal digits, a colon and " +
      `a number, got ${JSON.stringify(lastEventId.slice(0, 80))}`,
    "Last-Event-ID",
  );
}

/** Gives the events of one stream their ids, and leaves out those that the client has. */
export class EventIds {
  readonly #id: string;
  readonly #known: number;
  #count = 0;

  /** The stream of a request; the client has its first `known` events. */
  constructor(id: string, known = 0) {
    this.#id = id;
    this.#known = known;
  }

  /** The events of a text with their ids. What is no event, such as a comment, passes. */
  number(text: string): string {
    if (text === "") return "";
    let numbered = "";
    for (const block of text.split("\n\n")) {
      if (block === "") continue;
      if (block.startsWith(":")) numbered += `${block}\n\n`;
      else if (++this.#count > this.#known) {
        numbered += `id: ${this.#id}:${this.#count}\n${block}\n\n`;
      }
    }
    return numbered;
  }
}
