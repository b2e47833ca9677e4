/**
 * Why a device has no stage: the best placement that must use it, compared with the plan's.
 *
 * @module
 */
import { objectiveText } from "./explain.ts";
import { partsOn } from "./memory.ts";
import { duration, layersText, size } from "./numbers.ts";
import { attempt } from "./place_named.ts";
import {
  evaluateStages,
  placeBriefly,
  type PlacedStage,
  type PlacementProblem,
  violation,
} from "./placement/mod.ts";
import { type ProblemSetting, problemsOf } from "./problem_of.ts";
import { predicted, type Solved, worth } from "./solved.ts";
import { coordinatorsOf } from "./coordinators.ts";
import type { Plan, PlanInput } from "./types.ts";

/** Most devices for which an idle device is tried with every coordinator, not only the plan's. */
const FEW_DEVICES = 8;
/** Most idle devices for each of which placements are solved; equal devices count once. */
const MOST_SOLVED = 16;

/** The devices without a stage, each with its reason. */
export function idleOf(
  solved: Solved,
  input: PlanInput,
  setting: ProblemSetting,
): Plan["idle"][number][] {
  const busy = new Set(solved.stages.map((s) => s.device));
  const { devices } = solved.cost;
  let left = MOST_SOLVED;
  const known = new Map<string, string>();
  return devices.flatMap(({ name }, d) => {
    if (busy.has(d)) return [];
    const kind = kindOf(solved.problem, d);
    const before = known.get(kind);
    if (before !== undefined) return [{ host: name, why: before }];
    const why = idleWhy(solved, d, { input, setting, solve: left > 0 });
    if (why.startsWith("idle: with it")) {
      left--;
      if (solved.coordinator !== d) known.set(kind, why);
    }
    return [{ host: name, why }];
  });
}

/** What makes two idle devices exchangeable: all numbers of the device. */
function kindOf(
  { sum, max, memoryBytes, overheadBytes, ends, usable }: PlacementProblem,
  d: number,
) {
  const numbers = [sum, max].map((c) => [
    ...[c.layer[d], c.fixed[d], c.embed[d], c.head[d], c.entry[d], c.exit[d]],
    c.hop[d].filter((_, k) => k !== d),
    c.hop.map((row) => row[d]).filter((_, k) => k !== d),
  ]);
  return JSON.stringify([numbers, memoryBytes[d], overheadBytes[d], ends[d], usable[d]]);
}

/** Input of {@linkcode idleWhy} besides placement and device. */
interface IdleInput {
  input: PlanInput;
  /** The setting of the plan's problem. */
  setting: ProblemSetting;
  /** Whether to solve for placements with the device; false: only to try some. */
  solve: boolean;
}

/** Why a device has no stage. */
function idleWhy(solved: Solved, device: number, { input, setting, solve }: IdleInput): string {
  const { cost, problem, placement } = solved;
  const { name, memoryBytes, overheadBytes } = cost.devices[device];
  const roles = [
    ...solved.coordinator === device ? ["coordinates"] : [],
    ...partsOn(solved, device) > 0
      ? [`computes ${partsOn(solved, device)} of 8 parts of the head`]
      : [],
  ];
  const also = roles.length > 0 ? `${roles.join(" and ")}, computes no layer: ` : "";
  if (input.constraints.exclude.includes(name)) return `idle: excluded by the constraints`;
  const layer = Math.min(...problem.layerBytes);
  if (memoryBytes - overheadBytes < layer) {
    return `idle: ${also}its ${size(memoryBytes)} hold no layer (engine ${
      size(overheadBytes)
    }, a layer with KV ${size(layer)})`;
  }
  const found = (solve ? solvedWith(solved, device, { input, setting }) : undefined) ??
    movedTo(solved, device);
  if (found === undefined) {
    const why = !problem.ends[device]
      ? "it is not trusted with an end, and no layers between the ends are free for it"
      : "no layers can be moved to it without breaking a pin, a memory limit or a link";
    return `idle: ${also}${why}`;
  }
  const what = objectiveText(input);
  const part = found.stages.find((s) => s.device === device)!;
  const layers = layersText(part.first, part.last);
  const tried = found.proven
    ? ""
    : found.solved
    ? ` (the best found; none takes less than ${duration(found.lowerBound)})`
    : " (the best of those tried that move layers of one stage to it)";
  if (found.value < placement.value * (1 - 1e-9)) {
    // the objective reckons with equal pieces; the plan is chosen by what is run
    const run = predicted(input, {
      ...solved,
      problem: found.problem,
      coordinator: found.coordinator,
      placement: {
        ...placement,
        ...evaluateStages(found.problem, found.stages),
        stages: found.stages,
      },
    });
    return `idle: ${also}with it (${layers}) ${what} ${duration(worth(run, input))} instead of ${
      duration(worth(solved, input))
    }, as it is run${tried}`;
  }
  const [with_, without] = [duration(found.value), duration(placement.value)];
  if (with_ === without) return `idle: ${also}with it ${what} the same ${without}`;
  return `idle: ${also}with it (${layers}) ${what} ${with_} instead of ${without}${tried}`;
}

