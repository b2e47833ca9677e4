/**
 * Solves for the placement of a plan: the coordinator, the number of pieces, the decode frames, the
 * shares of the head and the stages.
 *
 * @module
 */
import type { Wire } from "../actors/mod.ts";
import { orAlone } from "./alone.ts";
import { boundAnywhere, coordinatorsOf, placedAnywhere } from "./coordinators.ts";
import { CostModel, type HeadParts } from "./cost/mod.ts";
import { chainTokens } from "./decode/mod.ts";
import { withFewerCrossings } from "./fewer_crossings.ts";
import { equalSplits, headSplits } from "./head_shares.ts";
import { attempt } from "./place_named.ts";
import type { Reckoned } from "./placed_solution.ts";
import { evaluateStages } from "./placement/mod.ts";
import { kvNeedOf } from "./kv_bytes.ts";
import { type Lanes, ONE_LANE, type ProblemSetting, problemsOf } from "./problem_of.ts";
import { lanesOf, predicted, sharedBy, type Solved, type Solving, worth } from "./solved.ts";
import type { Device, PlanInput } from "./types.ts";

/** Most devices for which several numbers of pieces, and several head splits, are tried. */
const FEW_DEVICES = 8;
/** Rows of the pieces with which a placement is solved first. */
const FIRST_PIECE_ROWS = 128;
/** Length in tokens of the draft with which a placement is solved first. */
const FIRST_DRAFT = 4;
/** Least gain, 0 to 1, for which the head is shared out: it costs messages. */
const HEAD_GAIN = 0.02;
/** Times that differ by less than this share are equal. */
const SAME = 1e-9;
/** Most times that a placement and the split of its head are made for each other. */
const HEAD_ROUNDS = 3;

/** What {@linkcode solve} takes as given. */
export interface SolveOptions {
  /** Wire format of hidden states. */
  wire: Wire;
  /** The devices, with memory limits applied. */
  devices: Device[];
  /** Index of the only device that is tried as coordinator. @default all that may coordinate */
  coordinator?: number;
  /** The only pieces, lanes and head shares that are assumed. @default several are tried */
  reckoned?: Reckoned;
}

/**
 * The best placement over coordinators, numbers of pieces, decode frames and shares of the head,
 * ranked by the times that it predicts for the frames that are run. It is never worse than the best
 * single device that could serve. Throws group `planner`, code `infeasible`, naming which device
 * lacks how many bytes.
 */
export function solve(
  input: PlanInput,
  { wire, devices, coordinator, reckoned }: SolveOptions,
): Solved {
  const cost = new CostModel({ model: input.model, devices, links: input.links, wire });
  const { promptTokens } = input.workload;
  const least = Math.min(promptTokens, Math.max(1, input.constraints.minPieceRows));
  const most = Math.max(1, Math.floor(promptTokens / least));
  const guess = Math.min(most, Math.max(1, Math.round(promptTokens / FIRST_PIECE_ROWS)));
  const solving: Solving = {
    input,
    cost,
    setting: (reckoned) => settingOf(input, reckoned),
    candidates: coordinator === undefined ? coordinatorsOf(input, devices) : [coordinator],
    most,
  };
  if (reckoned) {
    const fixed = { ...reckoned, pieces: Math.min(most, reckoned.pieces) };
    const split = fixed.head && attempt(() => round(solving, fixed));
    return orAlone(split ?? round(solving, { ...fixed, head: undefined }), solving);
  }
  const few = devices.length <= FEW_DEVICES;
  let best: Solved | undefined;
  const consider = (pieces: number, lanes: Lanes, slack = 0) => {
    const other = round(solving, { pieces: Math.min(most, pieces), lanes });
    if (!best || worth(other, input) < worth(best, input) * (1 + slack)) best = other;
  };
  const { objective, lambda } = input;
  const byStep = objective === "latency" || lambda !== undefined;
  const usable = devices.filter((d) => !input.constraints.exclude.includes(d.name)).length;
  for (const lanes of lambda === undefined ? framesOf(input, usable) : [ONE_LANE]) {
    // a pipeline that pays only with small pieces is not found when large pieces are assumed
    const counts = byStep || !few ? [guess] : [guess, 4 * guess, 16 * guess];
    for (const pieces of new Set(counts.map((n) => Math.min(most, n)))) consider(pieces, lanes);
  }
  // once more for the pieces and drafts that the best placement runs
  const { pieces, reckoned: { lanes }, run } = best!;
  const frames = lambda === undefined ? run : lanes;
  if (!byStep || JSON.stringify(frames) !== JSON.stringify(lanes)) {
    // of equal placements, the one that reckons with what is run
    consider(byStep ? guess : pieces.length, frames, SAME);
  }
  for (const other of withFewerCrossings(best!, solving)) {
    if (worth(other, input) < worth(best!, input) * (1 - SAME)) best = other;
  }
  const single = orAlone(best!, solving);
  return withHead(single === best ? [best] : [single, best!], solving);
}

