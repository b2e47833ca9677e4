/**
 * Stages with ONNX Runtime that are lost and replaced in place: tokens and log-probabilities are
 * those of a pipeline that lost nothing.
 */
import assert from "node:assert/strict";
import { samplingSchema, type StageEngine } from "../actors/mod.ts";
import { evenSplit } from "../planner/mod.ts";
import { promptOf } from "./support/arbiter_world.ts";
import { Fixture, TOLERANCE } from "./support/engine_fixture.ts";
import { RebuildWorld } from "./support/rebuild_world.ts";

const TOKENS = 24;
/** Tokens before stages are lost. */
const BEFORE = 9;

type Answers = Awaited<ReturnType<RebuildWorld["answers"]>>;

Deno.test("arbiterActor.replaced gives the tokens and log-probabilities of a pipeline that lost nothing, with ONNX Runtime in f32", async () => {
  await using fixture = await Fixture.make({ layers: 6 });
  const ranges = evenSplit(6, 3);
  const answers = async (lost: number[]): Promise<Answers> => {
    await using world = new RebuildWorld({
      stages: 3,
      wire: "f32",
      capacityRows: 512,
      load: (i): Promise<StageEngine> => fixture.engine(ranges[i].first, ranges[i].last),
    });
    const backups = new Map<number, string>();
    for (const stage of lost) backups.set(stage, await world.backup(stage));
    const sampling = samplingSchema.parse({ temperature: 2, seed: 5, top_logprobs: 3 });
    const prompts = [
      { prompt: promptOf(70), sampling: samplingSchema.parse({ top_logprobs: 3 }) },
      { prompt: promptOf(33, 1), sampling },
    ];
    return await world.answers(prompts, {
      count: TOKENS,
      at: BEFORE,
      act: () => lost.length > 0 ? world.lose(backups) : undefined,
    });
  };
  const expected = await answers([]);
  assert.ok(new Set(expected.flat().map(({ token }) => token)).size > 10);
  for (const lost of [[0], [1], [2], [0, 1], [1, 2], [0, 2]]) {
    const found = await answers(lost);
    for (const [i, answer] of found.entries()) {
      assert.deepEqual(
        answer.map(({ token }) => token),
        expected[i].map(({ token }) => token),
        `without stages ${lost}`,
      );
      for (const [k, { top }] of answer.entries()) {
        for (const [j, [token, logprob]] of top!.entries()) {
          const [wanted, exact] = expected[i][k].top![j];
          assert.equal(token, wanted);
          assert.ok(Math.abs(logprob - exact) < TOLERANCE, `${logprob}, ${exact}`);
        }
      }
    }
  }
});
