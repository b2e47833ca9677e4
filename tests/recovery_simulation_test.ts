/**
 * Requests whose stages die go on with the deployment that takes over, to the token. Under the
 * simulator: the production's gateway, generations, arbiters and stages. A failing seed is printed:
 * `deno task test tests/recovery_simulation_test.ts` runs it with the others.
 */
import assert from "node:assert/strict";
import { hasCode, OrreryError, samplingSchema, toOrreryError } from "../actors/mod.ts";
import { prompt, toyTokens } from "./support/generation_world.ts";
import { RecoveryWorld } from "./support/recovery_world.ts";

const TOKENS = 40;
const greedy = samplingSchema.parse({});
const seeded = samplingSchema.parse({ temperature: 0.8, seed: 17 });
const PROMPTS = [8, 20, 40].map((length) => Array.from(prompt.subarray(0, length)));

const KINDS = [
  { mode: "plain", sampling: greedy },
  { mode: "speculative", sampling: greedy, draftLength: 4 },
  { mode: "plain", sampling: seeded },
  { mode: "auto", sampling: greedy },
] as const;

Deno.test("Gateway.generate() ends every request with the undisturbed text, whenever nodes die", async () => {
  let paused = 0;
  for (let seed = 0; seed < 40; seed++) {
    const w = new RecoveryWorld(seed);
    const { random, sim } = w;
    w.serve(1 + Math.floor(random() * 4));
    const requests = Array.from({ length: 6 }, async (_, i) => {
      await w.wait(random() * 1_500);
      const tokens = PROMPTS[i % PROMPTS.length];
      const kind = KINDS[i % KINDS.length];
      const expected = toyTokens(tokens, TOKENS, kind.sampling);
      const ended = await w.ask({ prompt: { kind: "tokens", tokens }, maxTokens: TOKENS, ...kind });
      const where = `seed ${seed}, request ${i}`;
      assert.equal(ended.error, undefined, `${where}: ${toOrreryError(ended.error).message}`);
      assert.deepEqual(ended.tokens, expected, where);
      assert.equal(ended.done!.usage.completionTokens, TOKENS, where);
      paused += ended.done!.report?.pauses ?? 0;
    });
    const faults = async () => {
      for (let i = 0; i < 4; i++) {
        await w.wait(random() * 1_200);
        await w.kill(w.current!, random() < 0.3 ? 0 : random() * 1_500);
        await w.wait(random() * 2_000);
        w.serve(1 + Math.floor(random() * 4));
      }
    };
    await sim.until(Promise.all([...requests, faults()]));
    await sim.run({ forMs: 15_000 });
    assert.deepEqual(w.actors.filter((kind) => kind === "generation"), [], `seed ${seed}`);
  }
  assert.ok(paused > 40, `only ${paused} pauses: the faults hit nothing`);
});

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
  assert.ok(waited > 55_000 && waited < 65_000, `${waited} ms`);
});
