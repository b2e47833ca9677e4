import assert from "node:assert/strict";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import type { InputChanges, Plan, PlanInput } from "../../planner/mod.ts";
import { createApi, type WhatIf } from "./mod.ts";

const input = {
  model: { name: "m", layers: 4, context: 512 },
  devices: [{ name: "a", memoryBytes: 1e9 }, { name: "b", memoryBytes: 2e9 }],
  links: { seconds: [[0, 0.002], [0.002, 0]], bytesPerS: [[Infinity, 1e6], [1e6, Infinity]] },
  workload: { promptTokens: 64, outputTokens: 32, concurrent: 2, branches: 1 },
} as unknown as PlanInput;
const plan = { model: "m" } as Plan;

const ask = (whatIf: WhatIf, body: unknown, headers: Record<string, string> = {}) =>
  createApi(new ScriptedGenerator(), { whatIf }).fetch(
    new Request("http://node/api/plan", {
      method: "POST",
      headers: { "content-type": "application/json", host: "node", ...headers },
      body: JSON.stringify(body),
    }),
  );

Deno.test("POST /api/plan plans with the changes and tells what it planned with", async () => {
  const asked: InputChanges[] = [];
  const response = await ask((changes) => {
    asked.push(changes);
    return Promise.resolve({ plan, input });
  }, { add: [{ name: "c", like: "a", speed: 2 }], workload: { concurrent: 2 } });
  assert.equal(response.status, 200);
  assert.deepEqual(asked, [{
    add: [{ name: "c", like: "a", speed: 2, latency_ms: 1, mbit_per_s: 1_000 }],
    workload: { concurrent: 2 },
  }]);
  assert.deepEqual(await response.json(), {
    plan,
    model: { name: "m", layers: 4, context: 512 },
    devices: [{ host: "a", memory_bytes: 1e9 }, { host: "b", memory_bytes: 2e9 }],
    links: [{ from: "a", to: "b", latency_ms: 2, mbit_per_s: 8 }],
    workload: { prompt_tokens: 64, output_tokens: 32, concurrent: 2, branches: 1 },
  });
});

Deno.test("POST /api/plan refuses what is no change, pages of others, and a third plan at once", async () => {
  const never: WhatIf = () => assert.fail("nothing is planned");
  const wrong = [
    { add: [{ name: "c" }] },
    { devices: [{ host: "a", speed: 0 }] },
    { links: [{ from: "a", to: "b", latency_ms: -1 }] },
    { pins: [] },
    { workload: { concurrent: 1.5 } },
  ];
  for (const body of wrong) assert.equal((await ask(never, body)).status, 400);
  assert.equal((await ask(never, {}, { origin: "http://evil.example" })).status, 403);
  assert.equal((await ask(() => Promise.resolve(undefined), {})).status, 404);

  const { promise, resolve } = Promise.withResolvers<{ plan: Plan; input: PlanInput }>();
  const app = createApi(new ScriptedGenerator(), { whatIf: () => promise });
  const post = () =>
    app.fetch(
      new Request("http://node/api/plan", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      }),
    );
  const two = [post(), post()];
  const third = await post();
  assert.equal(third.status, 429);
  assert.equal((await third.json()).error.code, "plan_running");
  resolve({ plan, input });
  for (const one of two) assert.equal((await one).status, 200);
  assert.equal((await post()).status, 200, "both have given their places back");
});
