/**
 * One loaded stage: the ONNX Runtime session, the arenas, and the way of a frame through them.
 * Computes on the calling thread, so it lives in a worker.
 *
 * @module
 */
import type { ArenaLayout, EngineStats, TokenResult } from "../../actors/pipeline/mod.ts";
import { OrreryError } from "../../actors/system/errors.ts";
import { type Arena, Arenas, type Sampler } from "./arena.ts";
import { engineError } from "./errors.ts";
import { attentionBias, windowBias } from "./mask.ts";
import { Session, Tensor, type Tensors } from "./ort.ts";
import { type LoadRequest, type PackedFrame, type PackedOutput, unpackRows } from "./protocol.ts";
import { needsHistory, sample } from "./sampler.ts";

/** Larger buffers are not kept from one frame to the next. Elements of f32. */
const KEEP_ELEMENTS = 4 * 1024 * 1024;

type Rows = ReturnType<typeof unpackRows>;

/** A loaded stage. */
export class Stage {
  readonly #load: LoadRequest;
  readonly #session: Session;
  readonly #arenas: Arenas;
  #frames = 0;
  #rows = 0;
  #busyMs = 0;
  #bias = new Float32Array(0);
  #windowBias = new Float32Array(0);
  #logits = new Float32Array(0);

  private constructor(load: LoadRequest, session: Session) {
    this.#load = load;
    this.#session = session;
    const { graph, geometry } = load;
    this.#arenas = new Arenas(
      {
        firstLayer: graph.firstLayer,
        lastLayer: graph.lastLayer,
        kvHeads: geometry.kv_heads,
        headDim: graph.cacheDim,
      },
      load.arenaBudgetBytes,
    );
  }

  /** Loads a stage graph. Throws `engine_failed` if ONNX Runtime refuses it. */
  static load(load: LoadRequest): Stage {
    try {
      return new Stage(load, new Session(load.graph.path, load));
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

  /** Frees arenas and session. */
  dispose(): void {
    this.#arenas.clear();
    this.#session.release();
  }

  /** See `StageEngine.run`. */
  run(frame: PackedFrame): PackedOutput {
    const started = performance.now();
    const arena = this.#arenas.get(frame.arena);
    const rows = unpackRows(frame);
    this.#check(rows, frame.hidden);
    arena.slots.check(rows);
    if (this.#load.graph.last) noteSamplers(arena, frame);
    arena.slots.write(rows);
    const { hidden: width } = this.#load.geometry;
    for (const row of zeroDamaged(frame.hidden, width)) arena.slots.damage(frame.base + row);
    let hidden: Float32Array<ArrayBuffer> | undefined;
    let tokens: TokenResult[] = [];
    try {
      const feeds = this.#feeds(arena, rows, frame.hidden);
      if (this.#load.graph.last) {
        const wanted = rows.want.length;
        const { vocab } = this.#load.geometry;
        const logits = this.#logitsBuffer(wanted * vocab);
        this.#compute(arena, feeds, { logits: new Tensor("float32", logits, [wanted, vocab]) });
        contain(arena, rows);
        tokens = this.#sample(arena, rows, logits);
      } else {
        hidden = new Float32Array(frame.rows * width);
        const out = new Tensor("float32", hidden, [1, frame.rows, width]);
        this.#compute(arena, feeds, { next_hidden: out });
        contain(arena, rows);
        // The next stage must know: it sees a NaN where this one hid it behind zeros.
        for (let row = 0; row < frame.rows; row++) {
          if (arena.slots.isDamaged(frame.base + row)) {
            hidden.fill(NaN, row * width, (row + 1) * width);
          }
        }
      }
    } catch (error) {
      arena.slots.forget(frame.base, frame.rows);
      throw error;
    }
    const computeMs = performance.now() - started;
    this.#frames++;
    this.#rows += frame.rows;
    this.#busyMs += computeMs;
    return hidden ? { kind: "hidden", hidden, computeMs } : { kind: "tokens", tokens, computeMs };
  }

  /** `feeds` and `results` are of this frame alone; those of the arena stay. */
  #compute(arena: Arena, feeds: Tensors, results: Tensors): void {
    try {
      this.#session.run({ ...feeds, ...arena.feeds }, { ...results, ...arena.fetches });
    } catch (cause) {
      throw engineError(
        "engine_failed",
        `ONNX Runtime refused a frame: ${reason(cause)}`,
        {},
        cause,
      );
    } finally {
      for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.release();
    }
  }

  /** What the graph would not survive, or answer with nonsense. */
  #check({ tokens, positions, want }: Rows, hidden?: Float32Array): void {
    const { graph, geometry } = this.#load;
    const rows = tokens.length;
    if (rows === 0) throw engineError("bad_frame", "the frame has no rows");
    for (let i = 0; i < rows; i++) {
      if (!(positions[i] >= 0 && positions[i] < geometry.context)) {
        throw engineError(
          "bad_frame",
          `row ${i} has position ${positions[i]}; the model's positions are 0 to ${
            geometry.context - 1
          }`,
          { row: i, context: geometry.context },
        );
      }
      if (graph.first && !(tokens[i] >= 0 && tokens[i] < geometry.vocab)) {
        throw engineError(
          "bad_frame",
          `row ${i} has token ${tokens[i]}; the vocabulary has ${geometry.vocab}`,
          {
            row: i,
            vocab: geometry.vocab,
          },
        );
      }
    }
    for (const row of want) {
      if (!(row >= 0 && row < rows)) {
        throw engineError("bad_frame", `want names row ${row} of ${rows}`, { row });
      }
    }
    if (graph.first) {
      if (hidden) {
        throw engineError(
          "bad_frame",
          "the first stage takes tokens, but the frame brings hidden states",
        );
      }
      return;
    }
    const elements = rows * geometry.hidden;
    if (hidden?.length !== elements) {
      throw engineError(
        "bad_frame",
        `hidden states must be f32 (${rows}, ${geometry.hidden}) = ${elements} elements, got ${
          hidden?.length ?? "none"
        }`,
      );
    }
  }

  #feeds(arena: Arena, rows: Rows, hidden?: Float32Array<ArrayBuffer>): Tensors {
    const n = rows.tokens.length;
    const total = rows.base + n;
    const { graph, geometry } = this.#load;
    const bias = attentionBias(arena.slots, rows.base, n, this.#bias);
    const biases: Tensors = {
      bias: new Tensor("float32", bias, [1, 1, n, total]),
    };
    if (graph.window !== undefined) {
      const options = { window: graph.window, bias, out: this.#windowBias };
      const windowed = windowBias(arena.slots, rows.base, n, options);
      biases.window_bias = new Tensor("float32", windowed, [1, 1, n, total]);
      if (windowed !== bias) this.#windowBias = kept(windowed, this.#windowBias);
    }
    this.#bias = kept(bias, this.#bias);
    return {
      ...biases,
      ...(graph.first
        ? { tokens: int64(rows.tokens, [1, n]) }
        : { hidden: new Tensor("float32", hidden!, [1, n, geometry.hidden]) }),
      positions: int64(rows.positions, [1, n]),
      past_rows: new Tensor("int32", Int32Array.of(total - 1), [1]),
      total_rows: new Tensor("int32", Int32Array.of(total), []),
      ...(graph.last ? { want: int64(rows.want, [rows.want.length]) } : {}),
    };
  }

  /** So many elements of a buffer that is used again. */
  #logitsBuffer(size: number): Float32Array<ArrayBuffer> {
    let buffer = this.#logits;
    if (buffer.length < size) {
      buffer = new Float32Array(size);
      if (size <= KEEP_ELEMENTS) this.#logits = buffer;
    }
    return buffer.subarray(0, size);
  }

  #sample(arena: Arena, rows: Rows, logits: Float32Array): TokenResult[] {
    const { vocab } = this.#load.geometry;
    return Array.from(rows.want, (row, i) => {
      const slot = rows.base + row;
      try {
        const sampler = arena.samplers.get(rows.want_samplers[i]);
        return chosen(arena, slot, sampler, logits.subarray(i * vocab, (i + 1) * vocab));
      } catch (error) {
        if (!(error instanceof OrreryError)) throw error;
        // The other rows of the frame may belong to other requests.
        return { slot, token: 0, failed: { code: error.code, message: error.message } };
      }
    });
  }
}

