/**
 * A thread with a grammar engine, from the node's side: questions to it, and its end where it takes
 * too long.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type { Vocabulary } from "../../models/mod.ts";
import type {
  FromGrammarWorker,
  GrammarAnswers,
  GrammarNotice,
  GrammarQuestion,
} from "./protocol.ts";

/** Milliseconds in which the engine must have taken a vocabulary. */
const OPEN_MS = 60_000;

/** Makes the error of a question that was not answered in time. */
export type TooLate = () => OrreryError;

interface PendingAnswer extends PromiseWithResolvers<GrammarAnswers[keyof GrammarAnswers]> {
  timer?: ReturnType<typeof setTimeout>;
}

/** See the module's text. */
export class GrammarWorker {
  readonly #worker: Worker;
  readonly #pending = new Map<number, PendingAnswer>();
  #nextId = 1;
  /** Why the thread has ended; undefined: it is alive. */
  #dead?: OrreryError;
  /** Constraints that it has been given to compile. */
  #compiling = 0;
  /** Bytes of the engine's memory, as it said last. */
  bytes = 0;

  private constructor() {
    const init = { type: "module", name: "grammar", deno: { permissions: "none" } };
    // The types do not know `deno`, which is unstable.
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), init as WorkerOptions);
    this.#worker.onmessage = ({ data }: MessageEvent<FromGrammarWorker>) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(failed(event.message));
    };
    this.#worker.onmessageerror = () => this.#end(failed("its answer cannot be read"));
  }

  /**
   * Starts a thread for this vocabulary. Throws `engine/grammar_failed`.
   */
  static async open(vocabulary: Vocabulary): Promise<GrammarWorker> {
    const worker = new GrammarWorker();
    const late = () => failed(`it did not take a vocabulary within ${OPEN_MS / 1000} s`);
    await worker.ask({ op: "open", vocabulary }, { limitMs: OPEN_MS, late });
    return worker;
  }

  /** Does it compile, so that steps must wait? */
  get compiles(): boolean {
    return this.#compiling > 0;
  }

  /** Is the thread still running? */
  get alive(): boolean {
    return this.#dead === undefined;
  }

  /**
   * Asks the thread, and ends it where it has not answered within `limitMs` milliseconds: this
   * question rejects with `late`, all others with `engine/grammar_failed`. Throws what the engine
   * throws.
   */
  async ask<Q extends GrammarQuestion>(
    question: Q,
    { limitMs, late }: { limitMs: number; late: TooLate },
  ): Promise<GrammarAnswers[Q["op"]]> {
    if (this.#dead) throw this.#dead;
    const id = this.#nextId++;
    const pending: PendingAnswer = Promise.withResolvers<GrammarAnswers[keyof GrammarAnswers]>();
    this.#pending.set(id, pending);
    pending.timer = setTimeout(() => {
      pending.reject(late());
      this.#pending.delete(id);
      this.#end(failed("it computed for too long and was ended"));
    }, limitMs);
    this.#worker.postMessage({ ...question, id });
    const compiles = question.op === "compile" ? 1 : 0;
    this.#compiling += compiles;
    try {
      const value = await pending.promise;
      if ("bytes" in value) this.bytes = value.bytes;
      return value as GrammarAnswers[Q["op"]];
    } finally {
      clearTimeout(pending.timer);
      this.#compiling -= compiles;
    }
  }

  /** Tells the thread something that it does not answer. */
  tell(notice: GrammarNotice): void {
    if (!this.#dead) this.#worker.postMessage(notice);
  }

  /** Ends the thread. */
  close(): void {
    this.#end(failed("the model is no longer served"));
  }

  #hear(message: FromGrammarWorker): void {
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (!("error" in message)) return pending?.resolve(message.value);
    pending?.reject(OrreryError.fromWire(message.error));
    // An engine that has failed, as for want of memory, may not be sound any more.
    if (message.error.code === "grammar_failed") this.#end(failed("it failed in another request"));
  }

  #end(error: OrreryError): void {
    if (this.#dead) return;
    this.#dead = error;
    this.#worker.terminate();
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}

/** The error of questions to a thread that has ended; HTTP status 503. */
export function failed(why: string): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "grammar_failed",
    message: `the grammar engine has ended: ${why}; send the request again`,
  });
}
