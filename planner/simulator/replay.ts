/**
 * The replay of live rows after a host has died.
 *
 * @module
 */
import { piecesOf } from "./request.ts";

/** A frame of the replay. */
export interface ReplayFrame {
  /** Its rows. */
  rows: number;
  /** Rows before it. */
  past: number;
  /** The stage that sends it (or the coordinator), then the stages that compute it. */
  route: number[];
}

/**
 * Frames that feed `live` rows to stages without a KV cache, `pieceRows` rows at most in each. Each
 * run of neighbouring stages gets them from the stage before it, which kept what it had sent.
 */
export function replayFrames(stages: number[], live: number, pieceRows: number): ReplayFrame[] {
  const routes: number[][] = [];
  for (const stage of [...stages].sort((a, b) => a - b)) {
    const route = routes.at(-1);
    if (route && route.at(-1) === stage - 1) route.push(stage);
    else routes.push([stage - 1, stage]);
  }
  const pieces = live > 0 ? piecesOf(live, [pieceRows]) : [];
  return routes.flatMap((route) => {
    let past = 0;
    return pieces.map((rows) => {
      const frame = { rows, past, route };
      past += rows;
      return frame;
    });
  });
}
