/**
 * Calibrates the boards on EdgeShard's numbers alone.
 *
 * @module
 */
import type { CostModel } from "../../../planner/cost/mod.ts";
import type { DeviceStage } from "../../../planner/sequence/mod.ts";
import { placedCosts } from "../../../planner/simulator/plan_costs.ts";
import type {
  FramePolicy,
  PlanSimulationOptions,
  SimulationResult,
} from "../../../planner/simulator/options.ts";
import { simulate } from "../../../planner/simulator/simulate.ts";
import { type Hardware, paperCosts, paperStages } from "./hardware.ts";
import { CELLS, EDGESHARD_BARS, PROMPT, TOKENS } from "./published.ts";

/** A way to serve the paper's request. */
export interface System {
  stages: DeviceStage[];
  policy: FramePolicy;
  options: PlanSimulationOptions;
  /**
   * Device of the drafter, and its seconds a token; undefined: there is none, or it costs nothing.
   */
  draft?: { device: number; secondsPerToken: number };
}

/** Runs one request of a system in the simulator; it enters at the first stage's device. */
export function runSystem(
  cost: CostModel,
  { stages, policy, options, draft }: System,
): SimulationResult {
  const costs = placedCosts(cost, {
    stages: stages.map(({ device, first, last }) => ({ device, range: { first, last } })),
    coordinator: stages[0].device,
    ...(draft && { draft }),
  });
  return simulate({ costs, policy, options: { past: "chain", ...options } });
}

/** Plain pipelining: the prompt in one piece, one token at a time. */
export function edgeshard(cost: CostModel): SimulationResult {
  return runSystem(cost, {
    stages: paperStages(cost),
    policy: { pieces: [PROMPT] },
    options: { prompt: PROMPT, tokens: TOKENS },
  });
}

/** Seconds of one frame alone through all stages, and of the token's way back. */
function frameSeconds(cost: CostModel, stages: DeviceStage[], rows: number): number {
  let seconds = cost.hopSeconds(stages.at(-1)!.device, stages[0].device, cost.answerBytes(1));
  for (const [i, { device, first, last }] of stages.entries()) {
    seconds += cost.stageSeconds(device, { first, last }, { rows, past: 0, wanted: 1 });
    if (i > 0) seconds += cost.hopSeconds(stages[i - 1].device, device, cost.hopBytes(rows));
  }
  return seconds;
}

/**
 * Relative errors of EdgeShard's predicted times under a hardware: the 12 cells, then prefill and
 * decode of the 4 pairs of bars. They are computed in closed form, which agrees with
 * {@linkcode edgeshard}: with one frame under way nothing overlaps.
 */
export function edgeshardErrors(hardware: Hardware): number[] {
  const bars: number[] = [];
  const cells = CELLS.map((cell) => {
    const cost = paperCosts(hardware, cell);
    const stages = paperStages(cost);
    const [prefill, decode] = [frameSeconds(cost, stages, PROMPT), frameSeconds(cost, stages, 1)];
    const bar = EDGESHARD_BARS.find((b) =>
      b.environment === cell.environment && b.model === cell.model
    )!;
    if (cell.mbit === 1000) {
      bars.push(prefill / PROMPT / bar.prefill_s - 1, decode / bar.decode_s - 1);
    }
    return (prefill + (TOKENS - 1) * decode) / cell.edgeshard_s - 1;
  });
  return [...cells, ...bars];
}

/** Sum of squares of {@linkcode edgeshardErrors}. */
export function edgeshardLoss(hardware: Hardware): number {
  return edgeshardErrors(hardware).reduce((sum, e) => sum + e * e, 0);
}

/**
 * Where the search begins: a tenth of the data sheet's operations, and half of its bandwidth at
 * half a byte a weight.
 */
const START: Hardware = {
  launch_s: 5e-3,
  read_s: 2e-11,
  compute_s: 5e-12,
  tx2_compute: 2,
  tx2_fixed: 1.5,
  wire: 4,
  message_bytes: 0,
};

/**
 * How a link is described, in one number either way. `scaled`: each byte takes so many on the wire.
 * `messages`: each message takes so many bytes more than it holds, however long it is.
 */
export type LinkForm = "scaled" | "messages";

/** Numbers that are calibrated in both forms. */
const BOARD_KEYS = ["launch_s", "read_s", "compute_s", "tx2_compute", "tx2_fixed"] as const;
/** The numbers of each form, and where its search begins. */
const FORMS: Record<LinkForm, { start: Hardware; keys: (keyof Hardware)[] }> = {
  scaled: { start: START, keys: [...BOARD_KEYS, "wire"] },
  messages: {
    start: { ...START, wire: 1, message_bytes: 1e5 },
    keys: [...BOARD_KEYS, "message_bytes"],
  },
};

/**
 * The hardware with the least sum of squared relative errors on EdgeShard's 12 cells and 8 bars. A
 * pattern search on logarithms: one or two numbers at a time are made larger or smaller while that
 * helps, in ever smaller steps. Since whole layers make the errors jump, the search finds a local
 * minimum: the one that it reaches from {@linkcode START}. Deterministic.
 */
export function calibrate(form: LinkForm = "scaled"): Hardware {
  const { start, keys } = FORMS[form];
  const moves = movesOf(keys);
  let [hardware, loss] = [start, edgeshardLoss(start)];
  for (let step = 0.4; step > 0.005; step /= 2) {
    for (let improved = true; improved;) {
      improved = false;
      for (const move of moves) {
        const tried = { ...hardware };
        for (const [key, sign] of move) tried[key] *= Math.exp(sign * step);
        const value = edgeshardLoss(tried);
        if (value >= loss * (1 - 1e-3)) continue;
        [hardware, loss, improved] = [tried, value, true];
      }
    }
  }
  return hardware;
}

/** The moves of the search: one number up or down, then every two. */
function movesOf(keys: (keyof Hardware)[]): [keyof Hardware, number][][] {
  const single = keys.flatMap((key): [keyof Hardware, number][] => [[key, 1], [key, -1]]);
  const pairs = single.flatMap((a, i) =>
    single.slice(i + 1).filter((b) => b[0] !== a[0]).map((b) => [a, b])
  );
  return [...single.map((move) => [move]), ...pairs];
}
