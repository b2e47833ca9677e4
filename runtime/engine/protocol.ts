/**
 * What the host and the engine's worker say to each other. Every request is answered once, in the
 * order of the requests.
 *
 * @module
 */
import type { ArenaLayout, EngineStats, Frame, TokenResult } from "../../actors/pipeline/mod.ts";
import type { WireError } from "../../actors/system/errors.ts";
import type { Geometry } from "../../models/mod.ts";
import type { StageGraph } from "../../models/graph/contract.ts";

/** What the worker loads. */
export interface LoadRequest {
  /** Path of ONNX Runtime. */
  library: string;
  graph: StageGraph;
  geometry: Geometry;
  /** Threads that compute one operator. */
  threads: number;
  /** Do threads without work spin (faster, and burns CPU time) or sleep? */
  spinning: boolean;
  /** Bytes that all arenas together may take. */
  arenaBudgetBytes: number;
}

/** A frame in as few buffers as can be: both are transferred. */
export interface PackedFrame {
  arena: string;
  base: number;
  rows: number;
  /**
   * tokens, positions, parents (rows each), want, want_samplers (half of the rest each), one after
   * the other.
   */
  ints: Int32Array<ArrayBuffer>;
  samplers?: Frame["samplers"];
  drop_samplers?: Frame["drop_samplers"];
  /** (rows, hidden); absent in the first stage. */
  hidden?: Float32Array<ArrayBuffer>;
}

/** What a frame came to; a `hidden` buffer, (rows, hidden), is transferred. */
export type PackedOutput =
  | { kind: "hidden"; hidden: Float32Array<ArrayBuffer>; computeMs: number }
  | { kind: "tokens"; tokens: TokenResult[]; computeMs: number };

/** Request name -> its body and the value of its answer. */
export interface Operations {
  load: { body: LoadRequest; value: void };
  layout: { body: { arena: string; layout: ArenaLayout }; value: void };
  run: { body: PackedFrame; value: PackedOutput };
  close: { body: { arena: string }; value: void };
  stats: { body: null; value: EngineStats };
  dispose: { body: null; value: void };
}

/** Name of a request. */
export type Operation = keyof Operations;

/** Host to worker. */
export type Request = { [O in Operation]: { op: O; body: Operations[O]["body"] } }[Operation];

/** Worker to host. */
export type Reply = { ok: true; value: Operations[Operation]["value"] } | {
  ok: false;
  error: WireError;
};

/**
 * Packs a frame and lists what to transfer. Hidden states are copied only if their bytes are a part
 * of a larger or a shared buffer, or not aligned; else the frame's own buffer goes.
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

/** The row arrays of a packed frame, as views. */
export function unpackRows({ base, rows, ints }: PackedFrame): Pick<
  Frame,
  "base" | "tokens" | "positions" | "parents" | "want" | "want_samplers"
> {
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
