/**
 * Predicts the seconds of a frame at a stage and on a link, and the bytes of a stage in memory.
 *
 * @module
 */
import { kvBytes, type KvRows } from "../kv_bytes.ts";
import type { Wire } from "../../actors/mod.ts";
import type { LayerRange } from "../even_split.ts";
import type { Device, Links, ModelShape } from "../types.ts";
import { tableSeconds } from "./table.ts";
import { narrowed, SharedUplinks } from "./uplinks.ts";

/** The sizes of a frame that its cost depends on. */
export interface FrameShape {
  /** Rows that it computes. */
  rows: number;
  /** Rows before it that its rows attend to. */
  past: number;
  /** Rows whose next token is wanted; the head runs only for them. */
  wanted: number;
}

/** Input of a {@linkcode CostModel}. */
export interface CostModelInit {
  /** The model to place. */
  model: ModelShape;
  /** The devices. Methods that take a device take its index in this list. */
  devices: Device[];
  /** The links between all pairs of devices. */
  links: Links;
  /** Wire format of hidden states. @default "f16" */
  wire?: Wire;
}

/**
 * Bytes of a stage in memory, besides those of the engine itself
 * ({@linkcode Device.overheadBytes}).
 */
export interface StageBytes {
  /**
   * Bytes of the layers' weights, and of embedding and head where the stage has them. A matrix that
   * is both counts once.
   */
  weights: number;
  /** Bytes of the KV cache. */
  kv: number;
}

/**
 * Bytes of a frame that do not depend on its rows: envelope and field names (about 350 in CBOR),
 * and the trace of its stages (58 each).
 */
export const FRAME_BYTES = 512;
/**
 * Bytes of a row in a frame without hidden states: token, position, parent and its share of the
 * rest.
 */
export const ROW_BYTES = 16;
/** Bytes of an answer that do not depend on its tokens. */
export const ANSWER_BYTES = 448;
/** Bytes of one wanted row's answer, without log-probabilities. */
export const ANSWER_ROW_BYTES = 24;

/**
 * Rows beyond its window that a windowed layer passes over in the mean: there is room for 256 of them,
 * which fills up and is freed.
 */
const WINDOW_SLACK = 128;

/** Bytes of one element of hidden states in each wire format. */
const WIRE_BYTES: Record<Wire, number> = { f32: 4, f16: 2, int8: 1 };

/**
 * Predicts seconds and bytes for one model on one list of devices. Methods take devices by their
 * index.
 */
export class CostModel {
  /** See {@linkcode CostModelInit.model}. */
  readonly model: ModelShape;
  /** See {@linkcode CostModelInit.devices}. */
  readonly devices: Device[];
  /** See {@linkcode CostModelInit.links}; no link is wider than an uplink that it passes. */
  readonly links: Links;
  /** See {@linkcode CostModelInit.wire}. */
  readonly wire: Wire;
  /** Bytes of the weights of layers 0 .. i-1. (layers + 1) */
  readonly #weightsBefore: Float64Array;
  /** Undefined: no bandwidth is shared. */
  readonly #uplinks?: SharedUplinks;

  /** A device with a broken table throws `bad_table` (group `planner`) when it is first used. */
  constructor({ model, devices, links, wire = "f16" }: CostModelInit) {
    this.model = model;
    this.devices = devices;
    this.links = narrowed(links);
    if (links.uplinks?.length) this.#uplinks = new SharedUplinks(links.uplinks, devices.length);
    this.wire = wire;
    this.#weightsBefore = new Float64Array(model.layers + 1);
    for (let i = 0; i < model.layers; i++) {
      this.#weightsBefore[i + 1] = this.#weightsBefore[i] + model.layerBytes[i];
    }
  }

  /** The same model, devices and links with another wire format of hidden states. */
  withWire(wire: Wire): CostModel {
    return new CostModel({ model: this.model, devices: this.devices, links: this.links, wire });
  }

