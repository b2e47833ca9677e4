/**
 * Compares a pipeline with every device that could serve alone.
 *
 * @module
 */
import { boundAnywhere } from "./coordinators.ts";
import { evaluateStages, type PlacementProblem, violation } from "./placement/mod.ts";
import type { Reckoned } from "./placed_solution.ts";
import { problemsOf } from "./problem_of.ts";
import { predicted, type Solved, type Solving, worth } from "./solved.ts";

/** The pipeline, or the best single device where that is faster by {@linkcode worth}. */
export function orAlone(pipeline: Solved, solving: Solving): Solved {
  const { input, cost, setting, candidates, most } = solving;
  const { layers, devices } = pipeline.problem;
  const reckoned = { ...pipeline.reckoned, head: undefined };
  const [whole] = problemsOf(cost, setting(reckoned), [pipeline.coordinator]);
  const alone = Array.from(
    { length: devices },
    (_, device) => [{ device, first: 0, last: layers - 1 }],
  )
    .filter((stages) => violation(whole, stages) === undefined)
    .map((stages) => ({
      stages,
      coordinator: candidates.includes(stages[0].device) ? stages[0].device : pipeline.coordinator,
    }));
  const solo = (
    at: typeof alone[number],
    problem: PlacementProblem,
    reckoned: Reckoned,
  ): Solved => {
    const { lowerBound, placement: { exact } } = pipeline;
    const placement = {
      ...evaluateStages(problem, at.stages),
      stages: at.stages,
      lowerBound,
      gap: 0,
      exact,
    };
    const { coordinator } = at;
    return predicted(input, { cost, problem, placement, lowerBound, coordinator, reckoned });
  };
  const problems = problemsOf(cost, setting(reckoned), alone.map((a) => a.coordinator));
  const byRequest = input.objective !== "latency" && input.lambda === undefined;
  let best = pipeline;
  for (const [i, at] of alone.entries()) {
    const other = solo(at, problems[i], reckoned);
    if (!(worth(other, input) < worth(best, input) * (1 - 1e-9))) continue;
    if (!byRequest) {
      best = other;
      continue;
    }
    // the pieces and frames that the single device runs
    const own: Reckoned = { pieces: Math.min(most, other.pieces.length), lanes: other.run };
    best = solo(at, problemsOf(cost, setting(own), [at.coordinator])[0], own);
  }
  if (best === pipeline) return best;
  // with other pieces and lanes the objective is another one, and so is its bound
  const same = JSON.stringify(best.reckoned) === JSON.stringify(pipeline.reckoned);
  const lowerBound = same
    ? best.lowerBound
    : boundAnywhere(cost, setting(best.reckoned), candidates);
  return { ...best, lowerBound: Math.min(lowerBound, best.placement.value) };
}
