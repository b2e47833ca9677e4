/**
 * Measures time and gap of the placement solver: `deno task bench:planner [--quick]`. One core, one
 * process; `--quick` stops at 64 devices. `--check N` instead compares N plans an objective with an
 * independent brute force (docs/planner.md).
 *
 * @module
 */
// deno-lint-ignore-file no-console
import { paperPartition } from "./paper/partition.ts";
import { place } from "../../planner/placement/place.ts";
import { evaluateStages } from "../../planner/placement/problem.ts";
import { checkPlans } from "../support/check_plans.ts";
import { clusterProblem, type DeviceMix, weights } from "../support/placement_samples.ts";

const check = Deno.args.indexOf("--check");
if (check >= 0) {
  const count = Number(Deno.args[check + 1]);
  if (!Number.isInteger(count) || count < 1) {
    console.error(`error: --check takes a number of plans, got ${Deno.args[check + 1]}`);
    Deno.exit(2);
  }
  console.log("objective   plans  proven  head shared  idle reasons  as run / best: median  worst");
  const objectives = ["latency", "throughput", "blended"] as const;
  const seeds = Array.from({ length: count }, (_, seed) => seed);
  for (
    const [objective, uplinks] of [...objectives, ...objectives].map((o, i) => [o, i > 2] as const)
  ) {
    if (uplinks && objective === "latency") console.log("with shared uplinks");
    const { plans, proven, shared, idle, ratios } = checkPlans(objective, seeds, { uplinks });
    const ratio = (at: number) => ratios[Math.floor(at * (ratios.length - 1))].toFixed(4);
    console.log(
      [
        objective.padEnd(10),
        String(plans).padStart(6),
        String(proven).padStart(7),
        String(shared).padStart(12),
        String(idle).padStart(13),
        ratio(0.5).padStart(22),
        ratio(1).padStart(6),
      ].join(" "),
    );
  }
  Deno.exit(0);
}

const FAMILIES: DeviceMix[] = ["equal", "four types", "all different", "rooms"];
const OBJECTIVES = ["latency", "throughput", "blended"] as const;
const sizes = Deno.args.includes("--quick") ? [4, 8, 16, 64] : [4, 8, 16, 64, 256, 1024];

// A first run of each, so that compilation does not count.
for (const objective of OBJECTIVES) {
  place({ ...clusterProblem("all different", { devices: 10, layers: 24 }), ...weights(objective) });
}

console.log(
  "blended is sum + 8 * slowest; used: stages of the plan; paper: its objective value over ours,",
);
console.log(
  "for the same objective, devices in input order (-: the paper has no placement, it uses every device)\n",
);
console.log("family         devices layers objective      ms     gap %  exact  used  paper");
for (const family of FAMILIES) {
  for (const devices of sizes) {
    for (const layers of [32, 80]) {
      const base = clusterProblem(family, { devices, layers });
      for (const objective of OBJECTIVES) {
        const problem = { ...base, ...weights(objective) };
        const start = performance.now();
        const placement = place(problem);
        const ms = performance.now() - start;
        const paper = paperPartition(problem);
        const ratio = paper
          ? (evaluateStages(problem, paper).value / placement.value).toFixed(2)
          : "-";
        console.log(
          [
            family.padEnd(14),
            String(devices).padStart(7),
            String(layers).padStart(6),
            objective.padEnd(10),
            ms.toFixed(0).padStart(6),
            (100 * placement.gap).toFixed(3).padStart(9),
            (placement.exact ? "yes" : "no").padStart(6),
            String(placement.stages.length).padStart(5),
            ratio.padStart(6),
          ].join(" "),
        );
      }
    }
  }
}
