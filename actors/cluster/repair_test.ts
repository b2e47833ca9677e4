import assert from "node:assert/strict";
import { type Deployment, deploymentSchema, type Member } from "./deployment.ts";
import { isWhole, movedParts, repaired } from "./repair.ts";

const member = (node: string): Member => ({
  node,
  host: "127.0.0.1",
  port: 1,
  cores: 1,
  memory_bytes: 1,
});

const backup = (first_layer: number, last_layer: number, host: string | null) => ({
  first_layer,
  last_layer,
  host,
  why: "idle today",
});

/** Stages at a, b and c; the plan names backups d, d and nobody. */
const made = (more: Record<string, unknown> = {}): Deployment =>
  deploymentSchema.parse({
    id: "d1",
    model: "m",
    source: "a",
    stages: [
      { node: "a", first: 0, last: 3 },
      { node: "b", first: 4, last: 7 },
      { node: "c", first: 8, last: 9 },
    ],
    members: ["a", "b", "c", "d"].map(member),
    plan: { backups: [backup(0, 3, "d"), backup(4, 7, "d"), backup(8, 9, null)] },
    ...more,
  });

const without = (...gone: string[]) => {
  const members = ["a", "b", "c", "d"].filter((node) => !gone.includes(node)).map(member);
  return { members, able: members };
};

Deno.test("repaired() moves the layers of a node that is gone to the backup that the plan names", () => {
  const before = made({ draft: { node: "b", model: "small", source: "a" }, solo: { node: "a" } });
  const after = repaired(before, without("b"))!;
  assert.deepEqual(after.stages.map(({ node }) => node), ["a", "d", "c"]);
  assert.deepEqual([after.id, after.revision], ["d1", 1]);
  assert.deepEqual(after.members.map(({ node }) => node), ["a", "c", "d"]);
  assert.deepEqual([after.draft?.node, after.solo], ["c", { node: "a" }]);
  assert.deepEqual(movedParts(before, after), { stages: [1], heads: [] });
  assert.deepEqual(deploymentSchema.parse(after), deploymentSchema.parse(after));
  const both = repaired(before, without("a", "b"))!;
  assert.deepEqual(both.stages.map(({ node }) => node), ["d", "d", "c"]);
});

Deno.test("repaired() has nobody where the plan names none, one that is gone, or parts of the layers", () => {
  assert.equal(repaired(made(), without("c")), undefined);
  assert.equal(repaired(made(), without("b", "d")), undefined);
  const { members } = without("b");
  assert.equal(repaired(made(), { members, able: [member("a")] }), undefined, "its link is bad");
  assert.equal(repaired(made({ plan: {} }), without("b")), undefined);
  const parts = { backups: [backup(4, 5, "d"), backup(6, 7, "a")] };
  assert.equal(repaired(made({ plan: parts }), without("b")), undefined);
});

Deno.test("repaired() gives shards of the head to the nearest one that is left, or to the last stage", () => {
  const head = [
    { node: "a", first_part: 0, last_part: 2 },
    { node: "b", first_part: 3, last_part: 5 },
    { node: "d", first_part: 6, last_part: 7 },
  ];
  const before = made({ head });
  const after = repaired(before, without("b"))!;
  assert.deepEqual(after.head!.map(({ node }) => node), ["a", "a", "d"]);
  assert.deepEqual(movedParts(before, after), { stages: [1], heads: [1] });
  const alone = made({ head: [{ node: "b", first_part: 0, last_part: 7 }] });
  assert.deepEqual(repaired(alone, without("b"))!.head!.map(({ node }) => node), ["c"]);
});

Deno.test("isWhole() asks for the nodes of the stages and of the head alone", () => {
  const members = (...nodes: string[]) => new Map(nodes.map((node) => [node, member(node)]));
  assert.equal(isWhole(made(), members("a", "b", "c")), true);
  assert.equal(isWhole(made(), members("a", "b", "d")), false);
  const head = [{ node: "d", first_part: 0, last_part: 7 }];
  assert.equal(isWhole(made({ head }), members("a", "b", "c")), false);
});
