/**
 * One loaded stage: the ONNX Runtime session, the arenas, and how a frame is run on them. The
 * session computes on a thread of its own; all else happens on the calling thread. Calls must not
 * overlap, see `queued_engine.ts`.
 *
 * @module
 */
import {
  type ArenaLayout,
  asFloat32,
  type EngineStats,
  type Frame,
  type FrameRows,
  fromFloat32,
  LATE_MASK,
  type LateRow,
  type RowStates,
  type StageOutput,
  type TokenResult,
} from "../../actors/pipeline/mod.ts";
import type { StageGraph } from "../../models/graph/contract.ts";
import type { Geometry } from "../../models/mod.ts";
import { engineError, reason } from "./errors.ts";
import { checkArrays, checkRows } from "./frame_check.ts";
import type { ArenaView, KvArena } from "./kv_arena.ts";
import { KvArenas } from "./kv_arenas.ts";
import { convolutionTaps, slotIndices } from "./convolution_taps.ts";
import { attentionBias, nearBias, windowBias } from "./mask.ts";
import { int64Tensor, OrtTensor, type OrtTensors } from "./ort.ts";
import type { LoadedStage } from "./queued_engine.ts";
import { RowCounts } from "./row_counts.ts";
import { SessionChain } from "./session_chain.ts";
import { nodeTime, type TimedRun } from "./shared_time.ts";
import type { Slots } from "./slots.ts";
import {
  allowedOf,
  chooser,
  inOrder,
  normedRows,
  noteChoices,
  pickRows,
  rowsOf,
  stateOf,
  wantedRows,
} from "./wanted_rows.ts";

/** Most f32 elements of a buffer that is kept from one frame to the next. */
const KEEP_ELEMENTS = 4 * 1024 * 1024;

/** What is loaded. */
export interface LoadRequest {
  /** Path of ONNX Runtime's library. */
  library: string;
  /** The stage's graph: its file and what it holds. */
  graph: StageGraph;
  /** Geometry of the whole model. */
  geometry: Geometry;
  /** Threads that compute one operator. */
  threads: number;
  /** true: threads without work spin, which is faster but burns CPU time; false: they sleep. */
  spinning: boolean;
  /** Bytes that all arenas together may take. */
  arenaBudgetBytes: number;
}

/** What comes of a frame, without what it took. */
type StageResult = StageOutput extends infer Output
  ? Output extends StageOutput ? Omit<Output, "computeMs" | "past"> : never
  : never;

/** A loaded stage. */
export class OrtStage implements LoadedStage {
  readonly #load: LoadRequest;
  readonly #sessions: SessionChain;
  readonly #arenas: KvArenas;
  /** Frames run to their end, the rows in them, and the milliseconds that they took. */
  #frames = 0;
  #rows = 0;
  #busyMs = 0;
  /** Buffers that frames use again. f32 */
  #bias = new Float32Array(0);
  #windowBias = new Float32Array(0);
  #logits = new Float32Array(0);
  /** Numbers of rows of the frame that runs. */
  readonly #counts = new RowCounts();
  /** A frame runs: it has the buffers. */
  #running = false;

  private constructor(load: LoadRequest, sessions: SessionChain) {
    this.#load = load;
    this.#sessions = sessions;
    this.#arenas = new KvArenas(load.graph.caches, load.arenaBudgetBytes, load.graph.recurrence);
  }

  /** Loads a stage graph. Throws `engine_failed` (group `engine`) if ONNX Runtime refuses it. */
  static async load(load: LoadRequest): Promise<OrtStage> {
    try {
      return new OrtStage(load, await SessionChain.open(load.graph, load));
    } catch (cause) {
      throw engineError(
        "engine_failed",
        `stage graph ${load.graph.path} does not load: ${reason(cause)}`,
        {},
        cause,
      );
    }
  }

  /** See `StageEngine.layout`. */
  layout(arena: string, layout: ArenaLayout): void {
    this.#arenas.layout(arena, layout);
  }

  /** See `StageEngine.close`. */
  close(arena: string): void {
    this.#arenas.close(arena);
  }

  /** See `StageEngine.stats`. */
  stats(): EngineStats {
    return {
      arenas: this.#arenas.count,
      arenaBytes: this.#arenas.bytes,
      frames: this.#frames,
      rows: this.#rows,
      busyMs: this.#busyMs,
    };
  }

