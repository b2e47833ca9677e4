/**
 * Placement of layers on devices: the numeric problem; exact and bounded solvers.
 *
 * @module
 */
export { place, solveBounded, solveExact } from "./place.ts";
export {
  evaluateStages,
  type PlacedStage,
  type Placement,
  type PlacementProblem,
  stageBytes,
  type StageCosts,
  violation,
} from "./problem.ts";