  /**
   * Seconds of one layer for `rows` rows with `past` rows before them: the mean of the layers, of which
   * windowed ones attend to few rows.
   */
  layerSeconds(device: number, { rows, past }: { rows: number; past: number }): number {
    const { layer } = this.devices[device];
    const { layers, windowed } = this.model;
    const seconds = tableSeconds(layer, rows, past);
    if (!windowed) return seconds;
    const share = windowed.layers.length / layers;
    const near = Math.min(past, windowed.window + WINDOW_SLACK);
    return (1 - share) * seconds + share * tableSeconds(layer, rows, near);
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
   * Seconds of a frame at a stage: its layers, the embedding if it has layer 0, the head if it has
   * the last layer, and the frame's fixed time.
   */
  stageSeconds(device: number, range: LayerRange, frame: FrameShape): number {
    let seconds = this.devices[device].frameSeconds;
    seconds += (range.last - range.first + 1) * this.layerSeconds(device, frame);
    if (range.first === 0) seconds += this.embedSeconds(device, frame.rows);
    if (range.last === this.model.layers - 1) seconds += this.headSeconds(device, frame.wanted);
    return seconds;
  }

  /** Bytes of a frame between two stages. With int8 each row also has an f32 scale. */
  hopBytes(rows: number): number {
    const hidden = this.model.hidden * WIRE_BYTES[this.wire] + (this.wire === "int8" ? 4 : 0);
    return FRAME_BYTES + rows * (hidden + ROW_BYTES);
  }

  /** Bytes of wanted rows on their way to a share of the LM head: f32, whatever the wire format. */
  headRowBytes(rows: number): number {
    return FRAME_BYTES + rows * (this.model.hidden * WIRE_BYTES.f32 + ROW_BYTES);
  }

  /** Bytes of a frame from the arbiter to the first stage, without hidden states. */
  requestBytes(rows: number): number {
    return FRAME_BYTES + rows * ROW_BYTES;
  }

  /** Bytes of the last stage's answer for `wanted` rows. */
  answerBytes(wanted: number): number {
    return ANSWER_BYTES + wanted * ANSWER_ROW_BYTES;
  }

  /**
   * Seconds of a message of `bytes` bytes between two devices: latency and transfer; 0 within one
   * device.
   */
  hopSeconds(from: number, to: number, bytes: number): number {
    if (from === to) return 0;
    return this.links.seconds[from][to] + this.transferSeconds(from, to, bytes);
  }

  /**
   * Seconds for which a message of `bytes` bytes occupies the link, without latency. They bound the
   * frames a second.
   */
  transferSeconds(from: number, to: number, bytes: number): number {
    return from === to ? 0 : bytes / this.links.bytesPerS[from][to];
  }

  /**
   * What a message of `bytes` bytes between two devices occupies, with the seconds of each: their
   * link, as `from>to`, and the uplinks that it passes.
   */
  channels(from: number, to: number, bytes: number): [part: string, seconds: number][] {
    if (from === to) return [];
    const own: [string, number] = [`${from}>${to}`, this.transferSeconds(from, to, bytes)];
    if (!this.#uplinks) return [own];
    const shared = this.#uplinks.between(from, to)
      .map(({ part, bytesPerS }): [string, number] => [part, bytes / bytesPerS]);
    return [own, ...shared];
  }

  /**
   * What the messages between two devices wait for: the narrowest uplink that they pass, or their
   * own link where it is narrower.
   */
  narrowest(from: number, to: number): string {
    const [own, ...shared] = this.channels(from, to, 1);
    return shared.reduce((a, b) => b[1] >= a[1] ? b : a, own)[0];
  }

  /** Bytes that a stage takes on any device, with a KV cache of `kvRows` rows. */
  stageBytes(range: LayerRange, kvRows: KvRows): StageBytes {
    const { layers, embedBytes, headBytes, tied } = this.model;
    let weights = this.#weightsBefore[range.last + 1] - this.#weightsBefore[range.first];
    const [embed, head] = [range.first === 0, range.last === layers - 1];
    if (embed && head && tied) weights += Math.max(embedBytes, headBytes);
    else weights += (embed ? embedBytes : 0) + (head ? headBytes : 0);
    return { weights, kv: kvBytes(this.model, range, kvRows) };
  }

  /** Bytes that the stage, with the engine, lacks on the device; 0: it fits. */
  lackingBytes(device: number, range: LayerRange, kvRows: KvRows): number {
    const { weights, kv } = this.stageBytes(range, kvRows);
    const { memoryBytes, overheadBytes } = this.devices[device];
    return Math.max(0, weights + kv + overheadBytes - memoryBytes);
  }
}
