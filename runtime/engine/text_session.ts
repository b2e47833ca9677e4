/**
 * Runs one layer, or a part of the LM head, over whole texts: for measurements that take a model
 * apart, not for answers. Each text is a chain of rows with an arena of its own.
 *
 * @module
 */
import {
  type HeadGraph,
  MASKED,
  SEGMENT_GROUPS,
  type StageGraph,
} from "../../models/graph/contract.ts";
import type { Geometry } from "../../models/mod.ts";
import { engineError, reason } from "./errors.ts";
import { heldLibrary } from "./library.ts";
import { int64Tensor, OrtTensor, type OrtTensors, Session } from "./ort.ts";
import { slotIndices } from "./convolution_taps.ts";

/** Rows of a text: token ids for the first layer, else hidden states f32 (rows, hidden). */
export type TextRows = { tokens: Int32Array } | { hidden: Float32Array<ArrayBuffer> };

/** How a graph is run. */
export interface TextSessionOptions {
  geometry: Geometry;
  /** Threads that compute one operator. */
  threads: number;
}

/** A loaded stage of one layer. Calls must not overlap. Dispose of it to free the weights. */
export class TextLayer implements Disposable {
  readonly #graph: StageGraph;
  readonly #geometry: Geometry;
  readonly #session: Session;

  private constructor(graph: StageGraph, geometry: Geometry, session: Session) {
    this.#graph = graph;
    this.#geometry = geometry;
    this.#session = session;
  }

  /** Loads a graph of one layer. Throws `engine_failed` (group `engine`). */
  static async open(graph: StageGraph, options: TextSessionOptions): Promise<TextLayer> {
    return new TextLayer(graph, options.geometry, await open(graph, options));
  }

  /**
   * Runs a text from its first row on. Returns what the layer gives, f32 (rows, hidden): the normed
   * rows, if it is the model's last one. Adds the Gram matrices of the text and the rows of experts,
   * if the graph has such outputs, to those in `grams`, by the names of the outputs. Throws `engine_failed` (group
   * `engine`).
   */
  async run(
    text: TextRows,
    grams: Map<string, Float32Array> = new Map(),
  ): Promise<Float32Array<ArrayBuffer>> {
    const { first, last, caches, kernel, recurrence, window } = this.#graph;
    const { hidden } = this.#geometry;
    const rows = "tokens" in text ? text.tokens.length : text.hidden.length / hidden;
    const numbers = Array.from({ length: rows }, (_, i) => i);
    const dims = [1, 1, rows, rows];
    const feeds: OrtTensors = {
      positions: int64Tensor(numbers, [1, rows]),
      bias: new OrtTensor("float32", causal(rows, rows), dims),
      past_rows: new OrtTensor("int32", Int32Array.of(rows - 1), [1]),
      total_rows: new OrtTensor("int32", Int32Array.of(rows), []),
      ...(window !== undefined && {
        window_bias: new OrtTensor("float32", causal(rows, window), dims),
        window_past_rows: new OrtTensor("int32", Int32Array.of(rows - 1), [1]),
        window_total_rows: new OrtTensor("int32", Int32Array.of(rows), []),
      }),
      ...(first
        ? {
          tokens: int64Tensor((text as { tokens: Int32Array }).tokens, [1, rows]),
        }
        : {
          hidden: new OrtTensor(
            "float32",
            (text as { hidden: Float32Array<ArrayBuffer> }).hidden,
            [1, rows, hidden],
          ),
        }),
      ...(kernel !== undefined && convolutionFeeds(rows, kernel)),
      ...(recurrence && recurrenceFeeds(rows, recurrence.kernel)),
      ...(last && { want: int64Tensor(numbers, [rows]) }),
    };
    const output = new Float32Array(rows * hidden);
    const results: OrtTensors = last
      ? { normed: new OrtTensor("float32", output, [rows, hidden]) }
      : { next_hidden: new OrtTensor("float32", output, [1, rows, hidden]) };
    for (const { past, present, again, heads, dim } of caches.flat()) {
      const buffer = new Float32Array(heads * rows * dim);
      const tensor = new OrtTensor("float32", buffer, [1, heads, rows, dim]);
      feeds[past] = results[present] = tensor;
      if (again !== undefined) results[again] = tensor;
    }
    for (const { past, present, dims } of recurrence?.states ?? []) {
      const zeros = new Float32Array(dims.reduce((a, b) => a * b));
      feeds[past] = results[present] = new OrtTensor("float32", zeros, [1, ...dims]);
    }
    const found = new Map<string, Float32Array<ArrayBuffer>>();
    const gather = (name: string, dims: number[]) => {
      const values = new Float32Array(dims.reduce((a, b) => a * b, 1));
      found.set(name, values);
      results[name] = new OrtTensor("float32", values, dims);
    };
    for (const { windows, expert } of this.#graph.grams ?? []) {
      for (const { name, size } of windows) gather(name, [size, size]);
      if (expert) gather(expert.rows, [1]);
    }
    await compute(this.#session, feeds, results);
    for (const [name, values] of found) {
      const sum = grams.get(name);
      if (!sum) grams.set(name, values);
      else for (let i = 0; i < values.length; i++) sum[i] += values[i];
    }
    return output;
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.#session.release();
  }
}

/** Loaded parts of the LM head. Calls must not overlap. Dispose of it to free the weights. */
export class TextHead implements Disposable {
  readonly #graph: HeadGraph;
  readonly #geometry: Geometry;
  readonly #session: Session;

