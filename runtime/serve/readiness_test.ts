import assert from "node:assert/strict";
import { Simulation } from "../../actors/mod.ts";
import { Readiness, type ReadinessOptions } from "./readiness.ts";

/** A readiness in virtual time, over probes that the test answers. */
function world(more: Partial<ReadinessOptions> = {}) {
  const sim = new Simulation({ seed: 1 });
  const state = { refusal: undefined as string | undefined, probes: 0, broken: [] as string[] };
  /** How the next probes end: after so many milliseconds, with this error. */
  const answer = { ms: 10, error: undefined as string | undefined };
  const readiness = new Readiness({
    clock: sim.clock,
    refusal: () => state.refusal,
    onBroken: (why) => void state.broken.push(why),
    probe(signal) {
      state.probes++;
      const { ms, error } = answer;
      return new Promise((resolve, reject) => {
        sim.clock.after(ms, () => error ? reject(new Error(error)) : resolve());
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    ...more,
  });
  const check = () => sim.until(readiness.check());
  return { sim, state, answer, readiness, check };
}

Deno.test("Readiness.check() probes, and believes an answer for a while", async () => {
  const { sim, state, check } = world();
  assert.deepEqual(await check(), { ready: true, reason: "ok" });
  await check();
  assert.equal(state.probes, 1);
  await sim.run({ forMs: 2_100 });
  await check();
  assert.equal(state.probes, 2);
});

Deno.test("Readiness.check() does not probe while requests of clients get on", async () => {
  const { sim, state, readiness, check } = world();
  for (let i = 0; i < 10; i++) {
    readiness.progressed();
    await sim.run({ forMs: 1_500 });
    assert.equal((await check()).ready, true);
  }
  assert.equal(state.probes, 0);
});

Deno.test("Readiness.check() says why a prompt is not answered, and tells onBroken until one is", async () => {
  const { sim, state, answer, readiness, check } = world();
  answer.error = "its stage was retired";
  assert.deepEqual(await check(), {
    ready: false,
    reason: "a prompt is not answered now: its stage was retired",
  });
  assert.deepEqual(state.broken, ["its stage was retired"]);
  await sim.run({ forMs: 7_000 });
  assert.equal(state.broken.length, 4);
  answer.error = undefined;
  await sim.run({ forMs: 3_000 });
  assert.equal((await check()).ready, true);
  const { probes } = state;
  await sim.run({ forMs: 60_000 });
  assert.equal(state.probes, probes, "nobody asks, and nothing is wrong");
  readiness.close();
});

Deno.test("Readiness.failed() looks at once, without anybody asking", async () => {
  const { sim, state, answer, readiness } = world();
  readiness.progressed();
  answer.error = "node n2 is gone";
  readiness.failed();
  await sim.run({ forMs: 20 });
  assert.deepEqual(state.broken, ["node n2 is gone"]);
  readiness.close();
});

Deno.test("Readiness.failed() believes a probe more than a single failed request", async () => {
  const { sim, state, readiness, check } = world();
  readiness.failed();
  await sim.run({ forMs: 20 });
  assert.deepEqual([await check(), state.broken, state.probes], [
    { ready: true, reason: "ok" },
    [],
    1,
  ]);
});

Deno.test("Readiness.check() answers in time while a probe hangs, and gives it up at its deadline", async () => {
  const { sim, state, answer, check, readiness } = world();
  answer.ms = 1e9;
  const began = sim.clock.now();
  assert.deepEqual(await check(), { ready: false, reason: "the stages have not answered yet" });
  assert.equal(sim.clock.now() - began, 2_000);
  await sim.run({ forMs: 8_100 });
  assert.deepEqual(state.broken, ["no answer within 10 s"]);
  assert.match((await check()).reason, /not answered now: no answer within 10 s/);
  readiness.close();
});

Deno.test("Readiness.check() stays ready while a probe waits behind requests that get on", async () => {
  const { sim, state, answer, readiness, check } = world();
  assert.equal((await check()).ready, true);
  answer.ms = 1e9;
  await sim.run({ forMs: 3_000 });
  const slow = readiness.check();
  await sim.run({ forMs: 500 });
  readiness.progressed();
  assert.equal((await sim.until(slow)).ready, true);
  await sim.run({ forMs: 20_000 });
  assert.deepEqual(state.broken, []);
});

Deno.test("Readiness.check() asks nobody while prompts are refused anyway", async () => {
  const { state, readiness, check } = world();
  state.refusal = "waiting for 2 nodes";
  assert.deepEqual(await check(), { ready: false, reason: "waiting for 2 nodes" });
  readiness.failed();
  assert.equal(state.probes, 0);
});

Deno.test("Readiness.renew() forgets what former stages did", async () => {
  const { sim, state, answer, readiness, check } = world();
  answer.error = "retired";
  await check();
  answer.error = undefined;
  readiness.renew();
  assert.equal((await check()).ready, true);
  await sim.run({ forMs: 60_000 });
  assert.equal(state.broken.length, 1);
});