  /** Frees the arenas and the sessions. */
  dispose(): void {
    this.#arenas.clear();
    this.#counts.release();
    this.#sessions.release();
  }

  /**
   * Runs a frame, see `StageEngine.run`. A frame that is refused changes nothing; a frame that
   * fails while it is computed leaves no rows behind. Throws `engine_failed` while another one runs.
   */
  async run(frame: Frame): Promise<StageOutput> {
    if (this.#running) {
      throw engineError("engine_failed", "a frame began while another one ran in the same stage");
    }
    this.#running = true;
    const timed = nodeTime.begin();
    try {
      return await this.#run(frame, timed);
    } finally {
      timed.end();
      this.#running = false;
    }
  }

  async #run(frame: Frame, timed: TimedRun): Promise<StageOutput> {
    const { graph, geometry } = this.#load;
    const { hidden: width } = geometry;
    checkArrays(frame, { first: graph.first, hidden: width });
    const arena = this.#arenas.get(frame.arena);
    checkRows(frame, arena.slots, this.#load);
    const rows = frame.tokens.length;
    arena.near?.check(frame.near_base, rows);
    if (graph.last) noteChoices(arena, frame, geometry.vocab);
    arena.slots.write(frame);
    arena.near?.write(frame.base, rows, frame.near_base!);
    const input = frame.hidden && asFloat32(frame.hidden) as Float32Array<ArrayBuffer>;
    for (const row of zeroDamaged(input, width)) arena.slots.damage(frame.base + row);
    let past = frame.base;
    let result: StageResult;
    try {
      const view = withStates(arena, arena.view(frame.base, rows, graph.window));
      past -= view.first;
      const segments = arena.states?.segments(arena.slots, frame.base, rows, view.first);
      const feeds = { ...this.#feeds(arena, view, frame, input), ...segments?.feeds };
      result = graph.last
        ? await this.#runLast(arena, frame, view, feeds)
        : await this.#runInner(arena, frame, view, feeds);
      if (segments) arena.states!.keep(segments.kept, arena.slots);
    } catch (error) {
      arena.slots.forget(frame.base, rows);
      throw error;
    }
    const computeMs = timed.end();
    this.#frames++;
    this.#rows += rows;
    this.#busyMs += computeMs;
    return { ...result, computeMs, past };
  }

  /** Runs a frame on a stage without the model's last layer: its hidden states go to the next one. */
  async #runInner(
    arena: KvArena,
    frame: Frame,
    view: ArenaView,
    feeds: OrtTensors,
  ): Promise<StageResult> {
    const { hidden: width } = this.#load.geometry;
    const rows = frame.tokens.length;
    const hidden = new Float32Array(rows * width);
    const out = new OrtTensor("float32", hidden, [1, rows, width]);
    await this.#compute(view, rows, feeds, { next_hidden: out });
    contain(arena, frame);
    // The next stage must learn which rows are damaged: it gets NaN for each of them, where this
    // stage computed with zeros.
    for (let row = 0; row < rows; row++) {
      if (arena.slots.isDamaged(frame.base + row)) {
        hidden.fill(NaN, row * width, (row + 1) * width);
      }
    }
    return { kind: "hidden", hidden: fromFloat32([rows, width], hidden) };
  }