  private constructor(graph: HeadGraph, geometry: Geometry, session: Session) {
    this.#graph = graph;
    this.#geometry = geometry;
    this.#session = session;
  }

  /** Loads a head graph. Throws `engine_failed` (group `engine`). */
  static async open(graph: HeadGraph, options: TextSessionOptions): Promise<TextHead> {
    return new TextHead(graph, options.geometry, await open(graph, options));
  }

  /**
   * The logits f32 (rows, tokens of the part) after normed rows f32 (rows, hidden), one array for
   * each part that was loaded. Throws `engine_failed` (group `engine`).
   */
  async run(normed: Float32Array<ArrayBuffer>): Promise<Float32Array[]> {
    const { hidden } = this.#geometry;
    const rows = normed.length / hidden;
    const results: OrtTensors = {};
    const logits = this.#graph.logits.map(({ name, rows: tokens }) => {
      const values = new Float32Array(rows * tokens);
      results[name] = new OrtTensor("float32", values, [rows, tokens]);
      return values;
    });
    const feeds = { normed: new OrtTensor("float32", normed, [rows, hidden]) };
    await compute(this.#session, feeds, results);
    return logits;
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.#session.release();
  }
}

async function open(
  { path, external }: StageGraph | HeadGraph,
  { threads }: TextSessionOptions,
): Promise<Session> {
  const library = heldLibrary();
  try {
    // A session lives for seconds: huge pages would cost more than they gain.
    const how = { library, threads, spinning: false, hugePages: false };
    return await Session.open(path, { ...how, external });
  } catch (cause) {
    throw engineError("engine_failed", `graph ${path} does not load: ${reason(cause)}`, {}, cause);
  }
}

/** Runs a session and releases the tensors. */
async function compute(session: Session, feeds: OrtTensors, results: OrtTensors): Promise<void> {
  try {
    await session.run(feeds, results);
  } catch (cause) {
    const message = `ONNX Runtime refused a text: ${reason(cause)}`;
    throw engineError("engine_failed", message, {}, cause);
  } finally {
    for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.release();
  }
}

/**
 * Slots of the rows of a chain and of the `kernel` - 1 rows before each, its own where there is none,
 * and 0 for each of those.
 */
function chainTaps(
  rows: number,
  kernel: number,
): { own: OrtTensor; taps: OrtTensor; seen: OrtTensor } {
  const each = Array.from({ length: rows * kernel }, (_, i) => {
    const row = Math.floor(i / kernel);
    return { row, before: row - (kernel - 1 - i % kernel) };
  });
  const taps = each.map(({ row, before }) => before < 0 ? row : before);
  const seen = Float32Array.from(each, ({ before }) => before < 0 ? 0 : 1);
  return {
    own: int64Tensor(slotIndices(0, rows), [1, 1, rows, 3]),
    taps: int64Tensor(taps, [rows, kernel]),
    seen: new OrtTensor("float32", seen, [rows, kernel, 1]),
  };
}

/** The inputs of convolutions of `kernel` rows over a chain, see `models/graph/contract.ts`. */
function convolutionFeeds(rows: number, kernel: number): OrtTensors {
  const { own, taps, seen } = chainTaps(rows, kernel);
  return {
    conv_slots: own,
    conv_taps: taps,
    conv_seen: seen,
  };
}

/** The inputs of recurrences over a chain, which is one segment; see `models/graph/contract.ts`. */
function recurrenceFeeds(rows: number, kernel: number): OrtTensors {
  const { own, taps, seen } = chainTaps(rows, kernel);
  const numbers = Array.from({ length: rows }, (_, i) => i);
  const each = (dims: number[], values: number[] = numbers) => int64Tensor(values, dims);
  const feeds: OrtTensors = {
    state_slots: own,
    state_taps: taps,
    state_seen: seen,
    state_own: each([rows]),
    state_rows: each([rows]),
    state_places: each([0, 1], []),
  };
  for (const [g, name] of SEGMENT_GROUPS.entries()) {
    const count = g === 0 ? 0 : 1;
    const steps = count === 0 ? [] : numbers;
    const live = new Float32Array(steps.length).fill(1);
    feeds[`state_steps.${name}`] = each([count, steps.length], steps);
    feeds[`state_live.${name}`] = new OrtTensor("float32", live, [count, steps.length, 1]);
    feeds[`state_roots.${name}`] = each([count], Array(count).fill(0));
    feeds[`state_saved.${name}`] = each([0], []);
  }
  return feeds;
}

/** Bias f32 (rows, rows) of a chain of rows, each of which sees `window` rows, its own included. */
function causal(rows: number, window: number): Float32Array<ArrayBuffer> {
  const bias = new Float32Array(rows * rows).fill(MASKED);
  for (let row = 0; row < rows; row++) {
    bias.fill(0, row * rows + Math.max(0, row - window + 1), row * rows + row + 1);
  }
  return bias;
}
