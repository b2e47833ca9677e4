/**
 * Runs a chain of stage graphs directly on onnxruntime-node, with nothing in between.
 *
 * @module
 */
import * as ort from "./onnxruntime.ts";
import { buildStageGraph, type StageGraphOptions } from "../../models/graph/stage.ts";
import { MASKED, type StageGraph } from "../../models/graph/contract.ts";
import type { Manifest } from "../../models/manifest.ts";
import { ancestors, type OracleRow } from "./llama.ts";

/** Output of one run over S rows, W of them wanted. */
export interface ChainOutput {
  /** Output of each stage but the last: (S, hidden). */
  hidden: Float32Array[];
  /** (W, vocab) */
  logits: Float32Array;
}

/** The logits of all parts of the head, (W, vocab). */
function joined(
  { logits }: StageGraph,
  results: Record<string, ort.Tensor>,
  wanted: number,
): Float32Array {
  const vocab = logits.reduce((sum, { rows }) => sum + rows, 0);
  const all = new Float32Array(wanted * vocab);
  for (const { name, first, rows } of logits) {
    const part = results[name].data as Float32Array;
    for (let w = 0; w < wanted; w++) {
      all.set(part.subarray(w * rows, (w + 1) * rows), w * vocab + first);
    }
  }
  return all;
}

