/**
 * The seconds that a decode frame takes in a pipeline, by its rows.
 *
 * @module
 */
import { type CostModel, type HeadParts, headSeconds, shareSeconds } from "../cost/mod.ts";
import type { DeviceStage } from "../sequence/mod.ts";

/** Costs of a frame all of whose rows want a token. Neither falls when rows grow. */
export interface PipelineCosts {
  /** Seconds from sending a frame until its tokens are back: stages, links and the answer's way. */
  latency: (rows: number) => number;
  /**
   * Seconds for which a frame occupies the busiest device or link. Frames cannot follow each other
   * faster.
   */
  bottleneck: (rows: number) => number;
}

/** A placement: who computes what, and where requests enter. */
export interface PlacedStages {
  /** The stages, in pipeline order. */
  stages: DeviceStage[];
  /** Index of the device where frames start and tokens return to. */
  coordinator: number;
  /** Shares of the LM head; undefined: the last stage has all of it. */
  head?: readonly HeadParts[];
}

/** Input of {@linkcode pipelineCosts}. */
export interface PipelineCostsInput extends PlacedStages {
  /** Predicts the time of each part. */
  cost: CostModel;
  /** Rows before a frame, e.g. the prompt and half of the output. */
  past: number;
}

/** The sizes of a frame, see `FrameShape`. */
interface FrameSizes {
  rows: number;
  past: number;
  wanted: number;
}

/**
 * Seconds for which a frame occupies each part: devices by index (a device's stage and its share of
 * the head are one part), links by `from>to`, and uplinks, see `CostModel.channels`.
 */
export function occupied(
  { cost, stages, coordinator, head }: Omit<PipelineCostsInput, "past">,
  frame: FrameSizes,
): Map<number | string, number> {
  const parts = new Map<number | string, number>();
  const add = (part: number | string, seconds: number) =>
    parts.set(part, (parts.get(part) ?? 0) + seconds);
  const link = (from: number, to: number, bytes: number) => {
    for (const [part, seconds] of cost.channels(from, to, bytes)) add(part, seconds);
  };
  const last = stages[stages.length - 1].device;
  link(coordinator, stages[0].device, cost.requestBytes(frame.rows));
  for (const [i, stage] of stages.entries()) {
    const { device } = stage;
    if (i > 0) link(stages[i - 1].device, device, cost.hopBytes(frame.rows));
    add(device, cost.stageSeconds(device, stage, head ? { ...frame, wanted: 0 } : frame));
  }
  if (!head || frame.wanted === 0) link(last, coordinator, cost.answerBytes(frame.wanted));
  for (const share of frame.wanted > 0 ? head ?? [] : []) {
    link(last, share.device, cost.headRowBytes(frame.wanted));
    add(share.device, shareSeconds(cost, share, frame.wanted));
    link(share.device, coordinator, cost.answerBytes(frame.wanted));
  }
  return parts;
}

/** Costs of a placement's decode frames. */
export function pipelineCosts({ past, ...placed }: PipelineCostsInput): PipelineCosts {
  const { cost, stages, coordinator, head } = placed;
  const first = stages[0].device;
  const last = stages[stages.length - 1].device;
  const parts = (rows: number) => {
    let latency = cost.hopSeconds(coordinator, first, cost.requestBytes(rows));
    for (const [i, stage] of stages.entries()) {
      if (i > 0) {
        latency += cost.hopSeconds(stages[i - 1].device, stage.device, cost.hopBytes(rows));
      }
      // the head's time is in headSeconds
      latency += cost.stageSeconds(stage.device, stage, { rows, past, wanted: 0 });
    }
    latency += headSeconds(cost, { last, coordinator, head }, rows);
    return {
      latency,
      bottleneck: Math.max(...occupied(placed, { rows, past, wanted: rows }).values()),
    };
  };
  const known = new Map<number, { latency: number; bottleneck: number }>();
  const at = (rows: number) => {
    let found = known.get(rows);
    if (!found) known.set(rows, found = parts(rows));
    return found;
  };
  return { latency: (rows) => at(rows).latency, bottleneck: (rows) => at(rows).bottleneck };
}
