import assert from "node:assert/strict";
import { atBackups } from "./backups.ts";
import { type Deployment, deploymentSchema, type Member } from "./deployment.ts";
import { JoinOrder } from "./join_order.ts";

const member = (node: string, memory_bytes = 100): Member => ({
  node,
  host: "127.0.0.1",
  port: node.charCodeAt(0),
  cores: 1,
  memory_bytes,
});

/** Stages of 4, 4 and 2 layers at a, b and c; nothing was planned. */
const MADE = deploymentSchema.parse({
  id: "d1",
  model: "m",
  source: "a",
  stages: [
    { node: "a", first: 0, last: 3 },
    { node: "b", first: 4, last: 7 },
    { node: "c", first: 8, last: 9 },
  ],
  members: [],
});

/** Where its stages are with these members: names of nodes, or of nodes with bytes of memory. */
const nodes = (
  members: (string | Member)[],
  bytesAt?: (made: Deployment) => ReadonlyMap<string, number>,
) => {
  const takers = members.map((m) => typeof m === "string" ? member(m) : m);
  const here = new Set(takers.map(({ node }) => node));
  return atBackups(MADE, { here, takers, bytesAt })?.map(({ node }) => node);
};

/** Ten bytes a layer. */
const bytesAt = ({ stages }: Deployment) => {
  const bytes = new Map<string, number>();
  for (const { node, first, last } of stages) {
    bytes.set(node, (bytes.get(node) ?? 0) + 10 * (last - first + 1));
  }
  return bytes;
};

Deno.test("atBackups() gives unplanned layers to the member with the fewest, and of several to a neighbour", () => {
  assert.deepEqual(nodes(["a", "c"]), ["a", "c", "c"]);
  assert.deepEqual(nodes(["a", "b"]), ["a", "b", "b"], "both have four: b is next to it");
  assert.deepEqual(nodes(["a", "c", "d"]), ["a", "d", "c"], "d has none");
  assert.deepEqual(nodes(["c", "d"]), ["d", "c", "c"], "then c has fewer than d");
});

Deno.test("atBackups() takes members with memory for it, and nobody where there is none", () => {
  assert.deepEqual(nodes(["a", member("c", 50)], bytesAt), ["a", "a", "c"]);
  assert.equal(nodes([member("a", 70), member("c", 50)], bytesAt), undefined);
  assert.deepEqual(nodes([member("a", 80), member("c", 50)], bytesAt), ["a", "a", "c"]);
});

Deno.test("atBackups() has nobody where all layers are lost", () => {
  assert.equal(nodes(["d"]), undefined);
});

Deno.test("JoinOrder gives a node that comes back, or comes to an address, the place of the one before", () => {
  const order = new JoinOrder((node) => node[0]);
  const [a, b, c] = ["a1", "b1", "c1"].map((node) => member(node));
  for (const m of [a, b, c]) order.joined(m, [a, b, c]);
  const again = { ...member("b2"), port: 9 };
  order.joined(again, [a, c, again]);
  assert.deepEqual(order.sorted([c, again, a]).map(({ node }) => node), ["a1", "b2", "c1"]);
  const other = { ...member("d1"), port: a.port };
  order.joined(other, [c, again, other]);
  assert.deepEqual(order.sorted([again, other, c]).map(({ node }) => node), ["d1", "b2", "c1"]);
  const late = { ...member("a2"), port: 8 };
  order.joined(late, [other, again, c, late]);
  const all = order.sorted([late, again, other, c]).map(({ node }) => node);
  assert.deepEqual(all, ["d1", "b2", "c1", "a2"], "its place is taken");
});
