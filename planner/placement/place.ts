/**
 * The doors of the placement solver: exact, bounded, or what the size allows.
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
import { type Effort, Sweep } from "./sweep.ts";

/** Bounds by relaxation, placements by local search, no exact search: for any size. */
const BOUNDED: Effort = { states: 0, relaxations: 150, moves: 20_000_000 };
/** As above, then an exact search that gives up after some seconds. */
const EITHER: Effort = { states: 2_000_000, relaxations: 600, moves: 4_000_000 };
/** As far as memory goes. */
const EXACT: Effort = { states: 20_000_000, relaxations: 1_000_000, moves: 4_000_000 };

/**
 * The best placement with proof. Throws `planner/infeasible` (metadata:
 * `lacking: [{device, bytes}]`, `total_bytes`), `planner/bad_problem`, or `planner/too_large` where
 * 20 million labels (about 1 GB) did not suffice.
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

/** A good placement with its gap, for up to 1,000 devices and more. Throws as {@linkcode place}. */
export function solveBounded(problem: PlacementProblem): Placement {
  return solve(problem, BOUNDED);
}

/**
 * The best placement as far as counted effort goes: exact where the search ends, otherwise with its
 * gap. Throws `planner/infeasible` (metadata: `lacking: [{device, bytes}]`, `total_bytes`; both
 * empty where memory is not what is missing) and `planner/bad_problem`.
 */
export function place(problem: PlacementProblem): Placement {
  return solve(problem, EITHER);
}

function solve(problem: PlacementProblem, effort: Effort): Placement {
  checkProblem(problem);
  const { placement, proven, lowerBound } = new Sweep(problem, effort).run();
  if (placement) return placement;
  const found = proven ? undefined : amongFew(problem, effort, lowerBound);
  if (found) return found;
  throw infeasible(problem, proven);
}

/** So many devices, all different, a search by lines can still tell apart. */
const LINE_DEVICES = 16;

/**
 * Where layers differ and nothing was found (too many devices, or no effort for searches), the
 * pinned devices and the fastest and roomiest of the others are searched. `lowerBound`: of all
 * devices.
 */
function amongFew(
  problem: PlacementProblem,
  effort: Effort,
  lowerBound: number,
): Placement | undefined {
  const room = problem.memoryBytes.map((m, d) =>
    problem.usable[d] ? m - problem.overheadBytes[d] : 0
  );
  const kept = new Set(problem.pin.filter((d) => d >= 0));
  const open = room.map((_, d) => d).filter((d) => !kept.has(d) && room[d] > 0);
  const bySpeed = open.toSorted((a, b) => problem.sum.layer[a] - problem.sum.layer[b] || a - b);
  const byRoom = open.toSorted((a, b) => room[b] - room[a] || a - b);
  for (let i = 0; kept.size < LINE_DEVICES && i < open.length; i++) {
    kept.add(bySpeed[i]);
    if (kept.size < LINE_DEVICES) kept.add(byRoom[i]);
  }
  const keep = [...kept].sort((a, b) => a - b);
  const run = new Sweep(restrict(problem, keep), { ...effort, states: 500_000 }).run();
  if (!run.placement) return undefined;
  const stages: PlacedStage[] = run.placement.stages.map((s) => ({ ...s, device: keep[s.device] }));
  const { value } = run.placement;
  const bound = keep.length === problem.devices ? run.lowerBound : Math.min(value, lowerBound);
  const gap = value === bound ? 0 : (value - bound) / bound;
  return { ...run.placement, stages, lowerBound: bound, gap, exact: gap === 0 };
}

/** The problem with these devices alone. */
function restrict(problem: PlacementProblem, keep: number[]): PlacementProblem {
  const pick = <T>(values: T[]): T[] => keep.map((d) => values[d]);
  const costs = (c: PlacementProblem["sum"]): PlacementProblem["sum"] => ({
    ...{ layer: pick(c.layer), fixed: pick(c.fixed), embed: pick(c.embed), head: pick(c.head) },
    ...{ entry: pick(c.entry), exit: pick(c.exit), hop: pick(c.hop).map(pick) },
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
    pin: problem.pin.map((d) => keep.indexOf(d)),
  };
}

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
