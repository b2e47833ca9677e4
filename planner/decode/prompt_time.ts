/**
 * The TTFT of a prompt in pieces, with as many frames under way as the arbiter sends.
 *
 * @module
 */
import { type CostModel, shareSeconds } from "../cost/mod.ts";
import { pieceStages, pipelinePieces } from "../sequence/mod.ts";
import type { PlacedStages } from "./pipeline_costs.ts";
import { queuedSeconds } from "./prompt_queue.ts";

/** Input of {@linkcode promptSeconds} besides the pieces. */
export interface PromptPlace extends PlacedStages {
  /** Predicts the time of each part. */
  cost: CostModel;
}

/** Share of a frame's time by which the window may be too short, as in the arbiter's rule 1. */
const SLACK = 0.05;

/**
 * Frames with `rows` rows of a prompt of `tokens` that the arbiter has under way at once: as many as
 * keep the slowest stage busy until the first of them is answered; at least one a stage and one
 * more, at most two a stage and one more.
 */
export function promptWindow(
  { cost, stages, coordinator }: PromptPlace,
  { rows, tokens }: { rows: number; tokens: number },
): number {
  const frame = { rows, past: Math.max(0, (tokens - rows) / 2), wanted: 0 };
  const times = stages.map((stage) => cost.stageSeconds(stage.device, stage, frame));
  let trip = cost.hopSeconds(coordinator, stages[0].device, cost.requestBytes(rows)) +
    cost.hopSeconds(stages[stages.length - 1].device, coordinator, cost.answerBytes(0));
  for (const [i, seconds] of times.entries()) {
    trip += seconds;
    if (i > 0) {
      trip += cost.hopSeconds(stages[i - 1].device, stages[i].device, cost.hopBytes(rows));
    }
  }
  const least = stages.length + 1;
  return Math.min(
    2 * stages.length + 1,
    Math.max(least, Math.ceil(trip / Math.max(...times) - SLACK)),
  );
}

/**
 * TTFT in seconds of a prompt that is alone and cut into pieces of these rows. Each device computes
 * one frame at a time, each link and each uplink carries one at a time, and at most `window` frames are under way.
 *
 * @param window Most frames under way. @default {@linkcode promptWindow} of the longest piece
 */
export function promptSeconds(place: PromptPlace, pieces: number[], window?: number): number {
  const { cost, stages, coordinator, head } = place;
  const tokens = pieces.reduce((a, b) => a + b, 0);
  const most = window ?? promptWindow(place, { rows: Math.max(...pieces), tokens });
  if (cost.links.uplinks) return queuedSeconds(place, { pieces, most });
  const free = new Map<number | string, number>();
  const use = (part: number | string, from: number, seconds: number) => {
    const end = Math.max(from, free.get(part) ?? 0) + seconds;
    free.set(part, end);
    return end;
  };
  const hop = (from: number, to: number, at: number, bytes: number) =>
    from === to ? at : use(`${from}>${to}`, at, cost.transferSeconds(from, to, bytes)) +
      cost.links.seconds[from][to];
  const end = stages[stages.length - 1].device;
  const returned: number[] = [];
  let past = 0;
  let sent = 0;
  for (const [i, rows] of pieces.entries()) {
    const wanted = past + rows === tokens ? 1 : 0;
    if (i >= most) sent = Math.max(sent, returned[i - most]);
    let at = hop(coordinator, stages[0].device, sent, cost.requestBytes(rows));
    for (const [s, stage] of stages.entries()) {
      if (s > 0) at = hop(stages[s - 1].device, stage.device, at, cost.hopBytes(rows));
      const frame = { rows, past, wanted: head ? 0 : wanted };
      at = use(stage.device, at, cost.stageSeconds(stage.device, stage, frame));
    }
    const after = at;
    returned.push(
      head && wanted > 0
        ? Math.max(...head.map((share) => {
          const there = hop(end, share.device, after, cost.headRowBytes(wanted));
          const done = use(share.device, there, shareSeconds(cost, share, wanted));
          return hop(share.device, coordinator, done, cost.answerBytes(wanted));
        }))
        : hop(end, coordinator, after, cost.answerBytes(wanted)),
    );
    past += rows;
  }
  return returned[returned.length - 1];
}

/** Limits of the pieces of {@linkcode promptPieces}. */
export interface PieceLimits {
  /** Fewest rows of a piece. */
  minPieceRows: number;
  /** Most rows of a piece. */
  maxPieceRows: number;
  /** Most labels at a grid point of the search. */
  maxLabels: number;
}

/** Most equal pieces that are tried besides the search's. */
const MOST_EQUAL = 64;

/**
 * Rows of the pieces with the smallest TTFT: those that a pipeline without a limit of frames would
 * have, or, where the window makes these wait, equal ones.
 */
export function promptPieces(
  place: PromptPlace,
  tokens: number,
  { minPieceRows, maxPieceRows, maxLabels }: PieceLimits,
): { pieces: number[]; seconds: number } {
  const stages = pieceStages(place.cost, place.stages);
  const { pieces } = pipelinePieces({ tokens, stages, minPieceRows, maxPieceRows }, { maxLabels });
  let best = { pieces, seconds: promptSeconds(place, pieces) };
  if (pieces.length <= place.stages.length + 1) return best;
  if (promptSeconds(place, pieces, pieces.length) >= best.seconds * (1 - 1e-9)) return best;
  for (let count = 1; count <= Math.min(MOST_EQUAL, pieces.length); count++) {
    const rows = 8 * Math.ceil(tokens / (8 * count));
    const equal = Array.from(
      { length: Math.ceil(tokens / rows) },
      (_, i) => Math.min(rows, tokens - i * rows),
    );
    const allowed = equal.every((n) =>
      n <= maxPieceRows && (n >= minPieceRows || equal.length === 1)
    );
    if (!allowed) continue;
    const seconds = promptSeconds(place, equal);
    if (seconds < best.seconds * (1 - 1e-9)) best = { pieces: equal, seconds };
  }
  return best;
}