/** The setting of the placement problem for what is reckoned with. */
export function settingOf(input: PlanInput, { pieces, lanes, head }: Reckoned): ProblemSetting {
  const { objective, lambda, workload, constraints } = input;
  const kvRows = kvNeedOf(workload, input.model);
  return { objective, lambda, workload, constraints, pieces, lanes, head, kvRows };
}

/** The best placement for what is reckoned with. Throws `infeasible`. */
function round({ input, cost, setting, candidates }: Solving, reckoned: Reckoned): Solved {
  return placedAnywhere(cost, setting(reckoned), candidates)
    .map((placed) => predicted(input, { cost, reckoned, ...placed }))
    .reduce((a, b) => b.placement.value < a.placement.value ? b : a);
}

/**
 * The first of `bases`, or a placement with shares of the head where that pays. Head and layers are
 * made for each other in turns: the best split for a placement, then the best placement for that
 * split.
 */
function withHead(bases: Solved[], solving: Solving): Solved {
  const { input, cost } = solving;
  const asked = input.decode?.headShares;
  if (cost.devices.length === 1 || asked === 1) return bases[0];
  const few = cost.devices.length <= FEW_DEVICES;
  let best: Solved | undefined;
  const take = (other: Solved | undefined): boolean => {
    if (!other || (best && !(worth(other, input) < worth(best, input) * (1 - 1e-9)))) return false;
    best = other;
    return true;
  };
  const around = (base: Solved, splits: HeadParts[][]): Solved[] =>
    splits.flatMap((head) => attempt(() => round(solving, { ...base.reckoned, head })) ?? []);
  for (const base of few ? bases : bases.slice(0, 1)) {
    const rows = base.reckoned.lanes.rows;
    const begin = few ? around(base, equalSplits(base, input, rows)) : [];
    for (const start of [base, ...begin]) {
      if (start !== base) take(start);
      let from = start;
      for (let turn = 0; turn < (few ? HEAD_ROUNDS : 1); turn++) {
        const splits = headSplits(from, input, rows);
        const kept = splits.map((head) => split(from, head, solving));
        const moved = around(from, splits.slice(0, 1));
        const better = [...kept, ...moved].filter(take).at(-1);
        if (!better) break;
        from = better;
      }
    }
  }
  const pays = best && worth(best, input) < worth(bases[0], input) * (1 - HEAD_GAIN);
  if (!best || !(pays || asked !== undefined)) return bases[0];
  if (best.lowerBound > 0) return best;
  const bound = boundAnywhere(cost, solving.setting(best.reckoned), solving.candidates);
  return { ...best, lowerBound: Math.min(bound, best.placement.value) };
}

/** The same stages with this split of the head; its bound is left open (0). */
function split(solved: Solved, head: HeadParts[], { input, cost, setting }: Solving): Solved {
  const reckoned = { ...solved.reckoned, head };
  const [problem] = problemsOf(cost, setting(reckoned), [solved.coordinator]);
  const { value, sum, max } = evaluateStages(problem, solved.stages);
  const placement = { ...solved.placement, value, sum, max, gap: 0, exact: false };
  return predicted(input, {
    cost,
    problem,
    placement,
    lowerBound: 0,
    coordinator: solved.coordinator,
    reckoned,
  });
}

/**
 * The decode frames that are tried: all lanes in one frame, in two, in one for each usable device;
 * for one lane, with a draft and without.
 */
function framesOf(input: PlanInput, usable: number): Lanes[] {
  const lanes = lanesOf(input);
  if (lanes > 1) {
    const counts = new Set([1, 2, usable].map((frames) => Math.min(lanes, frames)));
    return [...counts].map((frames) => sharedBy(input, frames));
  }
  const { workload: { acceptance }, decode } = input;
  const length = Math.min(FIRST_DRAFT, decode?.draftLength ?? FIRST_DRAFT);
  if (!acceptance || decode?.drafter === "none" || length === 0) return [ONE_LANE];
  const tokens = chainTokens(acceptance, length);
  return [ONE_LANE, { frames: 1, rows: length + 1, tokens }];
}
