/**
 * The engine: it runs one stage of a model with ONNX Runtime, in a worker of its own.
 *
 *     const engine = await loadEngine({ graph, geometry, threads: 2, arenaBudgetBytes: 2 ** 29 });
 *     await engine.layout("arena-1", { capacity: 256, keep: new Int32Array(0) });
 *     const output = await engine.run(frame);
 *
 * @module
 */
import type { StageEngine } from "../../actors/pipeline/mod.ts";
import type { StageGraph } from "../../models/graph/mod.ts";
import type { Geometry } from "../../models/mod.ts";
import { heldLibrary } from "./library.ts";
import { WorkerEngine, type WorkerLike } from "./worker_engine.ts";

export { usualThreads } from "./threads.ts";

/** What to load and how to run it. */
export interface EngineOptions {
  /** Stage to load. Its weights are read from the blobs that the graph's file names. */
  graph: StageGraph;
  /** Geometry of the whole model. */
  geometry: Geometry;
  /** Threads that compute one operator. */
  threads: number;
  /**
   * true: threads without work spin; false: they sleep. Spinning is a little faster on idle cores
   * and several times slower on busy or limited ones. @default false
   */
  spinning?: boolean;
  /** Bytes that the arenas of all requests together may take. */
  arenaBudgetBytes: number;
  /** Ends the wait for the load; the worker is terminated then. */
  signal?: AbortSignal;
}

/**
 * Permissions of the worker: only to call the native library, which opens the graph and the blobs
 * by itself, past Deno's permissions.
 */
const PERMISSIONS = {
  ffi: "inherit",
  read: false,
  write: false,
  net: false,
  env: false,
  sys: false,
  run: false,
  import: false,
};

/**
 * Starts a worker and loads a stage in it. Throws `engine_failed` (group `engine`) if the library
 * or the stage does not load, and the signal's reason.
 */
export async function loadEngine(options: EngineOptions): Promise<StageEngine> {
  const { signal, spinning = false, graph, geometry, threads, arenaBudgetBytes } = options;
  const library = heldLibrary();
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    type: "module",
    name: `engine ${graph.firstLayer}-${graph.lastLayer}`,
    deno: { permissions: PERMISSIONS },
  } as WorkerOptions);
  return await WorkerEngine.load(
    worker as WorkerLike,
    { library, graph, geometry, threads, spinning, arenaBudgetBytes },
    signal,
  );
}
