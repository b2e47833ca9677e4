/**
 * The engine as the node's thread sees it: a queue of calls in front of a worker that executes one
 * at a time.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  type ArenaLayout,
  type EngineStats,
  type Frame,
  fromFloat32,
  type StageEngine,
  type StageInfo,
  type StageOutput,
} from "../../actors/pipeline/mod.ts";
import { OrreryError } from "../../actors/system/errors.ts";
import { engineError } from "./errors.ts";
import { checkArrays } from "./frame_check.ts";
import {
  type EngineCall,
  type LoadRequest,
  type Operation,
  type Operations,
  packFrame,
  type Reply,
} from "./protocol.ts";

/** The part of a `Worker` that an engine uses. */
export interface WorkerLike {
  onmessage: ((event: MessageEvent<Reply>) => void) | null;
  onmessageerror: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: EngineCall, transfer: ArrayBuffer[]): void;
  terminate(): void;
}

/** A call that waits in the queue or is being executed. */
interface QueuedCall {
  op: Operation;
  /** Name of the arena that the call is for; undefined if it is for none. */
  arena?: string;
  /**
   * Packs the call and lists the buffers to transfer. Called just before the call is sent: a call
   * that is dropped from the queue leaves the caller its buffers.
   */
  message(): { call: EngineCall; transfer: ArrayBuffer[] };
  resolve(value: Operations[Operation]["value"]): void;
  reject(error: unknown): void;
}

/** Milliseconds that `dispose` waits for a worker that is still computing. */
const DISPOSE_MS = 5_000;

const log = getLogger(["orrery", "engine"]);

/** A {@linkcode StageEngine} whose session lives in a worker. */
export class WorkerEngine implements StageEngine {
  readonly info: StageInfo;
  readonly #worker: WorkerLike;
  /** Calls that wait, the next one first. */
  readonly #queue: QueuedCall[] = [];
  /** The call that the worker executes; undefined while the worker is idle. */
  #current?: QueuedCall;
  /** Why no further call is accepted; undefined while calls are accepted. */
  #ended?: OrreryError;
  /** The result of `dispose()`, once it was called. */
  #disposal?: Promise<void>;

