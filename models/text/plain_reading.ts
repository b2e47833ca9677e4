/**
 * Reads special tokens only where a chat template wrote them.
 *
 * The tokenizer library looks for special tokens in the whole text. Where the request's text looks
 * like one, a private character is put into it, which is taken out again after the library has
 * looked, before it cuts and merges the rest: so all text but special tokens gets the ids that it
 * would have if those did not exist.
 *
 * @module
 */
import type { Tokenizer as Library } from "@huggingface/tokenizers";

/** A token of `added_tokens` of tokenizer.json. */
export interface NamedToken {
  /** Its id. */
  id: number;
  /** Its text. */
  content: string;
}

/** What this needs of the library beside its public methods. */
interface Inner {
  added_tokens: NamedToken[];
  pre_tokenizer: ((text: string, options: unknown) => string[]) | null;
}

/** First of the private characters (plane 15). */
const PRIVATE = 0xf0000;

/** See the module's text. */
export class PlainReading {
  readonly #library: Library;
  readonly #isSpecial: (token: NamedToken) => boolean;
  /** What finds special tokens, for the last template. */
  #finder?: { template: string; pattern: RegExp | undefined };

  /** `isSpecial` says which tokens are special whatever the template says. */
  constructor(library: Library, isSpecial: (token: NamedToken) => boolean) {
    this.#library = library;
    this.#isSpecial = isSpecial;
  }

  /**
   * The ids of a text whose characters with mark `1` hold no special tokens; undefined: nothing in
   * them would be read as one, so the usual way will do.
   */
  encode(text: string, marks: string, template: string): (number | undefined)[] | undefined {
    const pattern = this.#pattern(template);
    if (!pattern || !marks.includes("1")) return undefined;
    const cuts: number[] = [];
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
      const { 0: { length }, index } = match;
      if (!marks.slice(index, index + length).includes("1")) continue;
      cuts.push(index + 1);
      pattern.lastIndex = index + 1; // a token of the template may begin within
    }
    if (cuts.length === 0) return undefined;
    let code = PRIVATE;
    while (text.includes(String.fromCodePoint(code))) code++;
    const sign = String.fromCodePoint(code);
    const parts = [0, ...cuts].map((from, i) => text.slice(from, cuts[i]));
    return this.#twin(sign).encode(parts.join(sign), { add_special_tokens: false }).ids;
  }

  /** The library, but for that it takes `sign` out of what is no special token. */
  #twin(sign: string): Library {
    const { pre_tokenizer: before } = this.#library as unknown as Inner;
    return Object.assign(Object.create(this.#library), {
      pre_tokenizer: (text: string, options: unknown) => {
        const plain = text.replaceAll(sign, "");
        return before ? before(plain, options) : [plain];
      },
    });
  }

  #pattern(template: string): RegExp | undefined {
    if (this.#finder?.template !== template) {
      const contents = (this.#library as unknown as Inner).added_tokens
        // Runs of spaces and the like are no marks of a template, even if it has some.
        .filter((token) =>
          this.#isSpecial(token) ||
          (token.content.trim() !== "" && template.includes(token.content))
        )
        .map(({ content }) => content)
        .filter((content) => content.length > 1)
        .sort((a, b) => b.length - a.length);
      this.#finder = {
        template,
        pattern: contents.length === 0
          ? undefined
          : new RegExp(contents.map(escaped).join("|"), "g"),
      };
    }
    return this.#finder!.pattern;
  }
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
