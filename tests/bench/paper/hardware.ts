/**
 * Describes the paper's boards and links, to the planner and to the baselines, from six numbers.
 *
 * @module
 */
import { CostModel } from "../../../planner/cost/mod.ts";
import type { LayerRange } from "../../../planner/even_split.ts";
import { allRows } from "../../../planner/kv_bytes.ts";
import type { DeviceStage } from "../../../planner/sequence/mod.ts";
import type { Device, ModelShape, TimeTable } from "../../../planner/types.ts";
import {
  type Board,
  BOARDS,
  DATA_SHEETS,
  type Environment,
  MODELS,
  type PaperModelSize,
  PROMPT,
  USABLE_MEMORY,
} from "./published.ts";

/** The numbers that are calibrated. */
export interface Hardware {
  /** Fixed seconds of one layer for a frame on an NX: kernel launches and the like. */
  launch_s: number;
  /** Seconds for each weight of a layer that a frame reads, on an NX. */
  read_s: number;
  /** Seconds for each weight and row, on an NX. */
  compute_s: number;
  /** How many times slower a TX2 computes than an NX. */
  tx2_compute: number;
  /**
   * How many times slower a TX2 is than an NX in the fixed costs of a frame: launches and reading.
   */
  tx2_fixed: number;
  /**
   * Bytes on the wire for each byte of 16-bit hidden states: what protocol and formats add. 1 where
   * the link is described by `message_bytes`.
   */
  wire: number;
  /**
   * Bytes for which a link works before each message arrives, whatever the message holds: a queue
   * that stands in front of it, or waiting for acknowledgements. 0 where the link is described by
   * `wire`.
   */
  message_bytes: number;
}

/**
 * Speed of a board. A product of `matrices` matrices with `macs` weights in all and `rows` rows
 * takes `matrices * launch_s + macs * (read_s + rows * compute_s)`.
 */
export interface BoardSpeed {
  /** Seconds to start the product of one matrix. */
  launch_s: number;
  /** Seconds to read one weight. */
  read_s: number;
  /** Seconds to compute with one weight for one row. */
  compute_s: number;
}

/** A link between any two boards: a message of `n` bytes takes `message_s + n / bytesPerS`. */
export interface LinkSpeed {
  /** Seconds of a message of no bytes. */
  message_s: number;
  bytesPerS: number;
}

/**
 * How many times slower a Nano is than a TX2 by their data sheets: in computing, and in reading
 * memory.
 */
const NANO = {
  compute: DATA_SHEETS.tx2.flops / DATA_SHEETS.nano.flops,
  fixed: DATA_SHEETS.tx2.bandwidth / DATA_SHEETS.nano.bandwidth,
};

/** How many times slower a board is than an NX. */
function slowness(board: Board, hardware: Hardware): { compute: number; fixed: number } {
  const { tx2_compute, tx2_fixed } = hardware;
  if (board === "nx") return { compute: 1, fixed: 1 };
  if (board === "tx2") return { compute: tx2_compute, fixed: tx2_fixed };
  return { compute: tx2_compute * NANO.compute, fixed: tx2_fixed * NANO.fixed };
}

/** Number of matrices of a layer: four of attention, three of the feed-forward part. */
export const LAYER_MATRICES = 7;

/** Matrices that are multiplied one after the other, without a message between them. */
export interface Product {
  matrices: number;
  /** Weights of all matrices together. */
  macs: number;
}

/** Speed of a kind of board. */
export function boardSpeed(board: Board, hardware: Hardware): BoardSpeed {
  const { compute, fixed } = slowness(board, hardware);
  return {
    launch_s: fixed * hardware.launch_s / LAYER_MATRICES,
    read_s: fixed * hardware.read_s,
    compute_s: compute * hardware.compute_s,
  };
}

/** Seconds of a product for so many rows. Attention over past rows is left out. */
export function productSeconds(
  { launch_s, read_s, compute_s }: BoardSpeed,
  { matrices, macs }: Product,
  rows: number,
): number {
  return matrices * launch_s + macs * (read_s + rows * compute_s);
}

