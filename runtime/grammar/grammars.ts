/**
 * The grammars of a served model: compiles constraints in threads beside the node's, and opens walks.
 *
 * A thread computes for one request at a time: a schema that takes a second to compile would keep
 * the masks of other answers waiting. So a constraint that is new is compiled in a thread without
 * walks as long as there is one.
 *
 * @module
 */
import { type GrammarWalk, OrreryError } from "../../actors/mod.ts";
import {
  checkSize,
  checkSpecSize,
  type ConstraintSpec,
  grammarRefused,
  readVocabulary,
  type Vocabulary,
  type VocabularySource,
} from "../../models/mod.ts";
import { Slot } from "./slot.ts";
import { Walk } from "./walk.ts";

/** A worker whose engine has more bytes than this compiles nothing new, and ends when it can. */
const MEMORY_BYTES = 512 * 2 ** 20;

/** Requests that may use or wait for the grammars of a model. */
const MOST_USES = 256;

/** Options of {@linkcode openGrammars}. */
export interface GrammarsOptions extends VocabularySource {
  /** Threads, each with a vocabulary of its own (see docs/structured-output.md for its memory). @default 2 */
  workers?: number;
  /** Milliseconds in which a constraint must compile. @default 30000 */
  compileMs?: number;
  /** Milliseconds after which threads that nobody uses end. @default 300000 */
  idleMs?: number;
}

/** The grammars of a served model. */
export interface Grammars {
  /**
   * Compiles a constraint, or finds it compiled, and opens a walk through it from the answer's begin.
   * The walk holds memory until it is closed.
   *
   * Throws group `model`: `schema_unsupported`, `grammar_invalid`, `grammar_too_large`,
   * `grammar_deadline`, `grammar_tokenizer`; group `engine`: `grammar_failed`, `grammar_busy`; and
   * the signal's reason.
   */
  open(spec: ConstraintSpec, signal?: AbortSignal): Promise<GrammarWalk>;
  /** Bytes of memory of the engines that run now. */
  readonly bytes: number;
  /** Ends the threads; walks that are open reject. */
  close(): void;
}

/** Makes the grammars of a model. Nothing is started before the first constraint. */
export function openGrammars(options: GrammarsOptions): Grammars {
  return new WorkerGrammars(options);
}

class WorkerGrammars implements Grammars {
  readonly #options: GrammarsOptions & { workers: number; compileMs: number; idleMs: number };
  #vocabulary?: Promise<Vocabulary>;
  #slots: Slot[] = [];
  #uses = 0;
  #closed = false;
  #idle?: ReturnType<typeof setTimeout>;

  constructor(options: GrammarsOptions) {
    this.#options = { workers: 2, compileMs: 30_000, idleMs: 300_000, ...options };
  }

  get bytes(): number {
    return this.#slots.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async open(spec: ConstraintSpec, signal?: AbortSignal): Promise<GrammarWalk> {
    if (this.#closed) throw closed();
    if (this.#uses >= MOST_USES) throw busy(this.#uses);
    const text = textOf(spec);
    this.#uses++;
    clearTimeout(this.#idle);
    let open = true;
    const release = () => {
      if (!open) return;
      open = false;
      if (--this.#uses === 0) this.#rest();
    };
    try {
      const key = await digest(text);
      const vocabulary = await unlessAborted(this.#readVocabulary(), signal);
      if (this.#closed) throw closed();
      const slot = this.#slotFor(key, vocabulary);
      const taking = slot.take(key, text);
      const worker = await unlessAborted(taking, signal).catch((error) => {
        // Nobody waits for it any more; what it compiles is kept for the next one who asks.
        taking.then(() => slot.release(key), () => {});
        throw error;
      });
      return new Walk(worker, { key, limitMs: this.#options.compileMs }, () => {
        slot.release(key);
        release();
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    for (const slot of this.#slots) slot.close();
    this.#slots = [];
  }

  #readVocabulary(): Promise<Vocabulary> {
    this.#vocabulary ??= readVocabulary(this.#options);
    return this.#vocabulary;
  }

  /** The thread that compiles this grammar, or has done so. */
  #slotFor(key: string, vocabulary: Vocabulary): Slot {
    this.#slots = this.#slots.filter((slot) => {
      const over = !slot.dead && slot.bytes > MEMORY_BYTES && slot.uses === 0;
      if (over) slot.close();
      return !slot.dead && !over;
    });
    const known = this.#slots.find((slot) => slot.has(key));
    if (known) return known;
    const roomy = this.#slots.filter((slot) => slot.bytes <= MEMORY_BYTES)
      .sort((a, b) => a.uses - b.uses);
    const full = this.#slots.length >= this.#options.workers;
    if (roomy.length > 0 && (full || roomy[0].uses === 0)) return roomy[0];
    if (full) throw busy(this.#uses);
    const slot = new Slot(vocabulary, this.#options.compileMs);
    this.#slots.push(slot);
    return slot;
  }

  /** Ends the threads after a while in which nobody asks. */
  #rest(): void {
    if (this.#closed) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      for (const slot of this.#slots) slot.close();
      this.#slots = [];
    }, this.#options.idleMs);
    Deno.unrefTimer(this.#idle);
  }
}

/** A constraint as JSON. Throws `model/grammar_too_large`, `model/grammar_invalid`. */
function textOf(spec: ConstraintSpec): string {
  checkSpecSize(spec);
  let text: string;
  try {
    text = JSON.stringify(spec);
  } catch {
    throw grammarRefused(spec.kind, "it is nested too deeply");
  }
  checkSize(text);
  return text;
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(bytes).toHex();
}

function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) {
    promise.catch(() => {});
    return Promise.reject(signal.reason);
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

function busy(uses: number): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "grammar_busy",
    message:
      `${uses} constrained answers are under way, which is the limit; send the request later`,
    metadata: { uses, retry_after_s: 1 },
  });
}

function closed(): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "grammar_failed",
    message: "the grammar engine has ended: the model is no longer served; send the request again",
  });
}
