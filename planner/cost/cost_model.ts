/**
 * What a frame costs at a stage and on a link, and what a stage costs in memory.
 *
 * @module
 */
import type { Wire } from "../../actors/mod.ts";
import type { LayerRange } from "../even_split.ts";
import type { Device, Links, ModelShape } from "../types.ts";
import { tableSeconds } from "./table.ts";

/** A frame as far as its cost is concerned. */
export interface FrameShape {
  /** Rows that it computes. */
  rows: number;
  /** Rows before it that its rows attend to. */
  past: number;
  /** Rows whose next token is wanted: the head runs for them alone. */
  wanted: number;
}

/** What a {@linkcode CostModel} is made from. */
export interface CostModelInit {
  /** What is placed. */
  model: ModelShape;
  /** Where; whatever takes a device takes its index here. */
  devices: Device[];
  /** Between all pairs of devices. */
  links: Links;
  /** How hidden states travel. @default "f16" */
  wire?: Wire;
}

/** Memory of a stage, besides what the engine itself takes ({@linkcode Device.overheadBytes}). */
export interface StageBytes {
  /** Layers, and embedding and head where the range has them; a matrix that is both counts once. */
  weights: number;
  /** Keys and values of the rows asked for. */
  kv: number;
}

/**
 * Bytes of a frame besides what its rows bring: envelope and field names (about 350 in CBOR), the
 * trace of its stages (58 each).
 */
export const FRAME_BYTES = 512;
/** Bytes of a row's token, position and parent, and its share of the rest. */
export const ROW_BYTES = 16;
/** Bytes of an answer besides its tokens. */
export const ANSWER_BYTES = 448;
/** Bytes of one wanted row's answer, without log-probabilities. */
export const ANSWER_ROW_BYTES = 24;

/** Bytes of one element of hidden states. */
const WIRE_BYTES: Record<Wire, number> = { f32: 4, f16: 2, int8: 1 };

/**
 * Predicts seconds and bytes for one model on one set of devices. Devices are named by their index.
 */
export class CostModel {
  /** See {@linkcode CostModelInit.model}. */
  readonly model: ModelShape;
  /** See {@linkcode CostModelInit.devices}. */
  readonly devices: Device[];
  /** See {@linkcode CostModelInit.links}. */
  readonly links: Links;
  /** See {@linkcode CostModelInit.wire}. */
  readonly wire: Wire;
  /** Weight bytes of layers 0 .. i-1. (layers + 1) */
  readonly #weightsBefore: Float64Array;

  /** Throws `bad_table` at the first use of a device whose tables are broken. */
  constructor({ model, devices, links, wire = "f16" }: CostModelInit) {
    this.model = model;
    this.devices = devices;
    this.links = links;
    this.wire = wire;
    this.#weightsBefore = new Float64Array(model.layers + 1);
    for (let i = 0; i < model.layers; i++) {
      this.#weightsBefore[i + 1] = this.#weightsBefore[i] + model.layerBytes[i];
    }
  }

  /** The same devices and links with hidden states travelling in another format. */
  withWire(wire: Wire): CostModel {
    return new CostModel({ model: this.model, devices: this.devices, links: this.links, wire });
  }

  /** Seconds of one layer for `rows` rows over `past` rows. */
  layerSeconds(device: number, { rows, past }: { rows: number; past: number }): number {
    return tableSeconds(this.devices[device].layer, rows, past);
  }

  /** Seconds of the embedding of `rows` rows. */
  embedSeconds(device: number, rows: number): number {
    return tableSeconds(this.devices[device].embed, rows, 0);
  }

  /** Seconds of final norm, head and sampling of `wanted` rows. */
  headSeconds(device: number, wanted: number): number {
    return tableSeconds(this.devices[device].head, wanted, 0);
  }

  /**
   * Seconds of a frame at a stage: layers, embedding where layer 0 is, head where the last layer
   * is, and the fixed time.
   */
  stageSeconds(device: number, range: LayerRange, frame: FrameShape): number {
    let seconds = this.devices[device].frameSeconds;
    seconds += (range.last - range.first + 1) * this.layerSeconds(device, frame);
    if (range.first === 0) seconds += this.embedSeconds(device, frame.rows);
    if (range.last === this.model.layers - 1) seconds += this.headSeconds(device, frame.wanted);
    return seconds;
  }

  /** Bytes of a frame between two stages. int8 has one f32 scale a row. */
  hopBytes(rows: number): number {
    const hidden = this.model.hidden * WIRE_BYTES[this.wire] + (this.wire === "int8" ? 4 : 0);
    return FRAME_BYTES + rows * (hidden + ROW_BYTES);
  }

  /** Bytes of a frame from its arbiter to the first stage: no hidden states yet. */
  requestBytes(rows: number): number {
    return FRAME_BYTES + rows * ROW_BYTES;
  }

  /** Bytes of the last stage's answer for so many wanted rows. */
  answerBytes(wanted: number): number {
    return ANSWER_BYTES + wanted * ANSWER_ROW_BYTES;
  }

  /** Seconds of a message between two devices: latency and transfer; 0 within one device. */
  hopSeconds(from: number, to: number, bytes: number): number {
    if (from === to) return 0;
    return this.links.seconds[from][to] + this.transferSeconds(from, to, bytes);
  }

  /** Seconds for which a message occupies the link (no latency): what bounds frames a second. */
  transferSeconds(from: number, to: number, bytes: number): number {
    return from === to ? 0 : bytes / this.links.bytesPerS[from][to];
  }

  /** Memory that a stage takes on any device, with room for `kvRows` rows. */
  stageBytes(range: LayerRange, kvRows: number): StageBytes {
    const { layers, embedBytes, headBytes, tied, kvBytesPerRow } = this.model;
    let weights = this.#weightsBefore[range.last + 1] - this.#weightsBefore[range.first];
    const [embed, head] = [range.first === 0, range.last === layers - 1];
    if (embed && head && tied) weights += Math.max(embedBytes, headBytes);
    else weights += (embed ? embedBytes : 0) + (head ? headBytes : 0);
    return { weights, kv: (range.last - range.first + 1) * kvBytesPerRow * kvRows };
  }

  /** Bytes that the stage lacks on the device (engine overhead counted); 0: it fits. */
  lackingBytes(device: number, range: LayerRange, kvRows: number): number {
    const { weights, kv } = this.stageBytes(range, kvRows);
    const { memoryBytes, overheadBytes } = this.devices[device];
    return Math.max(0, weights + kv + overheadBytes - memoryBytes);
  }
}
