/**
 * A fleet on paper: 64 devices of four kinds in eight rooms, none of which anybody has plugged in. The
 * planner says which of them are worth their links, and why the others stay idle.
 *
 *     deno run --allow-env examples/17_fleet.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { parseGraph } from "@orrery/orrery/actors";
import * as planner from "@orrery/orrery/planner";

/** Kinds of devices: what a shop's page says of them. */
const KINDS = [
  { name: "desktop", memory_bytes: "12 GB", flops: "1500 GFLOPS", memory_bandwidth: "40 GB/s" },
  { name: "laptop", memory_bytes: "6 GB", flops: "800 GFLOPS", memory_bandwidth: "25 GB/s" },
  { name: "board", memory_bytes: "3 GB", flops: "200 GFLOPS", memory_bandwidth: "10 GB/s" },
  { name: "phone", memory_bytes: "2 GB", flops: "150 GFLOPS", memory_bandwidth: "8 GB/s" },
];

const devices = Array.from({ length: 64 }, (_, i) => {
  const { name, ...kind } = KINDS[i % 4];
  return { ...kind, name: `${name}-${Math.floor(i / 8)}-${i % 8}` };
});
const wireless = { seconds: "4 ms", bytes_per_s: "100 Mbit/s" };
const graph = parseGraph(
  JSON.stringify({
    model_shape: "llama-2-13b",
    devices,
    links: [
      { from: "*", to: "*", seconds: "1 ms", bytes_per_s: "1 Gbit/s" },
      ...devices.filter(({ name }) => name.startsWith("phone"))
        .map(({ name }) => ({ from: name, to: "*", ...wireless })),
    ],
    workload: { prompt_tokens: 512, output_tokens: 128 },
  }),
  { file: "fleet" },
);
if (graph.devices === "measured") throw new Error("they are described");
const model = planner.paperModelOf(graph)!;
const all = planner.devicesOf(graph.devices, model);
const links = planner.linksOf(graph.links, all.map(({ name }) => name));
const start = performance.now();
const plan = planner.plan(planner.planInputOf(graph, { model, devices: all, links }));
const seconds = (performance.now() - start) / 1000;

console.log(`${all.length} devices planned in ${seconds.toFixed(1)} s`);
for (const { host, first_layer, last_layer, seconds_per_row } of plan.stages) {
  console.log(
    `  layers ${first_layer}-${last_layer} on ${host}, ${planner.duration(seconds_per_row)} a row`,
  );
}
const { ttft_s, tokens_per_s } = plan.predicted;
console.log(
  `first token after ${planner.duration(ttft_s)}, then ${tokens_per_s.toPrecision(3)} tokens/s; ` +
    `at most ${(100 * plan.gap).toFixed(1)} % above the best possible`,
);
const [{ host, why }] = plan.idle;
console.log(`${plan.idle.length} devices are idle; ${host}: ${why}`);
console.log(
  "next: put your own devices into a file: deno task plan examples/graphs/four_boxes.yaml",
);
