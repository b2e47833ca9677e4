/**
 * Where requests enter: the devices that may coordinate, and the best placement over them.
 *
 * @module
 */
import type { CostModel } from "./cost/mod.ts";
import { infeasible, placeNamed } from "./place_named.ts";
import { evaluateStages, type Placement, type PlacementProblem } from "./placement/mod.ts";
import { type ProblemSetting, problemsOf } from "./problem_of.ts";
import type { Device, PlanInput } from "./types.ts";

/**
 * Most candidates for which every coordinator is tried. With more, two are tried: those nearest to
 * the ends of the best pipeline.
 */
const ALL_COORDINATORS = 16;

/** A placement with its coordinator. */
export interface Coordinated {
  /** Index of the coordinator's device. */
  coordinator: number;
  problem: PlacementProblem;
  placement: Placement;
  /** A lower bound of the objective for any placement at any coordinator, in seconds. */
  lowerBound: number;
}

/**
 * The best placements for a setting: one where every coordinator is tried, otherwise one for each
 * of the two that are. Throws `infeasible` as `placeNamed` does.
 */
export function placedAnywhere(
  cost: CostModel,
  setting: ProblemSetting,
  candidates: number[],
): Coordinated[] {
  const { devices } = cost;
  const problems = problemsOf(cost, setting, candidates);
  if (candidates.length <= ALL_COORDINATORS) {
    const placed = problems.map((problem) => placeNamed(problem, devices));
    const best = placed.reduce((a, p, i) => p.value < placed[a].value ? i : a, 0);
    return [{
      coordinator: candidates[best],
      problem: problems[best],
      placement: placed[best],
      lowerBound: Math.min(...placed.map((p) => p.lowerBound)),
    }];
  }
  // each device's ends at their best over all coordinators: a lower bound for any of them
  const free: PlacementProblem = {
    ...problems[0],
    sum: freeEnds(problems, "sum"),
    max: freeEnds(problems, "max"),
  };
  const { lowerBound, stages } = placeNamed(free, devices);
  const ends = [stages[0].device, stages[stages.length - 1].device];
  const near = candidates.map((coordinator, i) => ({
    coordinator,
    i,
    value: evaluateStages(problems[i], stages).value,
  }))
    .sort((a, b) =>
      Number(ends.includes(b.coordinator)) - Number(ends.includes(a.coordinator)) ||
      a.value - b.value || a.i - b.i
    );
  return near.slice(0, 2).map(({ coordinator, i }) => ({
    coordinator,
    problem: problems[i],
    placement: placeNamed(problems[i], devices),
    lowerBound,
  }));
}

/** A lower bound of the objective for a setting, for any placement at any coordinator. */
export function boundAnywhere(
  cost: CostModel,
  setting: ProblemSetting,
  candidates: number[],
): number {
  return Math.min(...placedAnywhere(cost, setting, candidates).map((p) => p.lowerBound));
}

/** Costs whose entry, head and exit are, for each device, the least of all problems. */
function freeEnds(problems: PlacementProblem[], system: "sum" | "max"): PlacementProblem["sum"] {
  const least = (end: "entry" | "head" | "exit") =>
    problems[0][system][end].map((_, d) => Math.min(...problems.map((p) => p[system][end][d])));
  return {
    ...problems[0][system],
    entry: least("entry"),
    head: least("head"),
    exit: least("exit"),
  };
}

/** Indices of the devices that may coordinate. Throws `infeasible` if there is none. */
export function coordinatorsOf(input: PlanInput, devices: Device[]): number[] {
  const { constraints, coordinator } = input;
  const may = (d: Device) =>
    (d.trusted || !constraints.trustedEnds) && !constraints.exclude.includes(d.name);
  if (coordinator !== undefined) {
    const at = devices.findIndex((d) => d.name === coordinator);
    if (may(devices[at])) return [at];
    const why = constraints.exclude.includes(coordinator)
      ? "is excluded"
      : "is not trusted, which trusted_ends asks for";
    throw infeasible(`${coordinator} is to coordinate, but it ${why}`, []);
  }
  const found = devices.flatMap((d, i) => may(d) ? [i] : []);
  if (found.length > 0) return found;
  throw infeasible(
    "every device is excluded, or not trusted while trusted_ends asks for a trusted one",
    [],
  );
}
