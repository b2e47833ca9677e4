/**
 * What the node's thread and the engine's worker say to each other. Every call is answered once, in
 * the order of the calls.
 *
 * @module
 */
import type { FrameRows } from "../../actors/pipeline/frame_problems.ts";
import type { ArenaLayout, EngineStats, Frame, TokenResult } from "../../actors/pipeline/mod.ts";
import type { WireError } from "../../actors/system/errors.ts";
import type { Geometry } from "../../models/mod.ts";
import type { StageGraph } from "../../models/graph/contract.ts";

/** What the worker loads. */
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

/** A frame in as few buffers as possible; both are transferred to the worker. */
export interface PackedFrame {
  /** Name of the arena. */
  arena: string;
  /** Slot of the first row. */
  base: number;
  /** Number of rows. */
  rows: number;
  /**
   * One after the other: tokens, positions and parents (rows each), then want and want_samplers
   * (half of the rest each). i32
   */
  ints: Int32Array<ArrayBuffer>;
  samplers?: Frame["samplers"];
  drop_samplers?: Frame["drop_samplers"];
  /** f32 (rows, hidden); undefined in the first stage. */
  hidden?: Float32Array<ArrayBuffer>;
}

/** Result of a frame; the buffer of `hidden`, f32 (rows, hidden), is transferred. */
export type PackedOutput =
  | { kind: "hidden"; hidden: Float32Array<ArrayBuffer>; computeMs: number }
  | { kind: "tokens"; tokens: TokenResult[]; computeMs: number };

/** Name of a call -> its body and the value of its answer. */
export interface Operations {
  load: { body: LoadRequest; value: void };
  layout: { body: { arena: string; layout: ArenaLayout }; value: void };
  run: { body: PackedFrame; value: PackedOutput };
  close: { body: { arena: string }; value: void };
  stats: { body: null; value: EngineStats };
  dispose: { body: null; value: void };
}

/** Name of a call. */
export type Operation = keyof Operations;

/** A call, from the node's thread to the worker. */
export type EngineCall = { [O in Operation]: { op: O; body: Operations[O]["body"] } }[Operation];

/** The answer to a call, from the worker to the node's thread. */
export type Reply = { ok: true; value: Operations[Operation]["value"] } | {
  ok: false;
  error: WireError;
};

/**
 * Packs a frame whose arrays agree in length and lists the buffers to transfer. Hidden states are
 * copied only if their bytes are a part of a larger buffer or lie in a shared one; else the frame's
 * own buffer is transferred.
 */
export function packFrame(frame: Frame): { packed: PackedFrame; transfer: ArrayBuffer[] } {
  const rows = frame.tokens.length;
  const wanted = frame.want.length;
  const ints = new Int32Array(3 * rows + 2 * wanted);
  ints.set(frame.tokens, 0);
  ints.set(frame.positions, rows);
  ints.set(frame.parents, 2 * rows);
  ints.set(frame.want, 3 * rows);
  ints.set(frame.want_samplers, 3 * rows + wanted);
  const { arena, base, samplers, drop_samplers } = frame;
  const packed: PackedFrame = { arena, base, rows, ints, samplers, drop_samplers };
  const transfer = [ints.buffer];
  if (frame.hidden) {
    const { data } = frame.hidden;
    const whole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
    const buffer = whole ? data.buffer as ArrayBuffer : data.slice().buffer;
    packed.hidden = new Float32Array(buffer);
    transfer.push(buffer);
  }
  return { packed, transfer };
}

/** The row arrays of a packed frame, as views of its `ints`. */
export function unpackRows({ base, rows, ints }: PackedFrame): FrameRows {
  const wanted = (ints.length - 3 * rows) / 2;
  return {
    base,
    tokens: ints.subarray(0, rows),
    positions: ints.subarray(rows, 2 * rows),
    parents: ints.subarray(2 * rows, 3 * rows),
    want: ints.subarray(3 * rows, 3 * rows + wanted),
    want_samplers: ints.subarray(3 * rows + wanted),
  };
}
