import assert from "node:assert/strict";
import { clusterSchema, currentProblems, statusText } from "./status_text.ts";
import { upgradeText, type UpgradeView } from "./upgrade.ts";

const vitals = {
  at_ms: 1,
  cpu_ms: 1,
  memory: { resident_bytes: 400e6, stages_bytes: 50e6, most_bytes: null },
  requests: { running: 2, waiting: 1 },
  links: [],
};
const den = { node: "den:8421:41c0", host: "10.0.0.1", port: 8421 };
const attic = { node: "attic:8421:149f", host: "10.0.0.2", port: 8421 };
const sound = { health: "alive", why: null, vitals, vitals_why: null };

Deno.test("statusText() shows nodes, load and what is wrong", () => {
  const cluster = clusterSchema.parse({
    node: den.node,
    coordinator: den.node,
    reason: "",
    members: [
      { ...den, ...sound, first: true },
      {
        ...{ ...attic, first: false, health: "suspect", why: "silent for 3 s" },
        ...{ vitals: null, vitals_why: "no answer" },
      },
    ],
    deployment: { model: "embedded", stages: [{ node: den.node, first: 0, last: 5 }] },
  });
  const problems = currentProblems(cluster, []);
  assert.deepEqual(problems, [
    "attic:8421:149f is suspect: silent for 3 s",
    "attic:8421:149f does not tell what it is at: no answer",
  ]);
  const record = { number: 1, time_ms: 0, level: "warning" as const, category: "orrery.node" };
  const text = statusText({
    ...{ cluster, deployments: [], problems },
    records: [{ ...record, node: den.node, text: "a link\x1b[2J broke\nhere" }],
  });
  assert.match(text, /2 nodes, 2 requests running, 1 waiting/);
  assert.match(text, /den:8421:41c0 \(first\) +alive +0-5 +400 MB +50 MB +2 \+ 1 waiting/);
  assert.match(text, /1970-01-01T00:00:00\.000Z warning node: a link\[2J broke here$/);
});

Deno.test("currentProblems() says that nothing is served or nobody coordinates", () => {
  const cluster = clusterSchema.parse({
    ...{ node: den.node, coordinator: null, reason: "waits for 1 more node", deployment: null },
    members: [{ ...den, ...sound, first: true }],
  });
  assert.deepEqual(currentProblems(cluster, []), [
    "no node coordinates: the cluster cannot change",
    "nothing is served: waits for 1 more node",
  ]);
});

Deno.test("upgradeText() lists the steps of nodes that differ, the first node last", () => {
  const protocol = { lowest: 1, highest: 2 };
  const node = (name: string, program: string | null, first = false) => ({
    ...{ node: name, first, program, protocol: program === null ? null : protocol },
    current: program === "2.0.0",
  });
  const view: UpgradeView = {
    ...{ version: "2.0.0", protocol },
    nodes: [node("attic", "1.0.0"), node("shed", "2.0.0"), node("den", "1.0.0", true)],
  };
  const text = upgradeText(view, "http://127.0.0.1:8420");
  assert.match(text, /1\. attic\n +deno task nodes drain attic {4}#[^]*2\. den, the first node/);
  assert.doesNotMatch(text, /shed[^]*drain shed/);
  assert.match(
    upgradeText({ ...view, nodes: [node("shed", "2.0.0")] }, ""),
    /every node runs 2\.0\.0: nothing is to be done$/,
  );
  const old = { ...node("attic", "0.1.0"), protocol: { lowest: 0, highest: 0 } };
  assert.match(upgradeText({ ...view, nodes: [old] }, ""), /attic cannot speak with nodes of/);
});
