/**
 * Plans the pieces for every prompt length that a placement may serve.
 *
 * @module
 */
import type { CostModel } from "../cost/mod.ts";
import type { LayerRange } from "../even_split.ts";
import { pipelinePieces } from "./pipeline_pieces.ts";
import type { PieceStage, SequencePlan } from "./problem.ts";

/** Rows of the shortest bucket's longest prompt. */
const SHORTEST_BUCKET = 32;
/** Labels at a grid point: this many at least ... */
const FEWEST_LABELS = 16;
/** ... and this many at most, so that labels times stages stay within {@linkcode LABEL_STAGES}. */
const MOST_LABELS = 500;
/** Labels at a grid point times stages and links. */
const LABEL_STAGES = 8000;

/** A stage of a placement: its layers and its device. */
export interface DeviceStage extends LayerRange {
  /** Index of the device. */
  device: number;
}

/** Input of {@linkcode pieceBuckets}. */
export interface PieceBucketsInput {
  /** Predicts the time of each piece. */
  cost: CostModel;
  /** The stages, in pipeline order. */
  stages: DeviceStage[];
  /** Rows of the longest prompt, which is the last bucket. */
  context: number;
  /** Fewest rows of a piece. @default 1 */
  minPieceRows?: number;
  /** Most rows of a piece. @default no limit */
  maxPieceRows?: number;
  /** Prompt lengths, in rows. @default powers of two from 32 up to the context, and the context */
  lengths?: number[];
  /**
   * Most labels at a grid point, see {@linkcode pipelinePieces}. @default 500, and fewer with more
   * than 16 stages and links
   */
  maxLabels?: number;
}

/** Pieces for prompts of up to `prompt_tokens` rows. */
export interface PieceBucket extends SequencePlan {
  /** Rows of the longest prompt that uses it. */
  prompt_tokens: number;
}

/**
 * The stages of a placement for the sequence partition. A link transfers one piece at a time, so a
 * link between two devices is a stage of its own. Its latency is a hop, which occupies no stage.
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

/** Prompt lengths, in rows, that get pieces of their own. */
export function bucketLengths(context: number): number[] {
  const lengths: number[] = [];
  for (let tokens = SHORTEST_BUCKET; tokens < context; tokens *= 2) lengths.push(tokens);
  return [...lengths, context];
}

/** Labels at a grid point for a pipeline of so many stages and links. */
export function labelsFor(stages: number): number {
  return Math.max(FEWEST_LABELS, Math.min(MOST_LABELS, Math.floor(LABEL_STAGES / stages)));
}

/**
 * Plans each bucket for its longest prompt; buckets ascend. Throws group `planner`, code
 * `bad_sequence` where the limits allow no pieces.
 */
export function pieceBuckets(input: PieceBucketsInput): PieceBucket[] {
  const stages = pieceStages(input.cost, input.stages);
  // a label's work grows with the stages; the lower bound shows what a long pipeline loses by a
  // narrower search
  const maxLabels = input.maxLabels ?? labelsFor(stages.length);
  return (input.lengths ?? bucketLengths(input.context)).map((tokens) => ({
    prompt_tokens: tokens,
    ...pipelinePieces(
      { tokens, stages, minPieceRows: input.minPieceRows, maxPieceRows: input.maxPieceRows },
      { maxLabels },
    ),
  }));
}
