/**
 * Judges JSON by the masks of a grammar, token by token.
 *
 * @module
 */
import { readVocabulary, type Tokenizer } from "../../models/mod.ts";
import { GrammarEngine } from "../../runtime/grammar/engine.ts";

const SPACE = " ".charCodeAt(0);
const LINE_END = "\n".charCodeAt(0);

/** How the masks took a value. */
export interface Verdict {
  /** The whole text and the end behind it were allowed, in some order of properties. */
  passed: boolean;
  /** The text up to where it was refused. */
  taken: string;
}

/** See the module's text. */
export class MaskJudge {
  readonly engine: GrammarEngine;
  readonly #tokenizer: Tokenizer;
  readonly #eos: number;
  #walks = 0;

  private constructor(engine: GrammarEngine, tokenizer: Tokenizer, eos: number) {
    this.engine = engine;
    this.#tokenizer = tokenizer;
    this.#eos = eos;
  }

  /** A judge with a tokenizer; its first special token ends answers. */
  static async open(tokenizer: Tokenizer): Promise<MaskJudge> {
    const [eos] = tokenizer.specialIds;
    const vocabulary = await readVocabulary({ tokenizer, eos: [eos], vocab: tokenizer.vocabSize });
    return new MaskJudge(await GrammarEngine.open(vocabulary), tokenizer, eos);
  }

  /**
   * The tokens of a text and of its end. Some tokenizers add a space to the begin of a text, which an
   * answer does not have: there the tokens are those behind a line's end.
   */
  tokensOf(text: string): number[] {
    const encoded = this.#encode(text);
    if (this.#tokenizer.tokenBytes(encoded[0])[0] !== SPACE || text.startsWith(" ")) {
      return [...encoded, this.#eos];
    }
    const behind = this.#encode(`\n${text}`);
    const line = behind.findIndex((token) => this.#tokenizer.tokenBytes(token).at(-1) === LINE_END);
    return [...behind.slice(line + 1), this.#eos];
  }

  #encode(text: string): number[] {
    return [...this.#tokenizer.encode(text, { addSpecialTokens: false })];
  }

  /** Does a text pass the masks of the compiled grammar `key`? */
  async takes(key: string, text: string): Promise<Verdict> {
    const tail = this.tokensOf(text);
    const walk = ++this.#walks;
    const { taken } = await this.engine.steps(walk, { key, keep: 0, tail, count: 1 });
    this.engine.close(walk);
    return { passed: taken === tail.length, taken: this.#tokenizer.decode(tail.slice(0, taken)) };
  }

  /**
   * Does a value pass as JSON? The grammar wants properties in the schema's order: where the value
   * does not pass in its own order, it is tried in that of the names in the schema.
   */
  async allows(key: string, value: unknown, schema: unknown): Promise<Verdict> {
    const verdict = await this.takes(key, JSON.stringify(value));
    if (verdict.passed) return verdict;
    const ordered = JSON.stringify(inOrder(value, namesOf(schema)));
    return ordered === JSON.stringify(value) ? verdict : await this.takes(key, ordered);
  }
}

/** The names of properties, in the order in which a schema has them; then required ones. */
function namesOf(schema: unknown, names = new Map<string, number>()): Map<string, number> {
  const add = (name: string) => names.has(name) || names.set(name, names.size);
  if (typeof schema !== "object" || schema === null) return names;
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === "properties" && typeof value === "object") Object.keys(value).forEach(add);
    namesOf(value, names);
    if (keyword === "required" && Array.isArray(value)) value.map(String).forEach(add);
  }
  return names;
}

function inOrder(value: unknown, names: ReadonlyMap<string, number>): unknown {
  if (Array.isArray(value)) return value.map((item) => inOrder(item, names));
  if (typeof value !== "object" || value === null) return value;
  const rank = (name: string) => names.get(name) ?? Infinity;
  const sorted = Object.entries(value).sort(([a], [b]) =>
    rank(a) === rank(b) ? 0 : rank(a) - rank(b)
  );
  return Object.fromEntries(sorted.map(([name, item]) => [name, inOrder(item, names)]));
}
