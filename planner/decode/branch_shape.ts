/**
 * Branch shape: how many lanes (outline branches, concurrent requests) share a frame, and how many
 * frames fill the pipeline.
 *
 * @module
 */
import type { PipelineCosts } from "./pipeline_costs.ts";

/** Rates that differ by less than this share are equal. */
const SAME = 1e-9;

/** Input of {@linkcode branchShape}. */
export interface BranchShapeInput {
  /** Costs of a frame in the placement's pipeline. */
  costs: PipelineCosts;
  /** Number of lanes; each waits for one token at a time. */
  branches: number;
  /** Most rows of a frame. @default branches */
  maxRows?: number;
}

/** How lanes share the pipeline. */
export interface BranchShape {
  /** Lanes that run at once: at most `frames_in_flight * rows_per_frame`. */
  in_flight: number;
  /** Frames on their way at once. */
  frames_in_flight: number;
  /** Lanes that share a frame. */
  rows_per_frame: number;
  /** Tokens a second of all lanes together. */
  tokensPerSecond: number;
  /** `tokensPerSecond` divided by that of one lane alone. */
  speedup: number;
  /** The reason with its figures, one line for people. */
  why: string;
}

/**
 * Chooses the frame size r and the number of frames f with the most tokens a second: `lanes /
 * max(latency(r), f * bottleneck(r))` with lanes = min(f * r, branches), because a lane's next row
 * needs the token of its last one. Of equal rates it takes more lanes, then fewer rows for each
 * frame, then fewer frames. One lane gives one frame of one row.
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
      const tie = rate >= best.rate * (1 - SAME) && lanes > best.lanes;
      if (rate > best.rate * (1 + SAME) || tie) best = { lanes, frames, rows, rate };
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