  /** Private, since an engine is of no use before {@linkcode WorkerEngine.load} is done. */
  private constructor(worker: WorkerLike, { graph, geometry }: LoadRequest) {
    this.info = {
      firstLayer: graph.firstLayer,
      lastLayer: graph.lastLayer,
      layers: geometry.layers,
      hidden: geometry.hidden,
      vocab: geometry.vocab,
      context: geometry.context,
      kvBytesPerRow: graph.kvBytesPerRow,
    };
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#answered(data);
    worker.onmessageerror = () =>
      this.#end(engineError("engine_failed", "the engine's worker sent what cannot be read"));
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(
        engineError("engine_failed", `the engine's worker died: ${event.message}`, {}, event.error),
      );
    };
  }

  /**
   * Loads a stage in this worker. Throws `engine_failed` (group `engine`) or the signal's reason,
   * and terminates the worker then.
   */
  static async load(
    worker: WorkerLike,
    load: LoadRequest,
    signal?: AbortSignal,
  ): Promise<WorkerEngine> {
    const engine = new WorkerEngine(worker, load);
    try {
      await engine.#call("load", load, { signal });
      return engine;
    } catch (error) {
      engine.#end(engineError("engine_failed", "the engine was never loaded", {}, error));
      throw error;
    }
  }

  layout(arena: string, layout: ArenaLayout, signal?: AbortSignal): Promise<void> {
    return this.#call("layout", { arena, layout }, { arena, signal });
  }

  async run(frame: Frame, signal?: AbortSignal): Promise<StageOutput> {
    checkArrays(frame, this.info);
    const output = await this.#enqueue("run", () => {
      const { packed, transfer } = packFrame(frame);
      return { call: { op: "run", body: packed }, transfer };
    }, { arena: frame.arena, signal });
    if (output.kind === "tokens") return output;
    const { kind, hidden, computeMs } = output;
    return {
      kind,
      hidden: fromFloat32([frame.tokens.length, this.info.hidden], hidden),
      computeMs,
    };
  }

  close(arena: string): Promise<void> {
    if (this.#ended) return Promise.resolve();
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const queued = this.#queue[i];
      if (queued.arena !== arena || queued.op === "close") continue;
      this.#queue.splice(i, 1);
      queued.reject(
        engineError("no_arena", `arena ${arena} was closed before this ${queued.op}`, { arena }),
      );
    }
    return this.#call("close", { arena }, { arena, first: true });
  }

  stats(signal?: AbortSignal): Promise<EngineStats> {
    return this.#call("stats", null, { signal });
  }

  dispose(): Promise<void> {
    return this.#disposal ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    if (this.#ended) return;
    const disposed = engineError("engine_failed", "the engine was disposed");
    for (const queued of this.#queue.splice(0)) queued.reject(disposed);
    const released = this.#call("dispose", null, { signal: AbortSignal.timeout(DISPOSE_MS) });
    // No further call is accepted, but the one that the worker executes may end.
    this.#ended = disposed;
    try {
      await released;
    } catch (error) {
      log.warn("engine did not end within {ms} ms and is terminated: {error}", {
        ms: DISPOSE_MS,
        error,
      });
    }
    this.#stop(disposed);
  }

  #call<O extends Operation>(
    op: O,
    body: Operations[O]["body"],
    options: { arena?: string; signal?: AbortSignal; first?: boolean },
  ): Promise<Operations[O]["value"]> {
    return this.#enqueue(op, () => ({ call: { op, body } as EngineCall, transfer: [] }), options);
  }

  #enqueue<O extends Operation>(
    op: O,
    message: QueuedCall["message"],
    { arena, signal, first }: { arena?: string; signal?: AbortSignal; first?: boolean },
  ): Promise<Operations[O]["value"]> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Operations[O]["value"]>();
    const abort = () => {
      const at = this.#queue.indexOf(queued);
      if (at >= 0) this.#queue.splice(at, 1);
      reject(signal!.reason);
    };
    const done = () => signal?.removeEventListener("abort", abort);
    const queued: QueuedCall = {
      op,
      arena,
      message,
      resolve: (value) => (done(), resolve(value as Operations[O]["value"])),
      reject: (error) => (done(), reject(error)),
    };
    signal?.addEventListener("abort", abort, { once: true });
    if (first) this.#queue.unshift(queued);
    else this.#queue.push(queued);
    this.#next();
    return promise;
  }

  #next(): void {
    while (!this.#current) {
      const queued = this.#queue.shift();
      if (!queued) return;
      try {
        const { call, transfer } = queued.message();
        // Copying the small buffers of a one-row frame instead of transferring them gains nothing:
        // 27 against 28 us of this thread per call, most of it spent on waking the worker.
        this.#worker.postMessage(call, transfer);
        this.#current = queued;
      } catch (cause) {
        queued.reject(
          engineError(
            "bad_frame",
            `the ${queued.op} could not be sent to the engine: ${cause}`,
            {},
            cause,
          ),
        );
      }
    }
  }

  #answered(reply: Reply): void {
    const answered = this.#current;
    this.#current = undefined;
    if (reply.ok) answered?.resolve(reply.value);
    else answered?.reject(OrreryError.fromWire(reply.error));
    this.#next();
  }

  /** Called when the worker has failed: rejects every pending call and every later one. */
  #end(error: OrreryError): void {
    if (!this.#ended) log.error("{error}", { error });
    this.#ended ??= error;
    this.#stop(error);
  }

  #stop(error: OrreryError): void {
    this.#worker.onmessage = this.#worker.onerror = this.#worker.onmessageerror = null;
    this.#worker.terminate();
    this.#current?.reject(error);
    this.#current = undefined;
    for (const queued of this.#queue.splice(0)) queued.reject(error);
  }
}