/** Speed of the links at so many megabits a second. */
export function linkSpeed(hardware: Hardware, mbit: number): LinkSpeed {
  const bytesPerS = mbit * 1e6 / 8;
  return {
    message_s: hardware.message_bytes / bytesPerS,
    bytesPerS: bytesPerS / hardware.wire,
  };
}

/** Seconds of a product by the rows of a frame: a straight line. */
function lineTable(board: Board, product: Product, hardware: Hardware): TimeTable {
  const at = (rows: number) => productSeconds(boardSpeed(board, hardware), product, rows);
  return { rows: [1, 2], past: [0], seconds: [[at(1)], [at(2)]] };
}

/** Describes a board to the planner. */
export function boardDevice(
  name: string,
  board: Board,
  at: { model: ModelShape; hardware: Hardware },
): Device {
  const { model, hardware } = at;
  return {
    name,
    memoryBytes: DATA_SHEETS[board].memory * USABLE_MEMORY,
    overheadBytes: 0,
    layer: lineTable(board, { macs: model.macsPerRow, matrices: LAYER_MATRICES }, hardware),
    embed: { rows: [1], past: [0], seconds: [[0]] },
    head: lineTable(board, { macs: model.hidden * model.vocab, matrices: 1 }, hardware),
    frameSeconds: 0,
    trusted: true,
  };
}

/** The cost model of one environment, model and bandwidth. */
export function paperCosts(
  hardware: Hardware,
  at: { environment: Environment; model: PaperModelSize; mbit: number },
): CostModel {
  const model = MODELS[at.model];
  const devices = BOARDS[at.environment].map((board, i) =>
    boardDevice(`${board}${i}`, board, { model, hardware })
  );
  const { message_s, bytesPerS } = linkSpeed(hardware, at.mbit);
  const matrix = (off: number, diagonal: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? diagonal : off));
  return new CostModel({
    model,
    devices,
    links: { seconds: matrix(message_s, 0), bytesPerS: matrix(bytesPerS, Infinity) },
    wire: "f16",
  });
}

/**
 * The paper's partition: all devices in their order, so that the slowest stage is as fast as
 * possible; the link into a stage counts with it, and memory limits are kept. Times are those of
 * the prompt in one piece, as the paper profiles prefill.
 */
export function paperStages(cost: CostModel): DeviceStage[] {
  const { layers } = cost.model;
  const count = cost.devices.length;
  const frame = { rows: PROMPT, past: 0, wanted: 1 };
  // The layers of these models are alike, so a stage's cost depends on their number and on whether
  // the stage is the first or the last.
  const known = new Map<number, number>();
  const stage = (device: number, range: LayerRange) => {
    const ends = (range.first === 0 ? 1 : 0) + (range.last === layers - 1 ? 2 : 0);
    const key = (device * (layers + 1) + range.last - range.first) * 4 + ends;
    let time = known.get(key);
    if (time === undefined) {
      time = cost.lackingBytes(device, range, allRows(cost.model.context)) > 0
        ? Infinity
        : cost.stageSeconds(device, range, frame);
      if (device > 0) time += cost.hopSeconds(device - 1, device, cost.hopBytes(PROMPT));
      known.set(key, time);
    }
    return time;
  };
  // best[n][y]: seconds of the slowest stage when layers 0 .. y-1 are on the first n devices.
  const best = [[0, ...new Array<number>(layers).fill(Infinity)]];
  const cut: number[][] = [[]];
  for (let n = 1; n <= count; n++) {
    best.push(new Array<number>(layers + 1).fill(Infinity));
    cut.push(new Array<number>(layers + 1).fill(0));
    for (let y = n; y <= layers; y++) {
      for (let l = n - 1; l < y; l++) {
        if (best[n - 1][l] >= best[n][y]) continue;
        const slowest = Math.max(best[n - 1][l], stage(n - 1, { first: l, last: y - 1 }));
        if (slowest < best[n][y]) [best[n][y], cut[n][y]] = [slowest, l];
      }
    }
  }
  const stages: DeviceStage[] = [];
  for (let n = count, y = layers; n > 0; n--) {
    stages.unshift({ device: n - 1, first: cut[n][y], last: y - 1 });
    y = cut[n][y];
  }
  return stages;
}
