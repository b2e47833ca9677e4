/**
 * A stage's engine: a queue of calls in front of a loaded stage, which executes one at a time.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type {
  ArenaLayout,
  EngineStats,
  Frame,
  StageEngine,
  StageInfo,
  StageOutput,
} from "../../actors/pipeline/mod.ts";
import { OrreryError } from "../../actors/system/mod.ts";
import { engineError, reason } from "./errors.ts";

/** What executes the calls; a call begins when the one before has ended. */
export interface LoadedStage {
  /** See {@linkcode StageEngine.layout}. */
  layout(arena: string, layout: ArenaLayout): void;
  /** See {@linkcode StageEngine.run}. */
  run(frame: Frame): Promise<StageOutput>;
  /** See {@linkcode StageEngine.close}. */
  close(arena: string): void;
  /** See {@linkcode StageEngine.stats}. */
  stats(): EngineStats;
  /** Frees all memory of the stage. */
  dispose(): void;
}

/** A call that waits in the queue or is being executed. */
interface QueuedCall {
  /** What is called, for messages. */
  name: string;
  /** Name of the arena that the call is for; undefined if it is for none. */
  arena?: string;
  perform(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Options of a call. */
interface CallOptions {
  arena?: string;
  signal?: AbortSignal;
  /** Before all calls that wait. @default false */
  first?: boolean;
}

/** Milliseconds that `dispose` waits for a stage that is still computing. */
const DISPOSE_MS = 5_000;

const log = getLogger(["orrery", "engine"]);

/** See the module's text. */
export class QueuedEngine implements StageEngine {
  readonly info: StageInfo;
  readonly #stage: LoadedStage;
  /** Calls that wait, the next one first. */
  readonly #queue: QueuedCall[] = [];
  /** true while the stage executes a call. */
  #busy = false;
  /** Why no further call is accepted; undefined while calls are accepted. */
  #ended?: OrreryError;
  /** The result of `dispose()`, once it was called. */
  #disposal?: Promise<void>;

  /** An engine over a stage, which it disposes of in the end. */
  constructor(stage: LoadedStage, info: StageInfo) {
    this.#stage = stage;
    this.info = info;
  }

  layout(arena: string, layout: ArenaLayout, signal?: AbortSignal): Promise<void> {
    return this.#call("layout", () => this.#stage.layout(arena, layout), { arena, signal });
  }

  run(frame: Frame, signal?: AbortSignal): Promise<StageOutput> {
    return this.#call("run", () => this.#stage.run(frame), { arena: frame.arena, signal });
  }

  close(arena: string): Promise<void> {
    if (this.#ended) return Promise.resolve();
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const queued = this.#queue[i];
      if (queued.arena !== arena || queued.name === "close") continue;
      this.#queue.splice(i, 1);
      queued.reject(
        engineError("no_arena", `arena ${arena} was closed before this ${queued.name}`, { arena }),
      );
    }
    return this.#call("close", () => this.#stage.close(arena), { arena, first: true });
  }

  stats(signal?: AbortSignal): Promise<EngineStats> {
    return this.#call("stats", () => this.#stage.stats(), { signal });
  }

  dispose(): Promise<void> {
    return this.#disposal ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    const disposed = engineError("engine_failed", "the engine was disposed");
    for (const queued of this.#queue.splice(0)) queued.reject(disposed);
    // No further call is accepted, but the one that is executed may end: the stage is freed then.
    const released = this.#call("dispose", () => this.#stage.dispose(), {
      signal: this.#busy ? AbortSignal.timeout(DISPOSE_MS) : undefined,
      keep: true,
    });
    this.#ended = disposed;
    try {
      await released;
    } catch (error) {
      log.warn("engine did not end within {ms} ms and is freed when its frame has run: {error}", {
        ms: DISPOSE_MS,
        error,
      });
    }
  }

  /** @param keep A signal that fires rejects the call but leaves it in the queue. */
  #call<T>(
    name: string,
    perform: () => T | Promise<T>,
    { arena, signal, first, keep }: CallOptions & { keep?: boolean },
  ): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const queued: QueuedCall = {
      name,
      arena,
      perform,
      resolve: (value) => resolve(value as T),
      reject,
    };
    if (signal) {
      const abort = () => {
        const at = this.#queue.indexOf(queued);
        if (at >= 0 && !keep) this.#queue.splice(at, 1);
        reject(signal.reason);
      };
      const done = () => signal.removeEventListener("abort", abort);
      signal.addEventListener("abort", abort, { once: true });
      promise.then(done, done);
    }
    if (first) this.#queue.unshift(queued);
    else this.#queue.push(queued);
    this.#next();
    return promise;
  }

  /** Executes the calls that wait, unless one is being executed. */
  #next(): void {
    while (!this.#busy) {
      const call = this.#queue.shift();
      if (!call) return;
      try {
        const value = call.perform();
        if (!(value instanceof Promise)) {
          call.resolve(value);
          continue;
        }
        this.#busy = true;
        value.then(call.resolve, (error) => call.reject(known(error))).then(() => {
          this.#busy = false;
          this.#next();
        });
      } catch (error) {
        call.reject(known(error));
      }
    }
  }
}

/** Anything thrown, as an error with a code. */
function known(error: unknown): OrreryError {
  return error instanceof OrreryError
    ? error
    : engineError("engine_failed", reason(error), {}, error);
}
