/**
 * The planner from code, on computers that nobody has bought yet: how many boxes are worth it?
 *
 *     deno run --allow-env examples/07_plan.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { hasCode, parseGraph } from "@orrery/orrery/actors";
import * as planner from "@orrery/orrery/planner";

/** What a file says, as the planner takes it. */
function inputOf(boxes: number) {
  const graph = parseGraph(
    JSON.stringify({
      model_shape: "llama-2-7b",
      devices: Array.from({ length: boxes }, (_, i) => ({
        name: `box-${i}`,
        memory_bytes: "3 GB",
        flops: "800 GFLOPS",
        memory_bandwidth: "12 GB/s",
      })),
      links: [{ from: "*", to: "*", seconds: "1 ms", bytes_per_s: "1 Gbit/s" }],
      workload: { prompt_tokens: 512, output_tokens: 128, branches: 4 },
    }),
    { file: "boxes" },
  );
  if (graph.devices === "measured") throw new Error("they are described");
  const model = planner.paperModelOf(graph)!;
  const devices = planner.devicesOf(graph.devices, model);
  return planner.planInputOf(graph, {
    model,
    devices,
    links: planner.linksOf(graph.links, devices.map((d) => d.name)),
  });
}

for (const boxes of [1, 2, 3, 4, 6]) {
  const input = inputOf(boxes);
  try {
    const made = planner.plan(input);
    const options = { prompt: 512, tokens: 128, branches: 4 };
    const { requests: [{ ttft_s, finish_s }], bubble_share } = planner.simulatePlan({
      plan: made,
      input,
      options,
    });
    const layers = made.stages.map((s) => `${s.first_layer}-${s.last_layer}`).join(", ");
    const times = `first token after ${planner.duration(ttft_s)}, all after ${
      planner.duration(finish_s)
    }`;
    const idle = `stages idle ${Math.round(100 * bubble_share)} % of the time`;
    console.log(`boxes: ${boxes}; layers ${layers}; ${times}, ${idle}`);
  } catch (error) {
    if (!hasCode(error, "infeasible")) throw error;
    console.log(`boxes: ${boxes}; ${(error as Error).message.split(";")[0]}`);
  }
}
console.log("next: examples/17_fleet.ts plans 64 devices");