/** A placement that uses an idle device. */
interface WithIt {
  stages: PlacedStage[];
  /** The problem, with its coordinator. */
  problem: PlacementProblem;
  coordinator: number;
  value: number;
  /** No placement with the device has a smaller value. */
  lowerBound: number;
  /** Whether it is proven to be the best with the device. */
  proven: boolean;
  /** Whether it was solved for, not only tried. */
  solved: boolean;
}

/** The best placement that must use the device; undefined: there is none, or none was found. */
function solvedWith(
  solved: Solved,
  device: number,
  { input, setting }: Omit<IdleInput, "solve">,
): WithIt | undefined {
  const { cost, coordinator } = solved;
  const candidates = cost.devices.length <= FEW_DEVICES
    ? coordinatorsOf(input, cost.devices)
    : [coordinator];
  const must = cost.devices.map((_, d) => d === device);
  const found = problemsOf(cost, setting, candidates).flatMap((problem, i) => {
    const placed = attempt(() => placeBriefly({ ...problem, must }));
    return placed ? [{ ...placed, problem, coordinator: candidates[i] }] : [];
  });
  if (found.length === 0) return undefined;
  const best = found.reduce((a, b) => b.value < a.value ? b : a);
  const lowerBound = Math.min(...found.map((f) => f.lowerBound));
  return {
    ...best,
    lowerBound,
    proven: candidates.length > 0 && lowerBound >= best.value * (1 - 1e-9),
    solved: true,
  };
}

/**
 * The best placement that gives the device layers of one stage, at that stage's beginning or end,
 * up to all of them; undefined: none keeps the limits. All stages are tried.
 */
function movedTo({ problem, stages, coordinator }: Solved, device: number): WithIt | undefined {
  let best: WithIt | undefined;
  const consider = (list: PlacedStage[]) => {
    const { value } = evaluateStages(problem, list);
    if (best !== undefined && !(value < best.value)) return;
    if (violation(problem, list) !== undefined) return;
    const common = { problem, coordinator, lowerBound: 0, proven: false, solved: false };
    best = { ...common, stages: list, value };
  };
  for (const [i, from] of stages.entries()) {
    const [before, after] = [stages.slice(0, i), stages.slice(i + 1)];
    const layers = from.last - from.first + 1;
    for (let n = 1; n <= layers; n++) {
      const head = { device, first: from.first, last: from.first + n - 1 };
      const tail = { device, first: from.last - n + 1, last: from.last };
      if (n === layers) {
        consider([...before, head, ...after]);
        continue;
      }
      consider([...before, head, { ...from, first: head.last + 1 }, ...after]);
      consider([...before, { ...from, last: tail.first - 1 }, tail, ...after]);
    }
  }
  return best;
}