/**
 * The token after the row in `slot`, from its logits (vocab). Throws where there is none to choose.
 */
function chosen(
  arena: Arena,
  slot: number,
  sampler: Sampler | undefined,
  logits: Float32Array,
): TokenResult {
  if (!sampler) {
    throw engineError(
      "no_sampler",
      `the row in slot ${slot} names a sampler that the arena does not know`,
    );
  }
  if (arena.slots.isDamaged(slot)) {
    throw engineError(
      "bad_hidden",
      `hidden states of the row in slot ${slot}, or of a row before it, contain NaN or an infinity: the weights of a ` +
        `stage are damaged, or not made for this precision`,
    );
  }
  const { sampling, promptRows } = sampler;
  const path = needsHistory(sampling)
    ? arena.slots.path(slot, promptRows)
    : { tokens: new Int32Array(0), promptRows: 0 };
  return {
    slot,
    ...sample(logits, sampling, { ...path, position: arena.slots.position(slot) + 1 }),
  };
}

function noteSamplers(arena: Arena, { samplers = [], drop_samplers = [] }: PackedFrame): void {
  for (const id of drop_samplers) arena.samplers.delete(id);
  for (const { id, sampling, prompt_rows } of samplers) {
    arena.samplers.set(id, { sampling, promptRows: prompt_rows });
  }
}

/**
 * Makes rows (.., width) with a NaN or an infinity zeros and lists them. A mask does not hide a
 * NaN: zero times NaN is NaN, and it would reach every row that stands in a later slot, other
 * requests' too.
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
 * Takes keys and values that came out not finite away, so that rows of later frames do not meet
 * them.
 */
function contain(arena: Arena, { base, tokens }: Rows): void {
  for (const row of arena.damaged(base, tokens.length)) {
    arena.slots.damage(base + row);
    arena.clear(base + row);
  }
}

/**
 * The buffer for the next frame: the one that was there, or a larger one if the values did not fit.
 */
function kept(values: Float32Array, buffer: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const fitted = values.buffer === buffer.buffer;
  return fitted || values.length > KEEP_ELEMENTS ? buffer : new Float32Array(values.length * 2);
}

/** i64 tensor of non-negative numbers: little-endian low words, high words 0. */
function int64(values: Int32Array, dims: number[]): Tensor {
  const words = new Int32Array(2 * values.length);
  for (let i = 0; i < values.length; i++) words[2 * i] = values[i];
  return new Tensor("int64", new BigInt64Array(words.buffer), dims);
}

function reason(error: unknown): string {
  if (error instanceof OrreryError) return error.message;
  return (error instanceof Error ? error.message : String(error)).trim().replace(/\s+/g, " ")
    .replace(
      /\.$/,
      "",
    );
}
