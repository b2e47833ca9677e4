import assert from "node:assert/strict";
import {
  arbiterAddress,
  CLUSTER,
  customAddress,
  type Deployment,
  deploymentSchema,
  drafterAddress,
  freshAddress,
  hasCode,
  keyAt,
  memberAddress,
  MODEL,
  REGISTRY,
  SOLO,
  stageAddress,
  weightsAddress,
} from "../../actors/mod.ts";
import { ClusterDirectory } from "./directory.ts";

const deployment = (id: string): Deployment =>
  deploymentSchema.parse({
    id,
    model: "m",
    source: "n1",
    stages: [{ node: "n2", first: 0, last: 1 }, { node: "n3", first: 2, last: 3 }],
    solo: { node: "n3" },
    draft: { node: "n4", model: "d", source: "n1" },
    members: [],
  });

function directory(...ids: string[]): ClusterDirectory {
  const made = new ClusterDirectory("n2");
  made.follow({ node: "n1", epoch: 1 });
  for (const id of ids) made.learn(deployment(id));
  return made;
}

Deno.test("ClusterDirectory.resolve() finds every kind of actor without asking another node", () => {
  const known = directory("d");
  const nodes = {
    [CLUSTER]: "n1",
    [REGISTRY]: "n1",
    [MODEL]: "n2",
    [memberAddress("n9")]: "n9",
    [weightsAddress("n9")]: "n9",
    [arbiterAddress("d", "n9")]: "n9",
    [arbiterAddress("d", keyAt("n9", SOLO))]: "n9",
    [stageAddress("d", SOLO)]: "n3",
    [stageAddress("d", 0)]: "n2",
    [stageAddress("d", 1)]: "n3",
    [drafterAddress("d")]: "n4",
    [freshAddress("n9", "generation")]: "n9",
  };
  for (const [to, node] of Object.entries(nodes)) {
    assert.deepEqual(known.resolve(to), { node, epoch: 1 }, to);
  }
});

Deno.test("ClusterDirectory.resolve() throws no_owner for an address that it cannot place", () => {
  const known = directory("d");
  for (
    const to of [
      stageAddress("d", 2),
      stageAddress("other", 0),
      drafterAddress("other"),
      "default/generation/x",
    ]
  ) {
    assert.throws(() => known.resolve(to), (error) => hasCode(error, "no_owner"), to);
  }
});

Deno.test("ClusterDirectory.forget() forgets a deployment once 16 more are retired, and none that serves", () => {
  const known = directory("serving", ...Array.from({ length: 17 }, (_, i) => `d${i}`));
  for (let i = 0; i < 17; i++) known.forget(`d${i}`);
  assert.throws(() => known.resolve(stageAddress("d0", 0)), (error) => hasCode(error, "no_owner"));
  assert.equal(known.nodeOf(stageAddress("d1", 0)), "n2");
  assert.equal(known.nodeOf(stageAddress("serving", 0)), "n2");
});

Deno.test("ClusterDirectory.resolve() waits for the host of a custom actor, and for the next one", async () => {
  const known = directory("d");
  const guard = customAddress("guard");
  assert.throws(() => known.resolve(guard), (error) => hasCode(error, "no_owner"));
  known.homes.expect("default", ["guard"]);
  const waiting = known.resolve(guard);
  assert.ok(waiting instanceof Promise);
  known.homes.owned("guard", { node: "n3", epoch: 7 });
  assert.deepEqual(await waiting, { node: "n3", epoch: 7 });
  assert.deepEqual(known.resolve(customAddress("guard", "x")), { node: "n3", epoch: 7 });
  known.moved(guard, { node: "n3", epoch: 7 });
  const doubted = known.resolve(guard);
  assert.ok(doubted instanceof Promise);
  assert.deepEqual(await doubted, { node: "n3", epoch: 7 }, "it was in doubt for a moment");
  known.homes.vacant("guard", 7);
  known.homes.owned("guard", { node: "n3", epoch: 7 }); // late news
  const next = known.resolve(guard);
  assert.equal(known.nodeOf(guard), undefined);
  known.homes.assign("guard", "n4");
  assert.equal(known.nodeOf(guard), "n4");
  known.homes.owned("guard", { node: "n4", epoch: 8 });
  assert.deepEqual(await next, { node: "n4", epoch: 8 });
  known.homes.owned("guard", { node: "n3", epoch: 7 });
  assert.equal(known.nodeOf(guard), "n4");
  known.homes.lost("n4");
  await assert.rejects(
    async () => await known.resolve(guard, AbortSignal.abort(new Error("given up"))),
    /given up/,
  );
});
