/**
 * Measures time and gap of the placement solver: `deno task bench:planner [--quick]`. One core, one
 * process; `--quick` stops at 64 devices.
 *
 * @module
 */
// deno-lint-ignore-file no-console
import { paperPartition } from "./paper/partition.ts";
import { place } from "../../planner/placement/place.ts";
import { evaluateStages } from "../../planner/placement/problem.ts";
import { clusterProblem, type DeviceMix, weights } from "../support/placement_samples.ts";

const FAMILIES: DeviceMix[] = ["equal", "four types", "all different"];
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
