/**
 * Requests whose stages die go on with the deployment that takes over, to the token: the production's
 * gateway, generations, arbiters and stages.
 *
 * @module
 */
import assert from "node:assert/strict";
import { samplingSchema, toOrreryError } from "../../actors/mod.ts";
import { Lane } from "../../actors/generation/lane.ts";
import { PipelineRecovery } from "../../actors/generation/pipeline_recovery.ts";
import { prompt, toyTokens } from "../support/generation_world.ts";
import { RecoveryWorld } from "../support/recovery_world.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

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

/** Six requests, and four nodes that die while they run. */
function run(seed: number): Promise<SeedReport> {
  const w = new RecoveryWorld(seed);
  const { random, sim } = w;
  return reportOf(sim, async () => {
    let pauses = 0;
    w.serve(1 + Math.floor(random() * 4));
    const requests = Array.from({ length: 6 }, async (_, i) => {
      await w.wait(random() * 1_500);
      const tokens = PROMPTS[i % PROMPTS.length];
      const kind = KINDS[i % KINDS.length];
      const expected = toyTokens(tokens, TOKENS, kind.sampling);
      const ended = await w.ask({ prompt: { kind: "tokens", tokens }, maxTokens: TOKENS, ...kind });
      const where = `request ${i}`;
      assert.equal(ended.error, undefined, `${where}: ${toOrreryError(ended.error).message}`);
      assert.equal(ended.tokens.join(), expected.join(), `${where}: other tokens`);
      assert.equal(ended.done!.usage.completionTokens, TOKENS, where);
      pauses += ended.done!.report?.pauses ?? 0;
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
    const left = w.actors.filter((kind) => kind === "generation");
    assert.equal(left.length, 0, `${left.length} generations are left`);
    return { answers: requests.length, pauses };
  });
}

const { replay } = Lane.prototype;

/** See the module's text. */
export const RECOVERY: SimulationArea = {
  name: "recovery",
  promise: "every request ends once, with the undisturbed text, whenever nodes die",
  share: 10,
  run,
  least: { answers: 6, pauses: 1 },
  broken: [
    {
      name: "an answer that goes on tells its last token again",
      shows: /other tokens/,
      seeds: seedsFrom(0, 10),
      run: (seed) =>
        withMethods(Lane, {
          replay(this: Lane, tokens, told) {
            return replay.call(this, tokens, Math.max(0, told - 1));
          },
        }, () => run(seed)),
    },
    {
      name: "an answer that goes on forgets what was generated and not yet told",
      shows: /other tokens/,
      seeds: seedsFrom(0, 10),
      run: (seed) =>
        withMethods(Lane, {
          replay(this: Lane, tokens) {
            return replay.call(this, tokens, tokens.length + 1);
          },
          // One token is generated for nothing: that which the client is not told.
          generatedFrom(this: Lane, index) {
            return this.tokens.slice(this.promptTokens + index + 1);
          },
        }, () => run(seed)),
    },
    {
      name: "a request whose pipeline is lost fails with it",
      shows: /request \d: .*(lost|gone|silent|stopped|failed)/,
      seeds: seedsFrom(0, 10),
      run: (seed) => withMethods(PipelineRecovery, { takes: () => false }, () => run(seed)),
    },
  ],
};
