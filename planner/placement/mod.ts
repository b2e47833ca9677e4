/**
 * Placement of layers on devices: the problem in numbers, an exact solver and a bounded one.
 *
 * @module
 */
export { place, placeBriefly, solveBounded, solveExact } from "./place.ts";
export {
  evaluateStages,
  type PlacedStage,
  type Placement,
  type PlacementProblem,
  stageBytes,
  type StageCosts,
  violation,
} from "./problem.ts";
