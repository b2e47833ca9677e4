/**
 * The grammar engine of one vocabulary, in the thread that calls it: compiles constraints and walks
 * through them.
 *
 * @module
 */
import type { CompiledGrammar, GrammarCompiler } from "@mlc-ai/web-xgrammar";
import type { GrammarStep } from "../../actors/mod.ts";
import {
  type ConstraintSpec,
  grammarOf,
  grammarRefused,
  type GrammarText,
  type Vocabulary,
} from "../../models/grammar/mod.ts";
import { EngineWalk } from "./engine_walk.ts";
import { BYTE_TOKENS, LengthWatch, TokenLengths } from "./length_watch.ts";
import { type LoadedLibrary, loadGrammarLibrary } from "./library.ts";

/**
 * Most tokens that are looked at for the names of properties that a schema does not list. A state of
 * such a name took 0.6 us for each token of the vocabulary, so all of them take some 3 s at most.
 */
const TOKENS_FOR_NAMES = 4_500_000;

/** A compiled constraint. */
interface Kept {
  compiled: CompiledGrammar;
  /** Special tokens that never follow, since the grammar does not name them. */
  refused: ReadonlySet<number>;
  /** Grammars of bytes, with the long limits of strings and without; see {@linkcode LengthWatch}. */
  exact?: CompiledGrammar;
  relaxed?: CompiledGrammar;
}

/** Which tokens a walk has, see {@linkcode GrammarQuestion} `steps`. */
export interface StepsQuestion {
  key: string;
  keep: number;
  tail: readonly number[];
  count: number;
}

/** See the module's text. */
export class GrammarEngine {
  readonly #loaded: LoadedLibrary;
  readonly #vocabulary: Vocabulary;
  readonly #compiler: GrammarCompiler;
  readonly #kept = new Map<string, Kept>();
  readonly #walks = new Map<number, EngineWalk>();
  /** For long limits of strings; made when a grammar has one. */
  #beside?: { compiler: GrammarCompiler; lengths: TokenLengths };

  private constructor(loaded: LoadedLibrary, vocabulary: Vocabulary, compiler: GrammarCompiler) {
    this.#loaded = loaded;
    this.#vocabulary = vocabulary;
    this.#compiler = compiler;
  }

  /** Loads the library and gives it the vocabulary. */
  static async open(vocabulary: Vocabulary): Promise<GrammarEngine> {
    const loaded = await loadGrammarLibrary();
    const { bytes, ends, eos } = vocabulary;
    const words = Array.from(ends, (end, id) => bytes.subarray(id === 0 ? 0 : ends[id - 1], end));
    return new GrammarEngine(loaded, vocabulary, await compilerOf(loaded, words, eos));
  }

  /** Bytes of the engine's memory. */
  get bytes(): number {
    return this.#loaded.memoryBytes();
  }

  /** Compiles a constraint and keeps it. Throws OrreryError group `model`. */
  async compile(key: string, spec: ConstraintSpec): Promise<void> {
    if (this.#kept.has(key)) return;
    const nameStates = Math.floor(TOKENS_FOR_NAMES / this.#vocabulary.ends.length);
    const { text, exact, literals } = grammarOf(spec, { nameStates });
    const refused = this.#vocabulary.specials
      .filter(({ text: special }) => !literals.some((literal) => literal.includes(special)))
      .map(({ id }) => id);
    const kept: Kept = {
      compiled: await this.#compile(this.#compiler, text, spec.kind),
      refused: new Set(refused),
    };
    if (exact) {
      const { compiler } = await this.#besides();
      kept.exact = await this.#compile(compiler, exact, spec.kind);
      kept.relaxed = await this.#compile(compiler, text, spec.kind);
    }
    this.#kept.set(key, kept);
  }

  /** See {@linkcode GrammarQuestion} `steps`. */
  async steps(
    walk: number,
    { key, keep, tail, count }: StepsQuestion,
  ): Promise<{ steps: GrammarStep[]; taken: number }> {
    let open = this.#walks.get(walk);
    if (!open) {
      const kept = this.#kept.get(key);
      if (!kept) throw new Error(`grammar ${key} is not compiled`);
      open = new EngineWalk(await this.#matcher(kept.compiled), {
        refused: kept.refused,
        watch: kept.exact && kept.relaxed && new LengthWatch(
          await this.#matcher(kept.exact),
          await this.#matcher(kept.relaxed),
          (await this.#besides()).lengths,
        ),
      });
      this.#walks.set(walk, open);
    }
    return await open.steps({ keep, tail, count });
  }

  /** Frees a walk. */
  close(walk: number): void {
    this.#walks.get(walk)?.close();
    this.#walks.delete(walk);
  }

  /** Frees a compiled grammar. */
  forget(key: string): void {
    const kept = this.#kept.get(key);
    for (const grammar of [kept?.compiled, kept?.exact, kept?.relaxed]) grammar?.dispose();
    this.#kept.delete(key);
  }

  #matcher(grammar: CompiledGrammar) {
    return this.#loaded.library.GrammarMatcher.createGrammarMatcher(grammar);
  }

  async #besides() {
    this.#beside ??= {
      compiler: await compilerOf(this.#loaded, [...BYTE_TOKENS, new Uint8Array(0)], [256]),
      lengths: new TokenLengths(this.#vocabulary),
    };
    return this.#beside;
  }

  async #compile(
    compiler: GrammarCompiler,
    text: GrammarText,
    what: string,
  ): Promise<CompiledGrammar> {
    this.#loaded.forget();
    try {
      return "ebnf" in text
        ? await compiler.compileGrammar(text.ebnf)
        : await compiler.compileStructuralTag(JSON.stringify(text.tag));
    } catch (error) {
      const said = this.#loaded.said();
      if (said === undefined) throw error; // it ran out of memory, or failed in another way
      throw grammarRefused(what, said);
    }
  }
}

/** A compiler for these tokens, of which `eos` end a text. */
async function compilerOf(
  { library }: LoadedLibrary,
  words: readonly Uint8Array[],
  eos: number[],
): Promise<GrammarCompiler> {
  // The binding takes bytes where its types say strings: a token may be a part of a character.
  const texts = words as unknown as string[];
  const info = await library.TokenizerInfo.createTokenizerInfo(
    texts,
    "raw",
    false,
    texts.length,
    eos,
  );
  return await library.GrammarCompiler.createGrammarCompiler(info, false);
}
