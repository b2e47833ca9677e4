/**
 * Jupiter as its paper describes it, on the calibrated boards: what it should have measured.
 *
 * Nothing here is fitted to Jupiter's own end-to-end numbers. What the paper leaves open is in
 * {@linkcode ASSUMPTIONS}.
 *
 * @module
 */
import type { CostModel } from "../../../planner/cost/mod.ts";
import { type DeviceStage, paperPieces, pieceStages } from "../../../planner/sequence/mod.ts";
import type { SimulationOptions, SimulationResult } from "../../../planner/simulator/options.ts";
import { runSystem, type System } from "./calibrate.ts";
import { type Hardware, paperCosts, paperPartition } from "./hardware.ts";
import { PROMPT, TOKENS } from "./published.ts";

/**
 * What is free: chosen from the paper's text and ablation, not fitted to its end-to-end numbers.
 */
export const ASSUMPTIONS = {
  /** Tokens that the Medusa heads draft: "5 Medusa heads and a short chain". */
  draftLength: 5,
  /** Points of an outline: 3 to 10; the usual number. */
  branches: 5,
  /** Rows of a branch's own prompt: its point and what to do with it. */
  pointRows: 12,
  /**
   * Below this share of a device's full rate it is under-used: what makes the least length of a
   * prompt piece.
   */
  leastEfficiency: 0.8,
};

/** What the ablation says each lever gives alone on decoding, against plain pipelining. */
export interface Ablation {
  speculation: number;
  outline: number;
}

/** The ablation's ranges, of low confidence, and their middle, which the prediction uses. */
export const ABLATION: Record<"low" | "middle" | "high", Ablation> = {
  low: { speculation: 1.8, outline: 1.5 },
  middle: { speculation: 2.0, outline: 1.75 },
  high: { speculation: 2.2, outline: 2.0 },
};

/** What follows from an {@linkcode Ablation} on the calibrated boards. */
export interface Levers {
  /** Chance that a drafted token is accepted. */
  acceptance: number;
  /** Tokens of an outline. It is shown as headings: they count among the 64 new tokens. */
  outlineTokens: number;
}

/** The request of the paper's table with an outline of so many branches (1: none). */
export function paperRequest(
  { acceptance, outlineTokens }: Levers,
  branches: number,
): SimulationOptions {
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
 * Medusa: a residual matrix and an LM head for each drafted token, on the last stage's device.
 * Seconds for each.
 */
export function medusaSeconds(cost: CostModel, device: number): number {
  const { hidden, macsPerRow } = cost.model;
  const head = cost.headSeconds(device, 1);
  // the residual matrix costs what its share of a layer does
  return head + cost.layerSeconds(device, { rows: 1, past: 0 }) * hidden ** 2 / macsPerRow;
}

/**
 * Jupiter on a cost model: the paper's partition and pieces, a chain of drafts, branches as
 * requests of their own.
 */
export function jupiterSystem(cost: CostModel, options: SimulationOptions): System {
  const stages: DeviceStage[] = paperPartition(cost);
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
 * The acceptance and the length of outline at which each lever alone gives what the ablation says,
 * on four NX with 7B at 1 Gbit/s. Expected gains, no chance: what further rows, heads and branch
 * prompts cost is in them.
 */
export function leversOf(hardware: Hardware, ablation: Ablation): Levers {
  const cost = paperCosts(hardware, { environment: "A", model: "7B", mbit: 1000 });
  const tpot = (levers: Levers, request: Partial<SimulationOptions> & { branches: number }) => {
    const options = { ...paperRequest(levers, request.branches), ...request };
    return runSystem(cost, jupiterSystem(cost, options)).requests[0].tpot_s;
  };
  const plain = tpot({ acceptance: 0, outlineTokens: 1 }, { branches: 1 });
  let [low, high] = [0.05, 0.95];
  for (let i = 0; i < 12; i++) {
    const acceptance = (low + high) / 2;
    // many tokens, so that it is the steady gain
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