  /**
   * Runs a frame on the last stage: a token for each wanted row or, where shards have the LM head,
   * the rows after the final norm. Rows whose hidden states are wanted get these in either case.
   */
  async #runLast(
    arena: KvArena,
    frame: Frame,
    view: ArenaView,
    feeds: OrtTensors,
  ): Promise<StageResult> {
    const { graph, geometry: { hidden: width } } = this.#load;
    const wanted = frame.want.length;
    const head = graph.logits.length > 0;
    const { scored, stated } = wantedRows(arena, frame);
    const withHidden = !head || stated.length > 0;
    const hidden = new Float32Array(withHidden ? wanted * width : 0);
    const logits = head ? this.#logitsBuffers(scored.length) : undefined;
    const outputs = {
      ...logits?.tensors,
      ...(withHidden && { normed: new OrtTensor("float32", hidden, [wanted, width]) }),
    };
    if (head) feeds.scored = int64Tensor(Int32Array.from(scored), [scored.length]);
    await this.#compute(view, frame.tokens.length, feeds, outputs);
    contain(arena, frame);
    const states: RowStates | undefined = stated.length > 0
      ? {
        wanted: stated,
        results: stated.map((i) => stateOf(arena, frame, { i, states: hidden, width })),
      }
      : undefined;
    const kept = states ? rowsOf(frame, scored) : frame;
    if (!logits) {
      const normed = states ? pickRows(hidden, scored, width) : hidden;
      return {
        kind: "normed",
        normed: fromFloat32([scored.length, width], normed),
        rows: normedRows(arena, kept),
        ...(states && { states }),
      };
    }
    const { tokens, late } = this.#sample(arena, kept, logits.parts);
    return {
      kind: "tokens",
      tokens: inOrder(tokens, states),
      ...(late.length > 0 && {
        late: late.map(({ row, choose }) => ({ row: scored[row], choose })),
      }),
    };
  }

  /**
   * Runs the sessions. Releases the tensors of `feeds` and `results`, which belong to this frame
   * alone; the arena's tensors stay.
   */
  async #compute(
    view: ArenaView,
    rows: number,
    feeds: OrtTensors,
    results: OrtTensors,
  ): Promise<void> {
    try {
      await this.#sessions.run(
        { ...feeds, ...view.feeds, ...this.#counts.feeds },
        { ...results, ...view.fetches },
        { rows, width: this.#load.geometry.hidden },
      );
    } catch (cause) {
      const changed = this.#counts.changed();
      throw engineError(
        "engine_failed",
        `ONNX Runtime refused a frame: ${reason(cause)}${changed ? ` (${changed})` : ""}`,
        {},
        cause,
      );
    } finally {
      for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.release();
    }
  }

  /** The inputs of the graph for a frame, without the arena's; see `models/graph/contract.ts`. */
  #feeds(
    arena: KvArena,
    { first, near }: ArenaView,
    rows: FrameRows,
    hidden?: Float32Array<ArrayBuffer>,
  ): OrtTensors {
    const n = rows.tokens.length;
    const total = rows.base + n - first;
    const { graph, geometry } = this.#load;
    const bias = attentionBias(arena.slots, rows.base, n, { first, out: this.#bias });
    const biases: OrtTensors = {
      bias: new OrtTensor("float32", bias, [1, 1, n, total]),
    };
    if (graph.window !== undefined) {
      const { window } = graph;
      const out = this.#windowBias;
      const windowed = near
        ? nearBias(arena.slots, arena.near!, { base: rows.base, rows: n, window, ...near, out })
        : windowBias(arena.slots, rows.base, n, { window, bias, first, out });
      biases.window_bias = new OrtTensor("float32", windowed, [1, 1, n, near?.total ?? total]);
      if (windowed !== bias) this.#windowBias = nextBuffer(windowed, this.#windowBias);
    }
    this.#bias = nextBuffer(bias, this.#bias);
    this.#counts.set(total, near?.total);
    return {
      ...biases,
      ...(graph.kernel !== undefined && convolutionFeeds(arena.slots, rows, first, graph.kernel)),
      ...(graph.first
        ? { tokens: int64Tensor(rows.tokens, [1, n]) }
        : { hidden: new OrtTensor("float32", hidden!, [1, n, geometry.hidden]) }),
      positions: int64Tensor(rows.positions, [1, n]),
      ...(graph.last ? { want: int64Tensor(rows.want, [rows.want.length]) } : {}),
    };
  }

  /** Room for the logits of `wanted` rows: each output of the head, f32 (wanted, tokens). */
  #logitsBuffers(wanted: number): { parts: Float32Array<ArrayBuffer>[]; tensors: OrtTensors } {
    const { logits } = this.#load.graph;
    const size = wanted * logits.reduce((sum, { rows }) => sum + rows, 0);
    let buffer = this.#logits;
    if (buffer.length < size) {
      buffer = new Float32Array(size);
      if (size <= KEEP_ELEMENTS) this.#logits = buffer;
    }
    const parts: Float32Array<ArrayBuffer>[] = [];
    const tensors: OrtTensors = {};
    let at = 0;
    for (const { name, rows } of logits) {
      const part = buffer.subarray(at, at += wanted * rows);
      parts.push(part);
      tensors[name] = new OrtTensor("float32", part, [wanted, rows]);
    }
    return { parts, tensors };
  }

  /**
   * A token for each wanted row, from the logits of each output of the head; those of rows whose masks
   * come late stand for others.
   */
  #sample(
    arena: KvArena,
    rows: FrameRows,
    logits: Float32Array<ArrayBuffer>[],
  ): { tokens: TokenResult[]; late: LateRow[] } {
    const outputs = this.#load.graph.logits;
    const { vocab } = this.#load.geometry;
    const trimmed = outputs.reduce((sum, output) => sum + output.rows, 0) < vocab;
    const ranges = trimmed ? outputs : undefined;
    const late: LateRow[] = [];
    const tokens = Array.from(rows.want, (row, i) => {
      const slot = rows.base + row;
      /** A part or range lies in one output: each has one, or a single output has all. */
      const part = (first: number, end: number) => {
        const at = outputs.findLastIndex((output) => output.first <= first);
        const start = i * outputs[at].rows - outputs[at].first;
        return logits[at].subarray(start + first, start + end);
      };
      const sampler = arena.samplers.get(rows.want_samplers[i]);
      const given = rows.want_given?.[i] ?? -1;
      const choose = chooser(arena, slot, { sampler, ...(given >= 0 && { given }) }, {
        vocab,
        ranges,
        part,
      });
      const mask = rows.want_masks?.[i];
      if (mask !== LATE_MASK) return choose(() => allowedOf(arena, slot, mask));
      late.push({ row: i, choose: (allowed) => choose(() => allowed) });
      return { slot, token: 0 };
    });
    // The logits are read after this frame has ended: the next one gets others.
    if (late.length > 0) this.#logits = new Float32Array(0);
    const left = new Set(late);
    return {
      tokens,
      late: late.map((own) => ({
        row: own.row,
        choose: (mask) => {
          const result = own.choose(mask);
          left.delete(own);
          // They are free again.
          if (left.size === 0) this.#logits = larger(this.#logits, logits[0]);
          return result;
        },
      })),
    };
  }
}

