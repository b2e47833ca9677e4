/**
 * The paper's table: published against predicted, and what our planner gives on the same hardware.
 *
 * @module
 */
import { edgeshard } from "./calibrate.ts";
import { type Hardware, paperCosts } from "./hardware.ts";
import { ABLATION, jupiter, type Levers, leversOf } from "./jupiter.ts";
import { type Found, type Freedom, ours } from "./ours.ts";
import { type Cell, CELLS } from "./published.ts";

/** One line of the table. Errors are relative: (predicted - published) / published. */
export interface PaperRow extends Cell {
  edgeshard: { predicted_s: number; error: number };
  jupiter: {
    predicted_s: number;
    error: number;
    /** Seconds with both ends of the ablation's ranges: slowest, fastest. */
    range_s: [number, number];
    ttft_s: number;
    tpot_s: number;
  };
}

/** Predicts every cell for a calibrated hardware. */
export function paperTable(hardware: Hardware): PaperRow[] {
  const levers = {
    low: leversOf(hardware, ABLATION.low),
    middle: leversOf(hardware, ABLATION.middle),
    high: leversOf(hardware, ABLATION.high),
  };
  return CELLS.map((cell) => {
    const cost = paperCosts(hardware, cell);
    const theirs = edgeshard(cost).requests[0].finish_s;
    const { finish_s, ttft_s, tpot_s } = jupiter(cost, levers.middle).requests[0];
    const end = (l: Levers) => jupiter(cost, l).requests[0].finish_s;
    return {
      ...cell,
      edgeshard: { predicted_s: theirs, error: theirs / cell.edgeshard_s - 1 },
      jupiter: {
        predicted_s: finish_s,
        error: finish_s / cell.jupiter_s - 1,
        range_s: [end(levers.low), end(levers.high)],
        ttft_s,
        tpot_s,
      },
    };
  });
}

/**
 * Our plan for one cell: its simulated seconds, and how many times faster than what was published.
 */
export function oursFor(
  cell: Cell,
  at: { hardware: Hardware; levers: Levers; freedom: Freedom },
): Found & {
  over_edgeshard: number;
  over_jupiter: number;
} {
  const found = ours(paperCosts(at.hardware, cell), at.levers, at.freedom);
  return {
    ...found,
    over_edgeshard: cell.edgeshard_s / found.seconds,
    over_jupiter: cell.jupiter_s / found.seconds,
  };
}
