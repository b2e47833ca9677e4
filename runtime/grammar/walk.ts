/**
 * A walk through a grammar, from the node's side: tells the worker only what has changed since the
 * last path.
 *
 * @module
 */
import { type GrammarStep, type GrammarWalk, OrreryError } from "../../actors/mod.ts";
import { failed, type GrammarWorker } from "./grammar_worker.ts";

/** Milliseconds in which steps must be computed, beside a constraint that the thread compiles. */
const STEPS_MS = 10_000;

/** Numbers of walks, unique in this node. */
let nextWalk = 1;

/** See the module's text. */
export class Walk implements GrammarWalk {
  readonly #worker: GrammarWorker;
  readonly #key: string;
  readonly #limitMs: number;
  readonly #onClose: () => void;
  readonly #id = nextWalk++;
  /** Tokens that the worker's walk has taken. */
  #taken: readonly number[] = [];
  /** Questions go one after the other, since each begins where the last one ended. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** `limitMs`: milliseconds that another constraint may take to compile. */
  constructor(
    worker: GrammarWorker,
    { key, limitMs }: { key: string; limitMs: number },
    onClose: () => void,
  ) {
    this.#worker = worker;
    this.#key = key;
    this.#limitMs = limitMs + STEPS_MS;
    this.#onClose = onClose;
  }

  async steps(
    path: readonly number[],
    count: number,
    signal?: AbortSignal,
  ): Promise<GrammarStep[]> {
    const before = this.#last;
    const asked = before.then(() => this.#ask(path, count, signal));
    this.#last = asked.catch(() => {});
    if (!signal) return await asked;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    try {
      return await Promise.race([asked, aborted]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  get quick(): boolean {
    return !this.#worker.compiles;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#worker.tell({ op: "close", walk: this.#id });
    this.#onClose();
  }

  async #ask(
    path: readonly number[],
    count: number,
    signal?: AbortSignal,
  ): Promise<GrammarStep[]> {
    signal?.throwIfAborted();
    if (this.#closed) throw failed("the answer's walk is closed");
    let keep = 0;
    const most = Math.min(this.#taken.length, path.length);
    while (keep < most && this.#taken[keep] === path[keep]) keep++;
    const tail = path.slice(keep);
    this.#taken = []; // where the question fails, nobody knows how far the worker got
    const { steps, taken } = await this.#worker.ask({
      op: "steps",
      walk: this.#id,
      key: this.#key,
      keep,
      tail,
      count,
    }, { limitMs: this.#limitMs, late });
    this.#taken = path.slice(0, taken);
    return steps;
  }
}

const late = () =>
  new OrreryError({
    group: "model",
    code: "grammar_deadline",
    message: `what may follow in a constrained answer was not known within ${
      STEPS_MS / 1000
    } s; make its schema or grammar simpler`,
    metadata: { limit_ms: STEPS_MS },
  });
