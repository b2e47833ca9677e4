/**
 * What of an answer that is made again the journal does not have yet. The answer comes in other
 * pieces than the first time, so texts are compared, not events.
 *
 * @module
 */
import type { GeneratedToken, GenerationEvent, ToolCallDelta } from "../generator.ts";

/** A text that was told in pieces, and how much of it has come again. */
interface ToldText {
  text: string;
  again: number;
}

/** The answer is not the one of which the journal has the beginning. */
export const DIFFERS: unique symbol = Symbol("differs");

/** See the module's text. One for each choice. */
export class UnheardEvents {
  /** By what they belong to: a branch, the reasoning, the arguments of a call. */
  readonly #texts = new Map<string, ToldText>();
  /** Ids and names of calls. */
  readonly #calls = new Map<number, { id: string; name?: string }>();
  #started = false;
  #prompt = false;
  /** Tokens that were told, and those that have come again. */
  readonly #tokens = { told: 0, again: 0 };

  /** Takes in an event that the journal has. */
  known(event: GenerationEvent): void {
    switch (event.type) {
      case "started":
        this.#started = true;
        return;
      case "prompt":
        this.#prompt = true;
        return;
      case "delta":
      case "reasoning":
        this.#text(keyOf(event)).text += event.text;
        this.#tokens.told += event.tokens.length;
        return;
      case "tool_call": {
        const { index, id, name, arguments: more = "" } = event.call;
        if (name !== undefined) this.#calls.set(index, { id, name });
        this.#text(`call ${index}`).text += more;
      }
    }
  }

  /** The part of an event that the journal does not have; undefined: it has all of it. */
  take(event: GenerationEvent): GenerationEvent | undefined | typeof DIFFERS {
    switch (event.type) {
      case "started":
        return this.#started ? undefined : event;
      case "prompt":
        return this.#prompt ? undefined : event;
      case "done":
        return this.#complete ? event : DIFFERS;
      case "delta":
      case "reasoning": {
        const text = this.#rest(keyOf(event), event.text);
        if (text === DIFFERS) return DIFFERS;
        const tokens = this.#restOfTokens(event.tokens);
        const progress = event.type === "delta" && event.progress !== undefined;
        if (text === "" && tokens.length === 0 && !progress) return undefined;
        return { ...event, text, tokens };
      }
      case "tool_call":
        return this.#call(event.call);
    }
  }

  /** All that the journal has has come again. */
  get #complete(): boolean {
    return [...this.#texts.values()].every(({ text, again }) => again >= text.length);
  }

  #call(call: ToolCallDelta): GenerationEvent | undefined | typeof DIFFERS {
    const known = this.#calls.get(call.index);
    const more = this.#rest(`call ${call.index}`, call.arguments ?? "");
    if (more === DIFFERS) return DIFFERS;
    if (!known) return { type: "tool_call", call };
    if (call.name !== undefined && call.name !== known.name) return DIFFERS;
    if (more === "") return undefined;
    return { type: "tool_call", call: { index: call.index, id: known.id, arguments: more } };
  }

  #text(key: string): ToldText {
    let told = this.#texts.get(key);
    if (!told) this.#texts.set(key, told = { text: "", again: 0 });
    return told;
  }

  /** The part of a piece that was not told. */
  #rest(key: string, piece: string): string | typeof DIFFERS {
    const told = this.#text(key);
    const known = told.text.slice(told.again, told.again + piece.length);
    if (!piece.startsWith(known)) return DIFFERS;
    told.again += piece.length;
    return piece.slice(known.length);
  }

  #restOfTokens(tokens: GeneratedToken[]): GeneratedToken[] {
    const { told, again } = this.#tokens;
    this.#tokens.again += tokens.length;
    return tokens.slice(Math.max(0, told - again));
  }
}

const keyOf = (event: { type: "delta" | "reasoning"; branch?: number }): string =>
  event.type === "reasoning" ? "reasoning" : `text ${event.branch ?? ""}`;
