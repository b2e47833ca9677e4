/**
 * Branch shape: how many lanes (outline branches, concurrent requests) share a frame, and how many
 * frames fill the pipeline.
 *
 * @module
 */
import type { PipelineCosts } from "./pipeline_costs.ts";

/** What {@linkcode branchShape} decides from. */
export interface BranchShapeInput {
  /** Of a frame, as the placement has it. */
  costs: PipelineCosts;
  /** Lanes that are ready, each waiting for one token at a time. */
  branches: number;
  /** Most rows of a frame. @default branches */
  maxRows?: number;
}

/** How ready lanes share the pipeline. */
export interface BranchShape {
  /** Lanes that take turns: at most `frames_in_flight * rows_per_frame`. */
  in_flight: number;
  /** Frames under way at once. */
  frames_in_flight: number;
  /** Lanes that share a frame. */
  rows_per_frame: number;
  /** Of all lanes together. */
  tokensPerSecond: number;
  /** Against one lane alone. */
  speedup: number;
  /** One line for people. */
  why: string;
}

/**
 * The frame size and number of frames with the most tokens a second: `lanes / max(latency(r), f *
 * bottleneck(r))` with lanes = min(f * r, branches), since a lane's next row needs its last one's
 * token. Equal rates: more lanes, then fewer rows a frame, then fewer frames. One lane gives one
 * row and one frame.
 */
export function branchShape(
  { costs, branches, maxRows = branches }: BranchShapeInput,
): BranchShape {
  let best = { lanes: 1, frames: 1, rows: 1, rate: 1 / costs.latency(1) };
  const alone = best.rate;
  for (let rows = 1; rows <= Math.min(branches, maxRows); rows++) {
    for (let frames = 1; (frames - 1) * rows < branches; frames++) {
      const lanes = Math.min(frames * rows, branches);
      const rate = lanes / Math.max(costs.latency(rows), frames * costs.bottleneck(rows));
      const tie = rate >= best.rate * (1 - 1e-9) && lanes > best.lanes;
      if (rate > best.rate * (1 + 1e-9) || tie) best = { lanes, frames, rows, rate };
    }
  }
  const { lanes, frames, rows, rate } = best;
  const limit = frames * costs.bottleneck(rows) >= costs.latency(rows)
    ? "the busiest stage or link"
    : "the lanes ready";
  return {
    in_flight: lanes,
    frames_in_flight: frames,
    rows_per_frame: rows,
    tokensPerSecond: rate,
    speedup: rate / alone,
    why: branches === 1
      ? "one lane: one row a frame"
      : `${counted(frames, "frame")} of ${counted(rows, "row")}: ${
        (rate / alone).toFixed(2)
      } times one lane, limited by ${limit}`,
  };
}

function counted(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
