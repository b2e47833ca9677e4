/**
 * Requests whose stages die go on with the deployment that takes over, to the token. Under the
 * simulator: the production's gateway, generations, arbiters and stages.
 * `deno task test:simulation --only recovery` runs thousands.
 */
import assert from "node:assert/strict";
import { hasCode, OrreryError, samplingSchema } from "../actors/mod.ts";
import { RECOVERY } from "./simulations/recovery.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { prompt, toyTokens } from "./support/generation_world.ts";
import { RecoveryWorld } from "./support/recovery_world.ts";

const TOKENS = 40;
const greedy = samplingSchema.parse({});
const PROMPTS = [8, 20, 40].map((length) => Array.from(prompt.subarray(0, length)));

Deno.test("Gateway.generate() ends every request with the undisturbed text, whenever nodes die", async () => {
  await assertSeeds(RECOVERY, seedsFrom(0, 12));
});

for (const broken of RECOVERY.broken) {
  Deno.test(`RECOVERY.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("Gateway.generate() lets requests move to a deployment that took over while theirs stopped", async () => {
  const w = new RecoveryWorld(3);
  const old = w.serve(3);
  const asked = w.ask({ prompt: { kind: "tokens", tokens: PROMPTS[2] }, maxTokens: TOKENS });
  const change = async () => {
    await w.wait(300);
    w.serve(2);
    await w.wait(50);
    w.sim.crash(old.stages[1].node); // its node does not wait for the last requests
    w.gateway.nodeLost(old.stages[1].node);
    await w.gateway.unused(old.id, AbortSignal.timeout(60_000));
  };
  const [{ tokens, done }] = await w.sim.until(Promise.all([asked, change()]));
  assert.deepEqual(tokens, toyTokens(PROMPTS[2], TOKENS, greedy));
  assert.equal(done!.report?.pauses, 1);
  assert.match(done!.report!.why, /went on after \d+ tokens/);
});

Deno.test("Gateway.generate() goes on after an engine that failed once, and fails with one that always does", async () => {
  const message = "the engine broke";
  const failure = new OrreryError({ group: "engine", code: "engine_failed", message });
  const w = new RecoveryWorld(5);
  const { stages } = w.serve(2);
  const asked = w.ask({ prompt: { kind: "tokens", tokens: PROMPTS[1] }, maxTokens: TOKENS });
  await w.sim.until(w.wait(200));
  w.engines.get(stages[1].node)!.failNext = failure;
  const { tokens, done, error: none } = await w.sim.until(asked);
  assert.equal(none, undefined);
  assert.deepEqual(tokens, toyTokens(PROMPTS[1], TOKENS, greedy));
  assert.equal(done!.report?.pauses, undefined, "its arbiter has had the stage rebuilt");

  const again = w.ask({ prompt: { kind: "tokens", tokens: PROMPTS[1] }, maxTokens: TOKENS });
  const breaking = async () => {
    for (let i = 0; i < 400; i++) {
      w.engines.get(stages[1].node)!.failNext = failure;
      await w.wait(10);
    }
  };
  const [{ error }] = await w.sim.until(Promise.all([again, breaking()]));
  // A stage that has crashed too often is not started again: then nobody says why.
  assert.ok(["engine_failed", "stages_silent"].some((code) => hasCode(error, code)), `${error}`);
});

Deno.test("Gateway.generate() fails with the node that was lost, where nothing takes over within a minute", async () => {
  const w = new RecoveryWorld(6);
  w.serve(2);
  const asked = w.ask({ prompt: { kind: "tokens", tokens: PROMPTS[1] }, maxTokens: TOKENS });
  await w.sim.until(w.wait(300));
  const before = w.sim.clock.now();
  await w.sim.until(w.kill(w.current!, 100));
  const { error } = await w.sim.until(asked);
  assert.ok(hasCode(error, "node_lost") || hasCode(error, "peer_lost"), String(error));
  const waited = w.sim.clock.now() - before;
  // It is held for 20 s first, as the stages could be rebuilt.
  assert.ok(waited > 75_000 && waited < 85_000, `${waited} ms`);
});
