/**
 * A place for one grammar worker: which grammars it has compiled, and who uses it.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type { Vocabulary } from "../../models/mod.ts";
import { GrammarWorker } from "./grammar_worker.ts";

/** Grammars without a walk that a worker keeps for later requests. */
const MOST_KEPT = 32;

/** A grammar of a worker. */
interface KeptGrammar {
  /** Settles when it is compiled. */
  compiled: Promise<void>;
  /** Requests that use it. */
  uses: number;
}

/** See the module's text. */
export class Slot {
  readonly worker: Promise<GrammarWorker>;
  readonly #compileMs: number;
  /** By key, the one that was used last at the end. */
  readonly #grammars = new Map<string, KeptGrammar>();
  #worker?: GrammarWorker;
  #broken = false;

  /** Starts the worker; a constraint must compile in `compileMs` milliseconds. */
  constructor(vocabulary: Vocabulary, compileMs: number) {
    this.#compileMs = compileMs;
    this.worker = GrammarWorker.open(vocabulary);
    this.worker.then((worker) => this.#worker = worker, () => this.#broken = true);
  }

  /** Has the worker ended, or never begun? */
  get dead(): boolean {
    return this.#broken || this.#worker?.alive === false;
  }

  /** Bytes of the engine's memory. */
  get bytes(): number {
    return this.#worker?.bytes ?? 0;
  }

  /** Requests that use it. */
  get uses(): number {
    return this.#grammars.values().reduce((sum, { uses }) => sum + uses, 0);
  }

  /** Has it compiled this grammar, or is it about to? */
  has(key: string): boolean {
    return this.#grammars.has(key);
  }

  /**
   * Compiles a grammar (`spec` as JSON) unless it has it, and keeps it until {@linkcode Slot.release}. Throws what
   * the engine throws, and `model/grammar_deadline`.
   */
  async take(key: string, spec: string): Promise<GrammarWorker> {
    let grammar = this.#grammars.get(key);
    if (!grammar) {
      grammar = { compiled: this.#compile(key, spec), uses: 0 };
      grammar.compiled.catch(() => this.#grammars.delete(key));
    }
    this.#grammars.delete(key);
    this.#grammars.set(key, grammar); // used last
    grammar.uses++;
    try {
      await grammar.compiled;
      return await this.worker;
    } catch (error) {
      grammar.uses--;
      throw error;
    }
  }

  /** Ends a use of a grammar. */
  release(key: string): void {
    const grammar = this.#grammars.get(key);
    if (grammar) grammar.uses--;
    const unused = [...this.#grammars].filter(([, { uses }]) => uses === 0);
    for (const [old] of unused.slice(0, -MOST_KEPT)) {
      this.#grammars.delete(old);
      this.#worker?.tell({ op: "forget", key: old });
    }
  }

  /** Ends the worker. */
  close(): void {
    this.worker.then((worker) => worker.close(), () => {});
  }

  async #compile(key: string, spec: string): Promise<void> {
    const worker = await this.worker;
    const limitMs = this.#compileMs;
    const late = () =>
      new OrreryError({
        group: "model",
        code: "grammar_deadline",
        message: `the constraint was not compiled within ${
          limitMs / 1000
        } s; make its schema or grammar smaller`,
        metadata: { limit_ms: limitMs },
      });
    await worker.ask({ op: "compile", key, spec }, { limitMs, late });
  }
}