/**
 * Replaces rows (.., width) that contain a NaN or an infinity by zeros and returns their indices. A
 * mask does not hide a NaN, since zero times NaN is NaN: the row would spoil every row in a later
 * slot, those of other requests too.
 */
function zeroDamaged(hidden: Float32Array | undefined, width: number): number[] {
  const found: number[] = [];
  for (let start = 0; hidden && start < hidden.length; start += width) {
    let sum = 0;
    for (let i = start; i < start + width; i++) sum += hidden[i];
    if (Number.isFinite(sum)) continue;
    hidden.fill(0, start, start + width);
    found.push(start / width);
  }
  return found;
}

/**
 * Replaces keys and values of the frame's rows that came out not finite by zeros and marks these
 * rows as damaged, so that rows of later frames do not attend to them.
 */
function contain(arena: KvArena, { base, tokens }: FrameRows): void {
  for (const row of arena.damaged(base, tokens.length)) {
    arena.slots.damage(base + row);
    arena.clear(base + row);
  }
}

/**
 * The buffer for the next frame: `buffer`, or one twice as large as `values` where they did not fit
 * into it and are small enough to keep.
 */
function nextBuffer(
  values: Float32Array,
  buffer: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const fitted = values.buffer === buffer.buffer;
  return fitted || values.length > KEEP_ELEMENTS ? buffer : new Float32Array(values.length * 2);
}

/** The one of two buffers that has more room. `part` is a part of the other one's array. */
function larger(
  buffer: Float32Array<ArrayBuffer>,
  part: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const other = new Float32Array(part.buffer);
  return other.length > buffer.length && other.length <= KEEP_ELEMENTS ? other : buffer;
}

/** The view with the arena's recurrent states, if it has any. */
function withStates({ states }: KvArena, view: ArenaView): ArenaView {
  if (!states) return view;
  const { feeds, fetches } = states.tensors();
  return {
    ...view,
    feeds: { ...view.feeds, ...feeds },
    fetches: { ...view.fetches, ...fetches },
  };
}

/** The inputs of convolutions of `kernel` rows, see `models/graph/contract.ts`. */
function convolutionFeeds(
  slots: Slots,
  { base, tokens: { length } }: FrameRows,
  first: number,
  kernel: number,
): OrtTensors {
  const rows = Array.from({ length }, (_, i) => base + i);
  const { taps, seen } = convolutionTaps(slots, rows, { kernel, first });
  return {
    conv_slots: int64Tensor(slotIndices(base - first, length), [1, 1, length, 3]),
    conv_taps: int64Tensor(taps, [length, kernel]),
    conv_seen: new OrtTensor("float32", seen, [length, kernel, 1]),
  };
}
