import assert from "node:assert/strict";
import type { ActorSystem, ClusterStatus, Member, NodeVitals } from "../actors/mod.ts";
import { clusterReporter } from "./cluster_report.ts";
import { nodeVitals } from "./node_vitals.ts";

const member = (node: string): Member => ({
  ...{ node, host: "127.0.0.1", port: 1, cores: 2, memory_bytes: 8e9 },
});

const vitals: NodeVitals = nodeVitals({
  mailbox: { peers: () => [] },
  loader: { loadedBytes: () => 5 },
  admission: { active: 1, queued: 2 },
});

/** A cluster of the nodes `a` and `b`, of which `b` does not answer. */
function world() {
  const deadline = { deadlineMs: 0 };
  let asked = 0;
  const status: ClusterStatus = {
    members: [member("a"), member("b")],
    reason: "",
    health: [{ node: "b", state: "suspect", why: "silent for 2 s", silent_ms: 2_000 }],
    deployment: {
      ...{ id: "d", model: "m", source: "a", members: [member("a")], plan: { large: true } },
      stages: [{ node: "a", first: 0, last: 5 }],
    } as unknown as ClusterStatus["deployment"],
  };
  const system = {
    node: "a",
    get: (_: unknown, node: string) => ({
      vitals: (_: unknown, { deadlineMs }: { deadlineMs: number }) => {
        deadline.deadlineMs = deadlineMs;
        return node === "a" ? Promise.resolve(vitals) : Promise.reject(new Error("it is silent"));
      },
    }),
  } as unknown as ActorSystem;
  const membership = {
    coordinator: { node: "a", host: "127.0.0.1", port: 1, epoch: 1 },
    status: () => {
      asked++;
      return Promise.resolve(status);
    },
  };
  const report = clusterReporter({ system, membership });
  return { report, deadline, asked: () => asked };
}

Deno.test("clusterReporter() tells of members that answer and of those that do not", async () => {
  const { report, deadline } = world();
  const { node, coordinator, members, deployment } = await report();
  assert.deepEqual([node, coordinator], ["a", "a"]);
  const [a, b] = members;
  assert.deepEqual([a.first, a.health, a.why, a.vitals?.requests], [true, "alive", null, {
    running: 1,
    waiting: 2,
  }]);
  assert.ok(a.vitals!.cpu_ms > 0 && a.vitals!.memory.resident_bytes > 1e6);
  assert.deepEqual([b.health, b.why, b.vitals], ["suspect", "silent for 2 s", null]);
  assert.match(b.vitals_why!, /it is silent/);
  assert.equal(deadline.deadlineMs, 1_000);
  assert.deepEqual(Object.keys(deployment!).sort(), ["id", "model", "source", "stages"]);
});

Deno.test("clusterReporter() gives questions of about the same time the same report", async () => {
  const { report, asked } = world();
  await Promise.all([report(), report(), report()]);
  await report();
  assert.equal(asked(), 1);
});
