/**
 * Predicts what Jupiter, as its paper describes it, should measure on the calibrated boards.
 *
 * Nothing here is fitted to Jupiter's own end-to-end numbers. What the paper leaves open is in
 * {@linkcode ASSUMPTIONS}.
 *
 * @module
 */
import type { CostModel } from "../../../planner/cost/mod.ts";
import { type DeviceStage, paperPieces, pieceStages } from "../../../planner/sequence/mod.ts";
import type {
  PlanSimulationOptions,
  SimulationResult,
} from "../../../planner/simulator/options.ts";
import { runSystem, type System } from "./calibrate.ts";
import { type Hardware, paperCosts, paperStages } from "./hardware.ts";
import { PROMPT, TOKENS } from "./published.ts";

/**
 * Free parameters, chosen from the paper's text and ablation, not fitted to its end-to-end numbers.
 */
export const ASSUMPTIONS = {
  /** Tokens that the Medusa heads draft: "5 Medusa heads and a short chain". */
  draftLength: 5,
  /** Points of an outline: the paper says 3 to 10; this is the usual number. */
  branches: 5,
  /** Rows of a branch's own prompt: its point, and what to do with it. */
  pointRows: 12,
  /**
   * Share of a device's full rate below which it counts as under-used; it decides the least length
   * of a prompt piece.
   */
  leastEfficiency: 0.8,
};

/**
 * How many times faster each lever alone makes decoding than plain pipelining, by the paper's
 * ablation.
 */
export interface Ablation {
  speculation: number;
  outline: number;
}

/**
 * The ablation's ranges, which are of low confidence, and their middle, which the prediction uses.
 */
export const ABLATION: Record<"low" | "middle" | "high", Ablation> = {
  low: { speculation: 1.8, outline: 1.5 },
  middle: { speculation: 2.0, outline: 1.75 },
  high: { speculation: 2.2, outline: 2.0 },
};

/** What an {@linkcode Ablation} implies on the calibrated boards. */
export interface Levers {
  /** Chance that a drafted token is accepted. */
  acceptance: number;
  /**
   * Tokens of an outline. They count among the 64 new tokens, since the outline is shown as
   * headings.
   */
  outlineTokens: number;
}

/** The request of the paper's table, with an outline of so many branches; 1: without. */
export function paperRequest(
  { acceptance, outlineTokens }: Levers,
  branches: number,
): PlanSimulationOptions {
  return {
    prompt: PROMPT,
    tokens: TOKENS,
    branches,
    acceptance,
    outline: { tokens: outlineTokens, counted: true, point_rows: ASSUMPTIONS.pointRows },
  };
}

/**
 * Fewest rows at which the first device works at the assumed share of its rate for the whole
 * prompt.
 */
export function leastPieceRows(cost: CostModel): number {
  const rate = (rows: number) => rows / cost.layerSeconds(0, { rows, past: 0 });
  let rows = 1;
  while (rows < PROMPT && rate(rows) < ASSUMPTIONS.leastEfficiency * rate(PROMPT)) rows++;
  return rows;
}

/**
 * Seconds that Medusa takes for each drafted token: a residual matrix and an LM head on the device
 * of the last stage.
 */
export function medusaSeconds(cost: CostModel, device: number): number {
  const { hidden, macsPerRow } = cost.model;
  const head = cost.headSeconds(device, 1);
  // The residual matrix costs what its share of a layer does.
  return head + cost.layerSeconds(device, { rows: 1, past: 0 }) * hidden ** 2 / macsPerRow;
}

/**
 * Jupiter on a cost model: the paper's partition and pieces, a chain of drafts, and branches that
 * are requests of their own.
 */
export function jupiterSystem(cost: CostModel, options: PlanSimulationOptions): System {
  const stages: DeviceStage[] = paperStages(cost);
  const { pieces } = paperPieces({
    tokens: PROMPT,
    stages: pieceStages(cost, stages),
    minPieceRows: leastPieceRows(cost),
    step: 1,
  });
  const device = stages.at(-1)!.device;
  const rows = 1 + ASSUMPTIONS.draftLength;
  return {
    stages,
    policy: {
      pieces,
      in_flight: ASSUMPTIONS.branches,
      rows_per_frame: rows,
      tree: new Array<number>(options.acceptance ? ASSUMPTIONS.draftLength : 0).fill(1),
      model_drafter: true,
    },
    options,
    draft: { device, secondsPerToken: medusaSeconds(cost, device) },
  };
}

/** Runs Jupiter on a cost model. */
export function jupiter(cost: CostModel, levers: Levers): SimulationResult {
  return runSystem(cost, jupiterSystem(cost, paperRequest(levers, ASSUMPTIONS.branches)));
}

/**
 * Finds the acceptance and the outline's length at which each lever alone gives what the ablation
 * says, on four NX with the 7B model at 1 Gbit/s. Gains are expected values without chance; the
 * costs of additional rows, heads and branch prompts are included.
 */
export function leversOf(hardware: Hardware, ablation: Ablation): Levers {
  const cost = paperCosts(hardware, { environment: "A", model: "7B", mbit: 1000 });
  const tpot = (levers: Levers, request: Partial<PlanSimulationOptions> & { branches: number }) => {
    const options = { ...paperRequest(levers, request.branches), ...request };
    return runSystem(cost, jupiterSystem(cost, options)).requests[0].tpot_s;
  };
  const plain = tpot({ acceptance: 0, outlineTokens: 1 }, { branches: 1 });
  let [low, high] = [0.05, 0.95];
  for (let i = 0; i < 12; i++) {
    const acceptance = (low + high) / 2;
    // Many tokens, so that the steady gain is measured.
    const gain = plain / tpot({ acceptance, outlineTokens: 1 }, { branches: 1, tokens: 512 });
    if (gain < ablation.speculation) low = acceptance;
    else high = acceptance;
  }
  let outlineTokens: number = ASSUMPTIONS.branches;
  const outlineGain = (tokens: number) =>
    plain / tpot({ acceptance: 0, outlineTokens: tokens }, { branches: ASSUMPTIONS.branches });
  while (
    outlineTokens < TOKENS - ASSUMPTIONS.branches &&
    outlineGain(outlineTokens + 1) >= ablation.outline
  ) {
    outlineTokens++;
  }
  return { acceptance: (low + high) / 2, outlineTokens };
}
