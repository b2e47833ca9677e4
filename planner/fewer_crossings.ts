/**
 * Placements that pass shared uplinks less often.
 *
 * The placement solver counts each link by itself. Where several hops of a pipeline share an uplink,
 * they occupy it together, which only the ranking of finished placements knows. So the solver is
 * asked again with uplinks that are as narrow as they would be for each of these hops.
 *
 * @module
 */
import { placedAnywhere } from "./coordinators.ts";
import { CostModel } from "./cost/mod.ts";
import { attempt } from "./place_named.ts";
import { evaluateStages } from "./placement/mod.ts";
import { problemsOf } from "./problem_of.ts";
import { predicted, type Solved, type Solving } from "./solved.ts";

/** Most messages of a frame over one uplink that are reckoned with. */
const MOST_CROSSINGS = 4;

/** The placements that are found so, ranked as `solved` is; none where no uplink is shared. */
export function withFewerCrossings(solved: Solved, solving: Solving): Solved[] {
  const { input, cost, setting, candidates } = solving;
  const { reckoned, lowerBound } = solved;
  const found: Solved[] = [];
  for (let n = 2; n <= Math.min(MOST_CROSSINGS, crossings(solved)); n++) {
    const uplinks = cost.links.uplinks!.map((u) => ({ ...u, bytesPerS: u.bytesPerS / n }));
    const { model, devices, wire } = cost;
    const narrow = new CostModel({ model, devices, wire, links: { ...cost.links, uplinks } });
    for (
      const other of attempt(() => placedAnywhere(narrow, setting(reckoned), candidates)) ?? []
    ) {
      const { coordinator, placement: { stages, exact } } = other;
      const [problem] = problemsOf(cost, setting(reckoned), [coordinator]);
      const placement = { ...evaluateStages(problem, stages), stages, lowerBound, gap: 0, exact };
      found.push(
        predicted(input, { cost, problem, placement, lowerBound, coordinator, reckoned }),
      );
    }
  }
  return found;
}

/** Most messages of one frame that pass the same uplink in the same direction. */
function crossings({ cost, stages, coordinator }: Solved): number {
  const way = [coordinator, ...stages.map((s) => s.device), coordinator];
  const times = new Map<string, number>();
  for (const [i, to] of way.slice(1).entries()) {
    const [, ...shared] = cost.channels(way[i], to, 1);
    for (const [part] of shared) times.set(part, (times.get(part) ?? 0) + 1);
  }
  return Math.max(0, ...times.values());
}
