/**
 * A placement and the problem that it was found for.
 *
 * @module
 */
import type { CostModel, HeadParts } from "./cost/mod.ts";
import type { PipelineCosts } from "./decode/mod.ts";
import type { Placement, PlacementProblem } from "./placement/mod.ts";
import type { Lanes } from "./problem_of.ts";
import type { DeviceStage } from "./sequence/mod.ts";

/** What a problem assumes of the frames that are run. */
export interface Reckoned {
  /** Number of equal pieces. */
  pieces: number;
  /** The decode frames. */
  lanes: Lanes;
  /** Shares of the LM head; undefined: the last stage has the whole head. */
  head?: readonly HeadParts[];
}

/** A placement and the problem that it was found for. */
export interface PlacedSolution {
  /** Predicts the time of each part. */
  cost: CostModel;
  /** The problem that the placement solves. */
  problem: PlacementProblem;
  placement: Placement;
  /** A lower bound of the objective for any placement at any coordinator, in seconds. */
  lowerBound: number;
  /** Index of the coordinator's device. */
  coordinator: number;
  /** The pieces, lanes and head shares that the problem assumes. */
  reckoned: Reckoned;
  /** Shares of the LM head, in the order of their parts; undefined: the last stage has all. */
  head?: readonly HeadParts[];
  /** The stages, in pipeline order. */
  stages: DeviceStage[];
  /** Rows before a decode row in the middle of the answer. */
  past: number;
  /** Costs of decode frames. */
  frames: PipelineCosts;
}
