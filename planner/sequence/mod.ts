/**
 * Sequence partition: how a prompt is cut into the pieces that go through the pipeline.
 *
 * @module
 */
export * from "./paper_pieces.ts";
export * from "./piece_buckets.ts";
export * from "./pipeline_pieces.ts";
export {
  paperSeconds,
  type Piece,
  type PieceStage,
  pipelineSeconds,
  type SequencePlan,
  type SequenceProblem,
} from "./problem.ts";
