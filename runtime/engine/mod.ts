/**
 * The engine: it runs one stage of a model with ONNX Runtime, which computes on a thread of its own.
 *
 *     const engine = await loadEngine({ graph, geometry, threads: 2, arenaBudgetBytes: 2 ** 29 });
 *     await engine.layout("arena-1", { capacity: 256, keep: new Int32Array(0) });
 *     const output = await engine.run(frame);
 *
 * Start with `ort_stage.ts`, which runs a frame from its check to its tokens.
 *
 * - one loaded stage, and its queue: `ort_stage.ts`, `queued_engine.ts`, `frame_check.ts`
 * - parts of the LM head: `ort_head.ts`, `partial.ts`
 * - the memory of rows: `kv_arenas.ts`, `kv_arena.ts`, `slots.ts`, `near_slots.ts`,
 *   `recurrent_states.ts`
 * - inputs of the graph: `mask.ts`, `row_counts.ts`, `convolution_taps.ts`; names in
 *   `models/graph/contract.ts`
 * - from logits to a token: `wanted_rows.ts`, `sampler.ts`, `candidates.ts`, `weights.ts`
 * - ONNX Runtime: `ort.ts`, `session_chain.ts`, `library.ts`, `threads.ts`, `mapped_weights.ts`,
 *   `huge_pages.ts`
 * - processor time: `shared_time.ts`
 * - measurements that take a model apart: `text_session.ts`
 *
 * @module
 */
import type { HeadEngine, HeadTokens, StageEngine } from "../../actors/pipeline/mod.ts";
import type { HeadGraph, StageGraph } from "../../models/graph/mod.ts";
import type { Geometry } from "../../models/mod.ts";
import { heldLibrary } from "./library.ts";
import { OrtHead } from "./ort_head.ts";
import { OrtStage } from "./ort_stage.ts";
import { QueuedEngine } from "./queued_engine.ts";

export { arenaBytes } from "./kv_arena.ts";
export { TextHead, TextLayer, type TextRows } from "./text_session.ts";
export { usualThreads } from "./threads.ts";

/** What to load and how to run it. */
export interface EngineOptions {
  /** Stage to load. Its weights are read from the blobs that the graph's file names. */
  graph: StageGraph;
  /** Geometry of the whole model. */
  geometry: Geometry;
  /** Shards of the LM head, where the stage with the last layer does not have it. */
  head?: HeadTokens[];
  /** Threads that compute one operator. */
  threads: number;
  /**
   * true: threads without work spin; false: they sleep. Spinning is a little faster on idle cores
   * and several times slower on busy or limited ones. @default false
   */
  spinning?: boolean;
  /** Bytes that the arenas of all requests together may take. */
  arenaBudgetBytes: number;
  /** Ends the wait for the load; what was loaded is freed then. */
  signal?: AbortSignal;
}

/**
 * Loads a stage. Throws `engine_failed` (group `engine`) if the library or the stage does not load,
 * and the signal's reason.
 */
export async function loadEngine(options: EngineOptions): Promise<StageEngine> {
  const { signal, spinning = false, graph, geometry, head, threads, arenaBudgetBytes } = options;
  signal?.throwIfAborted();
  const library = heldLibrary();
  const loading = OrtStage.load({
    library,
    graph,
    geometry,
    threads,
    spinning,
    arenaBudgetBytes,
  });
  const stage = signal ? await unlessAborted(loading, signal) : await loading;
  return new QueuedEngine(stage, {
    firstLayer: graph.firstLayer,
    lastLayer: graph.lastLayer,
    layers: geometry.layers,
    hidden: geometry.hidden,
    vocab: geometry.vocab,
    context: geometry.context,
    kvBytesPerRow: graph.kvBytesPerRow,
    ...(graph.last && graph.logits.length === 0 && { head }),
  });
}

/** What {@linkcode loadHead} loads and how it runs. */
export interface HeadOptions {
  /** Parts of the LM head to load. */
  graph: HeadGraph;
  /** Geometry of the whole model. */
  geometry: Geometry;
  /** Threads that compute one operator. */
  threads: number;
  /** See `EngineOptions.spinning`. @default false */
  spinning?: boolean;
}

/**
 * Loads parts of the LM head. Throws `engine_failed` (group `engine`) if the library or the graph
 * does not load.
 */
export async function loadHead(options: HeadOptions): Promise<HeadEngine> {
  const { graph, geometry: { vocab, hidden }, threads, spinning = false } = options;
  return await OrtHead.load({ library: heldLibrary(), graph, vocab, hidden, threads, spinning });
}

/** The loaded stage, or the signal's reason; the library's load cannot be stopped, so it is freed. */
async function unlessAborted(loading: Promise<OrtStage>, signal: AbortSignal): Promise<OrtStage> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => {
    reject(signal.reason);
    loading.then((stage) => stage.dispose(), () => {}); // a load that fails leaves nothing to free
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([loading, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
