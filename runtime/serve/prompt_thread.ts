/**
 * Encodes large prompts in a thread of their own, one after the other: a megabyte takes a tokenizer
 * one to nine seconds, in which the node's own thread would serve nobody.
 *
 * The thread begins with the first large prompt and ends when none came for a while: it has a
 * tokenizer of its own, of up to 100 MB with a large vocabulary.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type {
  EncodedPrompt,
  FromPromptThread,
  OpenPromptThread,
  PromptQuestion,
  ToPromptThread,
} from "./prompt_thread_protocol.ts";

/** Settings of {@linkcode PromptThread}. */
export interface PromptThreadOptions extends Omit<OpenPromptThread, "op"> {
  /** Milliseconds in which a prompt must be encoded; then the thread is ended. @default 60_000 */
  limitMs?: number;
  /** Milliseconds without a prompt after which the thread ends. @default 60_000 */
  idleMs?: number;
  /** Prompts that may wait for their turn. @default 64 */
  mostWaiting?: number;
}

/** A question that waits for its turn, or for its answer. */
interface WaitingPrompt extends PromiseWithResolvers<EncodedPrompt> {
  question: PromptQuestion;
}

/** See the module's text. */
export class PromptThread {
  readonly #options: Required<PromptThreadOptions>;
  #worker?: Worker;
  /** Questions in their order; the thread is at the first one, if `#busy`. */
  readonly #queue: WaitingPrompt[] = [];
  #busy = false;
  #nextId = 1;
  #idle?: ReturnType<typeof setTimeout>;

  constructor(options: PromptThreadOptions) {
    this.#options = { limitMs: 60_000, idleMs: 60_000, mostWaiting: 64, ...options };
  }

  /** Prompts that are encoded or wait for it. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Encodes a prompt. A prompt that has not had its turn when the signal aborts is not encoded.
   * Throws what `PromptEncoder.encode` and `checkLength` throw; group `api`, code `busy`, where too
   * many wait (metadata: `queued`, `limit`, `retry_after_s`); group `model`: `encode_deadline` where
   * it takes too long (metadata: `limit_ms`), `encoder_failed`; and the signal's reason.
   */
  async ask(question: PromptQuestion, signal?: AbortSignal): Promise<EncodedPrompt> {
    signal?.throwIfAborted();
    const { mostWaiting } = this.#options;
    if (this.#queue.length > mostWaiting) throw tooMany(mostWaiting);
    const waiting: WaitingPrompt = { ...Promise.withResolvers<EncodedPrompt>(), question };
    this.#queue.push(waiting);
    const leave = () => {
      const at = this.#queue.indexOf(waiting);
      if (at > 0 || (at === 0 && !this.#busy)) this.#queue.splice(at, 1);
      waiting.reject(signal!.reason);
    };
    signal?.addEventListener("abort", leave, { once: true });
    void this.#work();
    try {
      return await waiting.promise;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Ends the thread; what waits is refused. A later prompt begins another one. */
  close(): void {
    this.#end();
    for (const { reject } of this.#queue.splice(0)) reject(failed("the model is no longer served"));
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#idle);
    while (this.#queue.length > 0) {
      const waiting = this.#queue[0];
      try {
        const { folder, name, context } = this.#options;
        if (!this.#worker) await this.#send({ op: "open", folder, name, context });
        waiting.resolve(await this.#send(waiting.question));
      } catch (error) {
        waiting.reject(error);
      }
      if (this.#queue[0] === waiting) this.#queue.shift();
    }
    this.#busy = false;
    this.#idle = setTimeout(() => this.#end(), this.#options.idleMs);
    Deno.unrefTimer(Number(this.#idle));
  }

  /** Asks the thread, which is made if there is none. */
  async #send(question: OpenPromptThread | PromptQuestion): Promise<EncodedPrompt> {
    const worker = this.#worker ??= newWorker(this.#options.folder);
    const { promise, resolve, reject } = Promise.withResolvers<EncodedPrompt>();
    const id = this.#nextId++;
    const { limitMs } = this.#options;
    const timer = setTimeout(() => reject(tooLong(limitMs)), limitMs);
    worker.onmessage = ({ data }: MessageEvent<FromPromptThread>) => {
      if (data.id !== id) return;
      if ("value" in data) resolve(data.value);
      else reject(OrreryError.fromWire(data.error));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(failed(event.message));
    };
    this.#abandon = reject;
    worker.postMessage({ ...question, id } satisfies ToPromptThread);
    try {
      return await promise;
    } catch (error) {
      const own = error instanceof OrreryError && OURS.includes(error.code);
      if (own || question.op === "open") this.#end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
  /** Rejects the question that the thread is at. */
  #abandon: (error: OrreryError) => void = () => {};

  #end(): void {
    clearTimeout(this.#idle);
    this.#abandon(failed("the model is no longer served"));
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}

/** Codes of errors behind which a thread may not be sound any more. */
const OURS = ["encode_deadline", "encoder_failed"];

function newWorker(folder: string): Worker {
  const init = { type: "module", name: "prompts", deno: { permissions: { read: [folder] } } };
  // The types do not know `deno`, which is unstable.
  return new Worker(new URL("./prompt_thread_worker.ts", import.meta.url), init as WorkerOptions);
}

const failed = (why: string): OrreryError =>
  new OrreryError({
    group: "model",
    code: "encoder_failed",
    message: `the thread that encodes prompts has ended: ${why}; send the request again`,
  });

const tooLong = (limit_ms: number): OrreryError =>
  new OrreryError({
    group: "model",
    code: "encode_deadline",
    message: `the prompt was not encoded within ${limit_ms / 1000} s: shorten it`,
    metadata: { limit_ms },
  });

const tooMany = (limit: number): OrreryError =>
  new OrreryError({
    group: "api",
    code: "busy",
    message: `${limit} large prompts wait to be encoded, which is the limit; try again in 5 s`,
    metadata: { queued: limit, limit, retry_after_s: 5 },
  });
