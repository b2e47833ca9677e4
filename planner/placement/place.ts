/**
 * The entry points of the placement solver: exact, bounded, or as exact as the size allows.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import {
  checkProblem,
  type PlacedStage,
  type Placement,
  type PlacementProblem,
} from "./problem.ts";
import { shortfall } from "./shortfall.ts";
import { type SearchEffort, Sweep } from "./sweep.ts";

/** For problems of any size: bounds by relaxation, placements by local search, no exact search. */
const BOUNDED: SearchEffort = { states: 0, relaxations: 150, moves: 20_000_000 };
/** The same with an exact search that gives up after some seconds. */
const EITHER: SearchEffort = { states: 2_000_000, relaxations: 600, moves: 4_000_000 };
/** An exact search as far as memory allows. */
const EXACT: SearchEffort = { states: 20_000_000, relaxations: 1_000_000, moves: 4_000_000 };

/**
 * The best placement, with proof. Throws group `planner`: `infeasible` (metadata:
 * `lacking: [{device, bytes}]`, `total_bytes`), `bad_problem`, or `too_large` where 20 million
 * labels (about 1 GB) did not suffice.
 */
export function solveExact(problem: PlacementProblem): Placement {
  const placement = solve(problem, EXACT);
  if (placement.exact) return placement;
  throw new OrreryError({
    group: "planner",
    code: "too_large",
    message:
      `no exact placement of ${problem.layers} layers on ${problem.devices} devices within ` +
      `${EXACT.states} states; use the bounded search`,
    metadata: {
      devices: problem.devices,
      layers: problem.layers,
      lower_bound: placement.lowerBound,
    },
  });
}

/** An effort of about a tenth of a second, for questions about many devices. */
const BRIEF: SearchEffort = { states: 100_000, relaxations: 100, moves: 200_000 };

/** As {@linkcode place}, with less effort. */
export function placeBriefly(problem: PlacementProblem): Placement {
  return solve(problem, BRIEF);
}

/** A good placement with its gap, also for more than 1,000 devices. Throws as {@linkcode place}. */
export function solveBounded(problem: PlacementProblem): Placement {
  return solve(problem, BOUNDED);
}

/**
 * The best placement that a fixed, counted effort finds: exact where the search ends within it,
 * otherwise with its gap. Throws group `planner`: `infeasible` (metadata:
 * `lacking: [{device, bytes}]`, `total_bytes`; both empty where memory is not what is missing) and
 * `bad_problem`.
 */
export function place(problem: PlacementProblem): Placement {
  return solve(problem, EITHER);
}

/** Places the problem with this effort. Throws `bad_problem` and `infeasible`. */
function solve(problem: PlacementProblem, effort: SearchEffort): Placement {
  checkProblem(problem);
  const { placement, proven, lowerBound } = new Sweep(problem, effort).run();
  if (placement) return placement;
  const found = proven ? undefined : amongFew(problem, effort, lowerBound);
  if (found) return found;
  throw infeasible(problem, proven);
}

/** Labels of a search among few devices. */
const FEW_STATES = 500_000;
/** Most devices, all different, that `searchLines` can still search. */
const LINE_DEVICES = 16;

/**
 * Searches among few devices, where layers differ and nothing was found among all (too many
 * devices, or no effort left): the devices that must be used, and the fastest and largest of the others.
 * `lowerBound`: for all devices.
 */
function amongFew(
  problem: PlacementProblem,
  effort: SearchEffort,
  lowerBound: number,
): Placement | undefined {
  const room = problem.memoryBytes.map((m, d) =>
    problem.usable[d] ? m - problem.overheadBytes[d] : 0
  );
  const kept = new Set(problem.pin.filter((d) => d >= 0));
  problem.must?.forEach((must, d) => must && kept.add(d));
  const open = room.map((_, d) => d).filter((d) => !kept.has(d) && room[d] > 0);
  const bySpeed = open.toSorted((a, b) => problem.sum.layer[a] - problem.sum.layer[b] || a - b);
  const byRoom = open.toSorted((a, b) => room[b] - room[a] || a - b);
  for (let i = 0; kept.size < LINE_DEVICES && i < open.length; i++) {
    kept.add(bySpeed[i]);
    if (kept.size < LINE_DEVICES) kept.add(byRoom[i]);
  }
  const keep = [...kept].sort((a, b) => a - b);
  const run = new Sweep(restrict(problem, keep), { ...effort, states: FEW_STATES }).run();
  if (!run.placement) return undefined;
  const stages: PlacedStage[] = run.placement.stages.map((s) => ({ ...s, device: keep[s.device] }));
  const { value } = run.placement;
  const bound = keep.length === problem.devices ? run.lowerBound : Math.min(value, lowerBound);
  const gap = value === bound ? 0 : (value - bound) / bound;
  return { ...run.placement, stages, lowerBound: bound, gap, exact: gap === 0 };
}

/** The problem with only these devices. */
function restrict(problem: PlacementProblem, keep: number[]): PlacementProblem {
  const pick = <T>(values: T[]): T[] => keep.map((d) => values[d]);
  const costs = (c: PlacementProblem["sum"]): PlacementProblem["sum"] => ({
    layer: pick(c.layer),
    fixed: pick(c.fixed),
    embed: pick(c.embed),
    head: pick(c.head),
    entry: pick(c.entry),
    exit: pick(c.exit),
    hop: pick(c.hop).map(pick),
  });
  return {
    ...problem,
    devices: keep.length,
    sum: costs(problem.sum),
    max: costs(problem.max),
    overheadBytes: pick(problem.overheadBytes),
    memoryBytes: pick(problem.memoryBytes),
    ends: pick(problem.ends),
    usable: pick(problem.usable),
    ...(problem.must && { must: pick(problem.must) }),
    pin: problem.pin.map((d) => keep.indexOf(d)),
  };
}

/** The error for a problem without a placement; `proven`: there is none for sure. */
function infeasible(problem: PlacementProblem, proven: boolean): OrreryError {
  const missing = shortfall(problem);
  const lacking = missing?.lacking ?? [];
  const total = missing?.totalBytes ?? 0;
  const reason = !missing
    ? "no usable device may hold its ends"
    : total > 0
    ? `the closest miss lacks ${total} bytes: ` +
      lacking.map((l) => `device ${l.device} ${l.bytes}`).join(", ")
    : proven
    ? "pins, links or ends exclude every order, memory would suffice"
    : "none was found that respects pins and layer sizes";
  return new OrreryError({
    group: "planner",
    code: "infeasible",
    message: `no placement of ${problem.layers} layers on ${problem.devices} devices: ${reason}`,
    metadata: { lacking, total_bytes: total, proven },
  });
}
