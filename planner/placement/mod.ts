/**
 * Placement of layers on devices: the numeric problem, exact and bounded solvers, and the paper's baseline.
 *
 * @module
 */
export { paperPartition } from "./paper_partition.ts";
export { place, solveBounded, solveExact } from "./place.ts";
export {
  evaluateStages,
  type PlacedStage,
  type Placement,
  type PlacementProblem,
  type StageCosts,
  violation,
} from "./problem.ts";
