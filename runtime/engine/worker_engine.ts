/**
 * The host's side of an engine: a queue of calls before a worker that does one at a time.
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
import {
  type LoadRequest,
  type Operation,
  type Operations,
  packFrame,
  type Reply,
  type Request,
} from "./protocol.ts";

/** The part of a `Worker` that an engine uses. */
export interface WorkerLike {
  onmessage: ((event: MessageEvent<Reply>) => void) | null;
  onmessageerror: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: Request, transfer: ArrayBuffer[]): void;
  terminate(): void;
}

/** A call that waits or is being executed. */
interface Job {
  op: Operation;
  /** The arena that it belongs to, if to one. */
  arena?: string;
  /** Packs the call; done as late as can be, since it gives buffers away. */
  message(): { request: Request; transfer: ArrayBuffer[] };
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
  readonly #queue: Job[] = [];
  #current?: Job;
  /** Why no call is taken any more. */
  #ended?: OrreryError;
  #disposal?: Promise<void>;

  /** Use {@linkcode WorkerEngine.load}, or nothing is loaded. */
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
   * Loads a stage in this worker. Throws `engine_failed`, or the signal's reason; the worker is
   * terminated then.
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
    this.#checkShapes(frame);
    const output = await this.#enqueue("run", () => {
      const { packed, transfer } = packFrame(frame);
      return { request: { op: "run", body: packed }, transfer };
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
      const job = this.#queue[i];
      if (job.arena !== arena || job.op === "close") continue;
      this.#queue.splice(i, 1);
      job.reject(
        engineError("no_arena", `arena ${arena} was closed before this ${job.op}`, { arena }),
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
    for (const job of this.#queue.splice(0)) job.reject(disposed);
    const released = this.#call("dispose", null, { signal: AbortSignal.timeout(DISPOSE_MS) });
    // Nothing more is taken, but what runs may end.
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

  #checkShapes({ tokens, positions, parents, want, want_samplers, hidden }: Frame): void {
    const rows = tokens.length;
    if (positions.length !== rows || parents.length !== rows) {
      throw engineError(
        "bad_frame",
        `tokens, positions and parents must have one length, got ${rows}, ${positions.length} and ${parents.length}`,
      );
    }
    if (want_samplers.length !== want.length) {
      throw engineError(
        "bad_frame",
        `each wanted row needs a sampler, got ${want.length} rows and ${want_samplers.length} samplers`,
      );
    }
    if (!hidden) return;
    const bytes = rows * this.info.hidden * 4;
    if (hidden.dtype !== "f32" || hidden.data.byteLength !== bytes) {
      throw engineError(
        "bad_frame",
        `hidden states must be f32 (${rows}, ${this.info.hidden}) = ${bytes} bytes, ` +
          `got ${hidden.dtype} (${hidden.shape}) = ${hidden.data.byteLength} bytes`,
      );
    }
  }

  #call<O extends Operation>(
    op: O,
    body: Operations[O]["body"],
    options: { arena?: string; signal?: AbortSignal; first?: boolean },
  ): Promise<Operations[O]["value"]> {
    return this.#enqueue(op, () => ({ request: { op, body } as Request, transfer: [] }), options);
  }

  #enqueue<O extends Operation>(
    op: O,
    message: Job["message"],
    { arena, signal, first }: { arena?: string; signal?: AbortSignal; first?: boolean },
  ): Promise<Operations[O]["value"]> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Operations[O]["value"]>();
    const abort = () => {
      const at = this.#queue.indexOf(job);
      if (at >= 0) this.#queue.splice(at, 1);
      reject(signal!.reason);
    };
    const done = () => signal?.removeEventListener("abort", abort);
    const job: Job = {
      op,
      arena,
      message,
      resolve: (value) => (done(), resolve(value as Operations[O]["value"])),
      reject: (error) => (done(), reject(error)),
    };
    signal?.addEventListener("abort", abort, { once: true });
    if (first) this.#queue.unshift(job);
    else this.#queue.push(job);
    this.#next();
    return promise;
  }

  #next(): void {
    while (!this.#current) {
      const job = this.#queue.shift();
      if (!job) return;
      try {
        const { request, transfer } = job.message();
        // Copying one row's small buffers instead of transferring them gains nothing: 27 against 28
        // us of the host's thread a trip, most of which is waking the worker.
        this.#worker.postMessage(request, transfer);
        this.#current = job;
      } catch (cause) {
        job.reject(
          engineError(
            "bad_frame",
            `the ${job.op} could not be sent to the engine: ${cause}`,
            {},
            cause,
          ),
        );
      }
    }
  }

  #answered(reply: Reply): void {
    const job = this.#current;
    this.#current = undefined;
    if (reply.ok) job?.resolve(reply.value);
    else job?.reject(OrreryError.fromWire(reply.error));
    this.#next();
  }

  /** The worker is of no use any more: everything pending and to come fails. */
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
    for (const job of this.#queue.splice(0)) job.reject(error);
  }
}
