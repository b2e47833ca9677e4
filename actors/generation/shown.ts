/**
 * What a client has been told of an answer. Where a request is begun again on other stages, its
 * answer is told from the beginning: the client gets only what it does not know yet.
 *
 * @module
 */
import type { Delta } from "./client_messages.ts";

/** What was told of one branch, and how much of it has been told again. */
interface ToldBranch {
  text: string;
  tokens: number[];
  /** Characters and tokens that the answer has reached since it began last. */
  at: { text: number; tokens: number };
}

/** See the module's text. */
export class Shown {
  /** By branch; -1: the text is one. */
  readonly #branches = new Map<number, ToldBranch>();

  /** The answer begins anew. */
  again(): void {
    for (const branch of this.#branches.values()) branch.at = { text: 0, tokens: 0 };
  }

  /**
   * The part of a delta that the client does not know; undefined: it knows all of it. `differs`:
   * the answer is not the one of which the client knows the beginning.
   */
  take(delta: Delta): Delta | "differs" | undefined {
    const key = delta.branch ?? -1;
    let told = this.#branches.get(key);
    if (!told) {
      told = { text: "", tokens: [], at: { text: 0, tokens: 0 } };
      this.#branches.set(key, told);
    }
    const { at } = told;
    const known = told.text.slice(at.text, at.text + delta.text.length);
    const knownTokens = told.tokens.slice(at.tokens, at.tokens + delta.tokens.length);
    if (!delta.text.startsWith(known)) return "differs";
    if (knownTokens.some((token, i) => token !== delta.tokens[i].token)) return "differs";
    const text = delta.text.slice(known.length);
    const tokens = delta.tokens.slice(knownTokens.length);
    told.text += text;
    told.tokens.push(...tokens.map((t) => t.token));
    at.text += delta.text.length;
    at.tokens += delta.tokens.length;
    return text === "" && tokens.length === 0 ? undefined : { ...delta, text, tokens };
  }
}
