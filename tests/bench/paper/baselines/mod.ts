/**
 * The baselines of the paper that were not calibrated on, each a pure function of boards, links,
 * model and request.
 *
 * @module
 */
import type { ModelShape } from "../../../../planner/types.ts";
import { type Board, DATA_SHEETS, type SystemName, USABLE_MEMORY } from "../published.ts";
import type { BaselineRequest, BaselineSeconds, Fleet } from "./fleet.ts";
import { galaxy } from "./galaxy.ts";
import { sequenceParallel } from "./sequence_parallel.ts";
import { detransformer, megatron } from "./tensor_parallel.ts";

/** A baseline that is predicted by its published algorithm. */
export type BaselineName = Exclude<SystemName, "edgeshard" | "jupiter">;

/** What the papers leave open, and what the predictions assume. None of it is fitted. */
export const BASELINE_ASSUMPTIONS: Record<string, string> = {
  collectives: "rings; all boards have links of their own, both ways at once",
  tensors: "16 bits a number on the wire, also where weights have 4",
  attention: "reading past keys and values costs nothing, as in the calibration",
  sp:
    "equal parts of the prompt; keys and values of all parts are kept on the first board, which " +
    "decodes alone",
  megatron: "equal shares, whatever the board; embedding and LM head cut by the vocabulary",
  detransformer: "every layer rebuilt as one sub-block a board, equal ones, one all-reduce a layer",
  galaxy: "shares by capacity for the prompt, not rounded to heads; communication hidden in " +
    "prefill alone, where that helps",
};

/** Predicts a request's seconds. */
export type Baseline = (
  fleet: Fleet,
  model: ModelShape,
  request: BaselineRequest,
) => BaselineSeconds;

/** The baselines by name. */
export const BASELINES: Record<BaselineName, Baseline> = {
  sp: sequenceParallel,
  megatron,
  detransformer,
  galaxy,
};

/** A board whose memory does not hold what a baseline puts there. */
export interface Lacking {
  board: Board;
  bytes: number;
}

/**
 * Boards that lack memory where each holds the whole model and the keys and values of the request,
 * as in sequence parallelism. (The others hold a quarter, which fits every board of the paper.)
 */
export function lackingWhole(
  boards: Board[],
  model: ModelShape,
  { prompt, tokens }: BaselineRequest,
): Lacking[] {
  const weights = model.layerBytes.reduce((a, b) => a + b) + model.embedBytes + model.headBytes;
  const needed = weights + model.layers * model.kvBytesPerRow * (prompt + tokens);
  return boards.flatMap((board) => {
    const bytes = needed - DATA_SHEETS[board].memory * USABLE_MEMORY;
    return bytes > 0 ? [{ board, bytes }] : [];
  });
}