/** Stages that cover the model, each with an arena for one request. */
export class StageChain {
  readonly #stages: {
    graph: StageGraph;
    session: ort.InferenceSession;
    arena: Record<string, ort.Tensor>;
  }[] = [];
  readonly #rows: OracleRow[] = [];
  /**
   * Opens a session and an arena of `capacity` rows for each of `ranges` (first and last layer,
   * inclusive).
   */
  static async open(
    manifest: Manifest,
    ranges: [number, number][],
    options: Pick<StageGraphOptions, "blobDir" | "accuracyLevel"> & { capacity: number },
  ): Promise<StageChain> {
    const chain = new StageChain();
    for (const [firstLayer, lastLayer] of ranges) {
      const graph = await buildStageGraph(manifest, { ...options, firstLayer, lastLayer });
      const session = await ort.InferenceSession.create(graph.path, {
        intraOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      const arena: Record<string, ort.Tensor> = {};
      for (const { past, heads, dim } of graph.caches.flat()) {
        const dims = [1, heads, options.capacity, dim];
        const zeros = new Float32Array(dims.reduce((a, b) => a * b));
        arena[past] = new ort.Tensor("float32", zeros, dims);
      }
      for (const { past, dims } of graph.recurrence?.states ?? []) {
        const zeros = new Float32Array(dims.reduce((a, b) => a * b));
        arena[past] = new ort.Tensor("float32", zeros, [1, ...dims]);
      }
      chain.#stages.push({ graph, session, arena });
    }
    return chain;
  }

  /**
   * Runs rows at the next free slots, or from slot `base` on over what lies there; their parents
   * are slots. `want` are indices into `rows`.
   */
  async run(
    rows: readonly OracleRow[],
    want: number[],
    base = this.#rows.length,
  ): Promise<ChainOutput> {
    const past = base;
    this.#rows.length = base;
    this.#rows.push(...rows);
    const [count, total] = [rows.length, past + rows.length];
    const bias = new Float32Array(count * total).fill(MASKED);
    ancestors(this.#rows).slice(past).forEach((seen, row) =>
      seen.forEach((slot) => bias[row * total + slot] = 0)
    );
    const windowBias = (window: number) =>
      bias.map((value, at) => {
        const [row, slot] = [rows[Math.floor(at / total)], this.#rows[at % total]];
        return row.position - slot.position >= window ? MASKED : value;
      });
    const longs = (values: number[], dims: number[]) =>
      new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
    const common = {
      positions: longs(rows.map((r) => r.position), [1, count]),
      bias: new ort.Tensor("float32", bias, [1, 1, count, total]),
      past_rows: new ort.Tensor("int32", Int32Array.of(total - 1), [1]),
      total_rows: new ort.Tensor("int32", Int32Array.of(total), []),
    };
    const tokens = longs(rows.map((r) => r.token), [1, count]);
    const output: ChainOutput = { hidden: [], logits: new Float32Array() };
    let hidden: ort.Tensor | undefined;
    for (const { graph, session, arena } of this.#stages) {
      const feeds: Record<string, ort.Tensor> = {
        ...common,
        ...arena,
        ...(graph.first ? { tokens } : { hidden: hidden! }),
      };
      if (graph.window !== undefined) {
        feeds.window_past_rows = common.past_rows;
        feeds.window_total_rows = common.total_rows;
        feeds.window_bias = new ort.Tensor("float32", windowBias(graph.window), [
          1,
          1,
          count,
          total,
        ]);
      }
      if (graph.kernel !== undefined) {
        const { kernel } = graph;
        const paths = rows.map((_, row) => this.#path(past + row, kernel));
        const seen = paths.map((path) => path.map((slot) => slot < 0 ? 0 : 1));
        feeds.conv_slots = longs(rows.flatMap((_, row) => [0, 0, past + row]), [1, 1, count, 3]);
        feeds.conv_taps = longs(
          paths.flatMap((path, row) => path.map((slot) => slot < 0 ? past + row : slot)),
          [count, kernel],
        );
        feeds.conv_seen = new ort.Tensor("float32", Float32Array.from(seen.flat()), [
          count,
          kernel,
          1,
        ]);
      }
      if (graph.recurrence) Object.assign(feeds, this.#recurrence(past, graph.recurrence.kernel));
      if (graph.last) {
        feeds.want = longs(want, [want.length]);
        feeds.scored = longs(Array.from(want.keys()), [want.length]);
      }
      const outputs = graph.last ? graph.logits.map(({ name }) => name) : ["next_hidden"];
      const fetches: Record<string, ort.Tensor | null> = Object.fromEntries(
        outputs.map((name) => [name, null]),
      );
      const { recurrence, caches } = graph;
      for (const { past: from, present } of [...caches.flat(), ...recurrence?.states ?? []]) {
        fetches[present] = arena[from];
      }
      const results = await session.run(feeds, fetches);
      hidden = results.next_hidden;
      if (graph.last) output.logits = joined(graph, results, want.length);
      else output.hidden.push(hidden.data as Float32Array);
    }
    return output;
  }

  /** The inputs of recurrences: each row from slot `past` on is a segment that begins at its root. */
  #recurrence(past: number, kernel: number): Record<string, ort.Tensor> {
    const longs = (values: number[], dims: number[]) =>
      new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
    const floats = (values: number[], dims: number[]) =>
      new ort.Tensor("float32", Float32Array.from(values), dims);
    const slots = Array.from(this.#rows.keys()).slice(past);
    const paths = slots.map((slot) => {
      const path = [slot];
      while (this.#rows[path[0]].parent >= 0) path.unshift(this.#rows[path[0]].parent);
      return path;
    });
    const steps = Math.max(...paths.map((path) => path.length));
    const all = Array.from(this.#rows.keys());
    const taps = all.map((slot) => this.#path(slot, kernel)).flat();
    const each = paths.flatMap((path) => Array.from({ length: steps }, (_, i) => path[i] ?? -1));
    const dims = [slots.length, steps];
    return {
      state_slots: longs(slots.flatMap((slot) => [0, 0, slot]), [1, 1, slots.length, 3]),
      state_taps: longs(taps.map((slot) => Math.max(slot, 0)), [all.length, kernel]),
      state_seen: floats(taps.map((slot) => slot < 0 ? 0 : 1), [all.length, kernel, 1]),
      state_own: longs(slots, [slots.length]),
      "state_steps.short": longs([], [0, 0]),
      "state_live.short": floats([], [0, 0, 1]),
      "state_roots.short": longs([], [0]),
      "state_saved.short": longs([], [0]),
      "state_steps.long": longs(each.map((slot) => Math.max(slot, 0)), dims),
      "state_live.long": floats(each.map((slot) => slot < 0 ? 0 : 1), [...dims, 1]),
      "state_roots.long": longs(slots.map(() => 0), [slots.length]),
      "state_saved.long": longs([], [0]),
      state_rows: longs(paths.map((path, i) => i * steps + path.length - 1), [slots.length]),
      state_places: longs([], [0, 1]),
    };
  }

  /** The row in this slot and `length` - 1 ancestors, the furthest first; -1: there is none. */
  #path(slot: number, length: number): number[] {
    const path = [slot];
    while (path.length < length) path.unshift(path[0] < 0 ? -1 : this.#rows[path[0]].parent);
    return path;
  }

  /** Ends the sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { session } of this.#stages) await session.release();
  }
}
