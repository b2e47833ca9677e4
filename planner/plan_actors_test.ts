import assert from "node:assert/strict";
import { parseGraph } from "../actors/mod.ts";
import { devicesOf, linksOf, paperModelOf, planInputOf } from "./graph_plan.ts";
import { plan } from "./plan.ts";
import { withActors } from "./plan_actors.ts";

const GRAPH = `
model_shape: { preset: qwen2.5-0.5b }
devices:
  - { name: desk, memory_bytes: 8 GiB, flops: 100 GFLOPS, memory_bandwidth: 20 GB/s, cores: 8 }
  - { name: den, memory_bytes: 8 GiB, flops: 10 GFLOPS, memory_bandwidth: 5 GB/s }
  - { name: attic, memory_bytes: 256 MiB, flops: 1 GFLOPS, memory_bandwidth: 2 GB/s, cores: 1 }
links: [{ from: "*", to: "*", seconds: 2 ms, bytes_per_s: 100 Mbit/s }]
actors:
  custom:
    - { name: guard, module: ./guard.ts }
    - { name: panel, module: ./panel.ts, needs: { cores: 4 } }
    - { name: notes, module: ./notes.ts, permissions: { read: [./notes] } }
    - { name: pinned, module: ./pinned.ts, host: attic }
    - { name: huge, module: ./huge.ts, needs: { memory_bytes: 64 GiB } }
edges: [{ from: api, to: guard }, { from: guard, to: generation }]
`;

Deno.test("withActors() says for a cluster on paper where each custom actor runs, and why", () => {
  const graph = parseGraph(GRAPH, { file: "g.yaml" });
  const model = paperModelOf(graph)!;
  assert.ok(graph.devices !== "measured");
  const devices = devicesOf(graph.devices, model);
  const links = linksOf(graph.links, devices.map(({ name }) => name));
  const input = planInputOf(graph, { model, devices, links, coordinator: "desk" });
  const { actors = [] } = withActors(plan(input), graph, input);
  const by = Object.fromEntries(actors.map((placed) => [placed.actor, placed]));
  assert.deepEqual(actors.map(({ host }) => host), ["desk", "den", "desk", "attic", null]);
  assert.match(
    by.guard.why,
    /^0 ms a request for messages with api here; den would take 4.00 ms more/,
  );
  assert.match(by.panel.why, /^8\.00 ms a request for messages with api, model here; desk would/);
  assert.match(by.notes.why, /may read files, which are those of desk/);
  assert.match(by.pinned.why, /the graph file names host attic/);
  assert.match(
    by.huge.why,
    /^no host has what it needs: desk lacks .*; den lacks .*; attic lacks /,
  );
});
