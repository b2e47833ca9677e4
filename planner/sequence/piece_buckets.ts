/**
 * Pieces for every prompt length that a placement may meet, planned once.
 *
 * @module
 */
import type { CostModel } from "../cost/mod.ts";
import type { LayerRange } from "../even_split.ts";
import { pipelinePieces } from "./pipeline_pieces.ts";
import type { PieceStage, SequencePlan } from "./problem.ts";

/** A stage of a placement: which device runs which layers. */
export interface DeviceStage extends LayerRange {
  /** Index of the device. */
  device: number;
}

/** What {@linkcode pieceBuckets} plans for. */
export interface PieceBucketsInput {
  /** Predicts each piece. */
  cost: CostModel;
  /** In pipeline order. */
  stages: DeviceStage[];
  /** Longest prompt; the last bucket. */
  context: number;
  /** Fewest rows of a piece. @default 1 */
  minPieceRows?: number;
  /** Most rows of a piece. @default any */
  maxPieceRows?: number;
  /** Prompt lengths. @default powers of two from 32 up to the context, and the context */
  lengths?: number[];
  /** See {@linkcode pipelinePieces}. @default 500, and fewer with more than 16 stages and links */
  maxLabels?: number;
}

/** Pieces for prompts of up to `prompt_tokens` rows. */
export interface PieceBucket extends SequencePlan {
  /** Longest prompt that it is meant for. */
  prompt_tokens: number;
}

/**
 * The stages of a placement as the sequence partition sees them. A link transfers one piece at a
 * time, so a link that takes time is a stage of its own; its latency is a hop and occupies nobody.
 */
export function pieceStages(cost: CostModel, stages: DeviceStage[]): PieceStage[] {
  return stages.flatMap(({ device, first, last: end }, i): PieceStage[] => {
    const seconds: PieceStage["seconds"] = ({ rows, past, last }) =>
      cost.stageSeconds(device, { first, last: end }, { rows, past, wanted: last ? 1 : 0 });
    const from = i > 0 ? stages[i - 1].device : device;
    if (from === device) return [{ seconds }];
    const latency = cost.links.seconds[from][device];
    const transfer = (rows: number) => cost.transferSeconds(from, device, cost.hopBytes(rows));
    return [{ seconds: ({ rows }) => transfer(rows) }, { seconds, hop: () => latency }];
  });
}

/** Prompt lengths that get a plan of their own. */
export function bucketLengths(context: number): number[] {
  const lengths: number[] = [];
  for (let tokens = 32; tokens < context; tokens *= 2) lengths.push(tokens);
  return [...lengths, context];
}

/**
 * Plans each bucket for its longest prompt, ascending. Throws `bad_sequence` where limits allow no
 * pieces.
 */
export function pieceBuckets(input: PieceBucketsInput): PieceBucket[] {
  const stages = pieceStages(input.cost, input.stages);
  // a label's work grows with the stages; what a long pipeline loses by a narrower search is in its
  // lower bound
  const maxLabels = input.maxLabels ??
    Math.max(16, Math.min(500, Math.floor(8000 / stages.length)));
  return (input.lengths ?? bucketLengths(input.context)).map((tokens) => ({
    prompt_tokens: tokens,
    ...pipelinePieces(
      { tokens, stages, minPieceRows: input.minPieceRows, maxPieceRows: input.maxPieceRows },
      { maxLabels },
    ),
  }));
}
