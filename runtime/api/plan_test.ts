import assert from "node:assert/strict";
import type { Deployment } from "../../actors/mod.ts";
import { createApi } from "./app.ts";
import type { Generator } from "./generator.ts";
import type { Serving } from "./plan.ts";

const get = async (serving?: Serving) => {
  const api = createApi({} as Generator, serving && { serving: () => serving });
  const response = await api.fetch(new Request("http://node/api/plan"));
  return { status: response.status, body: await response.json() };
};

Deno.test("GET /api/plan returns the plan of the served deployment", async () => {
  const plan = { model: "m", stages: [] };
  const deployment = { plan } as unknown as Deployment;
  assert.deepEqual(await get({ deployment, reason: "" }), { status: 200, body: plan });
});

Deno.test("GET /api/plan answers 404 with the reason where nothing was planned", async () => {
  const even = await get({ deployment: {} as Deployment, reason: "" });
  assert.equal(even.status, 404);
  assert.match(even.body.error.message, /there is no plan: .*--layers/);
  const nothing = await get({ reason: "waiting for 2 nodes, 1 joined" });
  assert.equal(nothing.status, 404);
  assert.match(nothing.body.error.message, /nothing is served yet: waiting for 2 nodes/);
});

Deno.test("GET /api/plan does not exist in an API without a node", async () => {
  assert.match((await get()).body.error.message, /no such route/);
});
