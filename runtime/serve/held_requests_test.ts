import assert from "node:assert/strict";
import { type Deployment, deploymentSchema } from "../../actors/mod.ts";
import { HeldRequests, type HeldRequestsOptions } from "./held_requests.ts";

/** A revision of a deployment with a stage at each of these nodes. */
const revision = (number: number, nodes: string[], id = "d"): Deployment =>
  deploymentSchema.parse({
    id,
    model: "m",
    source: "a",
    members: [],
    revision: number,
    stages: nodes.map((node, i) => ({ node, first: i, last: i })),
  });

/** What arbiters are told, of which one is active for each deployment. */
function world() {
  const told: unknown[] = [];
  const note = (what: string) => (body: unknown) => {
    told.push([what, body]);
    return Promise.resolve();
  };
  const held = new HeldRequests({
    system: {
      node: "a",
      at: () => ({ tell: { replaced: note("replaced"), superseded: note("superseded") } }),
    },
    arbiters: { keys: () => ["0"] },
    running: { values: () => [] },
    serving: () => [],
  } as unknown as HeldRequestsOptions);
  return { held, told };
}

Deno.test("HeldRequests.served() tells arbiters which stages have moved", () => {
  const { held, told } = world();
  const [r0, r1] = [revision(0, ["a", "b", "c"]), revision(1, ["a", "d", "c"])];
  held.learned(r0, r1);
  held.served("default", r0, r1);
  assert.deepEqual(told.splice(0), [["replaced", { stages: [1], heads: [] }]]);
  held.served("default", r1, revision(2, ["a", "d", "c"]));
  assert.deepEqual(told, [], "nothing has moved since");
});

Deno.test("HeldRequests.served() names a stage that went away and came back between two adoptions", () => {
  const { held, told } = world();
  const [r0, r1, r2] = [["a", "b"], ["a", "c"], ["a", "b"]].map((at, i) => revision(i, at));
  held.learned(r0, r1);
  held.learned(r1, r2);
  held.served("default", r0, r2);
  assert.deepEqual(told, [["replaced", { stages: [1], heads: [] }]]);
});

Deno.test("HeldRequests.served() forgets the moves of a deployment in whose place another one serves", () => {
  const { held, told } = world();
  const [r0, r1] = [revision(0, ["a", "b"]), revision(1, ["a", "c"])];
  held.learned(r0, r1);
  held.served("default", r0, revision(0, ["a", "b"], "e"));
  assert.deepEqual(told.splice(0), [["superseded", {}]]);
  held.served("default", r0, revision(2, ["a", "b"]));
  assert.deepEqual(told, []);
});
