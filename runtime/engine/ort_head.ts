/**
 * Some parts of the LM head: the ONNX Runtime session, which computes on a thread of its own, and
 * what each part says of a row.
 *
 * @module
 */
import {
  asFloat32,
  choiceOf,
  type HeadEngine,
  type HeadInfo,
  type HeadOutput,
  type HeadPartial,
  type HeadRow,
  packPartials,
  type RowFailure,
  type Tensor,
} from "../../actors/pipeline/mod.ts";
import { hasCode } from "../../actors/system/errors.ts";
import type { HeadGraph } from "../../models/graph/contract.ts";
import { engineError, reason } from "./errors.ts";
import { OrtTensor, type OrtTensors, Session, type SessionOptions } from "./ort.ts";
import { NO_OCCURRENCES, partialOf } from "./partial.ts";
import { nodeTime, type TimedRun } from "./shared_time.ts";

/** What is loaded. */
export interface HeadLoadRequest extends SessionOptions {
  /** The graph: its file and what it holds. */
  graph: HeadGraph;
  /** Tokens in the whole vocabulary. */
  vocab: number;
  /** Elements of a row. */
  hidden: number;
}

/** A loaded shard. */
export class OrtHead implements HeadEngine {
  readonly info: HeadInfo;
  readonly #graph: HeadGraph;
  readonly #session: Session;
  /** Resolves when the calls that were made so far are over: runs must not overlap. */
  #turn: Promise<unknown> = Promise.resolve();
  #disposed = false;

  private constructor({ graph, vocab, hidden }: HeadLoadRequest, session: Session) {
    const tokens = graph.logits.reduce((sum, part) => sum + part.rows, 0);
    this.info = { parts: graph.logits.length, vocab, tokens, hidden };
    this.#graph = graph;
    this.#session = session;
  }

  /** Loads a head graph. Throws `engine_failed` (group `engine`) if ONNX Runtime refuses it. */
  static async load(load: HeadLoadRequest): Promise<OrtHead> {
    try {
      const { path, external } = load.graph;
      return new OrtHead(load, await Session.open(path, { ...load, external }));
    } catch (cause) {
      throw engineError(
        "engine_failed",
        `head graph ${load.graph.path} does not load: ${reason(cause)}`,
        {},
        cause,
      );
    }
  }

  run(
    request: { normed: Tensor; rows: HeadRow[]; limit: number },
    signal?: AbortSignal,
  ): Promise<HeadOutput> {
    const answered = this.#turn.then(() => {
      signal?.throwIfAborted();
      return this.#run(request);
    });
    this.#turn = answered.catch(() => {});
    return answered;
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#turn; // the library must not lose what it computes on
    this.#session.release();
  }

  async #run(
    { normed, rows, limit }: { normed: Tensor; rows: HeadRow[]; limit: number },
  ): Promise<HeadOutput> {
    if (this.#disposed) throw engineError("engine_failed", "the head's engine was disposed");
    const timed = nodeTime.begin();
    try {
      return await this.#answer({ normed, rows, limit }, timed);
    } finally {
      timed.end();
    }
  }

  async #answer(
    { normed, rows, limit }: { normed: Tensor; rows: HeadRow[]; limit: number },
    timed: TimedRun,
  ): Promise<HeadOutput> {
    const { vocab } = this.info;
    const logits = await this.#logits(normed);
    const partials: HeadPartial[] = [];
    const failed: RowFailure[] = [];
    let more = false;
    const allowedFirst = this.#graph.logits[0]?.first;
    for (const { row, sampling, position, occurrences = NO_OCCURRENCES, allowed, given } of rows) {
      try {
        const own = this.#graph.logits.map(({ first, rows: size }, part) =>
          partialOf(logits[part].subarray(row * size, (row + 1) * size), {
            sampling,
            vocab,
            position,
            first,
            occurrences,
            limit,
            allowed,
            allowedFirst,
            given,
          })
        );
        const cut = choiceOf(sampling, vocab) === "ranked";
        more ||= cut && own.some((part) => part.tokens.length < part.count);
        partials.push(...own);
      } catch (error) {
        if (!hasCode(error, "bad_logits")) throw error;
        // Only this row fails: the other rows may belong to other requests.
        failed.push({ row, code: error.code, message: error.message });
      }
    }
    return { partials: packPartials(partials), failed, more, computeMs: timed.end() };
  }

  /** The logits of each part, f32 (rows, part). */
  async #logits(normed: Tensor): Promise<Float32Array<ArrayBuffer>[]> {
    const { hidden } = this.info;
    const { dtype, shape } = normed;
    if (dtype !== "f32" || shape.length !== 2 || shape[1] !== hidden) {
      throw engineError(
        "bad_frame",
        `rows of the head must be f32 (rows, ${hidden}), got ${dtype} (${shape})`,
      );
    }
    const [rows] = shape;
    const logits = this.#graph.logits.map((part) => new Float32Array(rows * part.rows));
    const values = asFloat32(normed) as Float32Array<ArrayBuffer>;
    const feeds = { normed: new OrtTensor("float32", values, [rows, hidden]) };
    const results: OrtTensors = {};
    for (const [i, part] of this.#graph.logits.entries()) {
      results[part.name] = new OrtTensor("float32", logits[i], [rows, part.rows]);
    }
    try {
      await this.#session.run(feeds, results);
    } catch (cause) {
      throw engineError(
        "engine_failed",
        `ONNX Runtime refused rows of the head: ${reason(cause)}`,
        {},
        cause,
      );
    } finally {
      for (const tensor of [feeds.normed, ...Object.values(results)]) tensor.release();
    }
    return logits;
  }
}
