/**
 * Stages with ONNX Runtime that are lost and replaced in place, or whose engine refuses a frame:
 * tokens and log-probabilities are those of a pipeline that lost nothing.
 */
import assert from "node:assert/strict";
import { OrreryError, samplingSchema, type StageEngine } from "../actors/mod.ts";
import { buildStageGraph } from "../models/mod.ts";
import { evenSplit } from "../planner/mod.ts";
import { loadEngine } from "../runtime/engine/mod.ts";
import { withFixture } from "./support/architecture_fixtures.ts";
import { promptOf } from "./support/arbiter_world.ts";
import { Fixture, TOLERANCE } from "./support/engine_fixture.ts";
import { RebuildWorld } from "./support/rebuild_world.ts";

const TOKENS = 24;
/** Tokens of the smallest vocabulary here. */
const VOCAB = 199;
/** Tokens before stages are lost. */
const BEFORE = 9;

type Answers = Awaited<ReturnType<RebuildWorld["answers"]>>;

const prompt = (length: number, salt?: number) =>
  promptOf(length, salt).map((token) => token % VOCAB);

/** Loads a stage of these layers. */
type Load = (firstLayer: number, lastLayer: number) => Promise<StageEngine>;

/**
 * Engines that refuse one of their frames, with this number from 0, as a library may that finds
 * something wrong; the stage then loads another one.
 */
function refusing(number: number): (engine: StageEngine) => StageEngine {
  const error = { group: "engine", code: "engine_failed", message: "it is refused" };
  let frames = 0;
  return (engine) => {
    const run = engine.run.bind(engine);
    engine.run = (frame, signal) =>
      frames++ === number ? Promise.reject(new OrreryError(error)) : run(frame, signal);
    return engine;
  };
}

/**
 * Compares answers of three stages, of which some are lost or the middle one refuses a frame, with
 * those of three that stay.
 */
async function assertSameWithout(load: Load, layers: number, losses: number[][]): Promise<void> {
  const ranges = evenSplit(layers, 3);
  const answers = async (lost: number[], refused?: number): Promise<Answers> => {
    const refuse = refused === undefined ? undefined : refusing(refused);
    await using world = new RebuildWorld({
      stages: 3,
      wire: "f32",
      capacityRows: 512,
      load: async (i): Promise<StageEngine> => {
        const engine = await load(ranges[i].first, ranges[i].last);
        return refuse && i === 1 ? refuse(engine) : engine;
      },
    });
    const backups = new Map<number, string>();
    for (const stage of lost) backups.set(stage, await world.backup(stage));
    const sampling = samplingSchema.parse({ temperature: 2, seed: 5, top_logprobs: 3 });
    const prompts = [
      { prompt: prompt(70), sampling: samplingSchema.parse({ top_logprobs: 3 }) },
      { prompt: prompt(33, 1), sampling },
    ];
    const given = await world.answers(prompts, {
      count: TOKENS,
      at: BEFORE,
      act: () => lost.length > 0 ? world.lose(backups) : undefined,
    });
    const { rebuilds } = await world.stats();
    assert.equal(rebuilds, lost.length > 0 || refused !== undefined ? 1 : 0);
    return given;
  };
  const expected = await answers([]);
  assert.ok(new Set(expected.flat().map(({ token }) => token)).size > 10);
  const others: [lost: number[], refused?: number][] = [
    ...losses.map((lost): [number[]] => [lost]),
    [[], 1],
    [[], BEFORE],
  ];
  for (const [lost, refused] of others) {
    const found = await answers(lost, refused);
    for (const [i, answer] of found.entries()) {
      assert.deepEqual(
        answer.map(({ token }) => token),
        expected[i].map(({ token }) => token),
        refused === undefined ? `without stages ${lost}` : `frame ${refused} is refused`,
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
}

Deno.test("arbiterActor.replaced and arbiterActor.failed give the tokens and log-probabilities of a pipeline that lost nothing, with ONNX Runtime in f32", async () => {
  await using fixture = await Fixture.make({ layers: 6 });
  await assertSameWithout((first, last) => fixture.engine(first, last), 6, [
    [0],
    [1],
    [2],
    [0, 1],
    [1, 2],
    [0, 2],
  ]);
});

for (const name of ["lfm2", "granite4_states"]) {
  Deno.test(`arbiterActor.replaced rebuilds stages of ${name} too`, async () => {
    await withFixture(name, "f32", async ({ manifest, blobDir }) => {
      const { geometry } = manifest;
      const load: Load = async (firstLayer, lastLayer) => {
        const graph = await buildStageGraph(manifest, { firstLayer, lastLayer, blobDir });
        return await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 1 << 24 });
      };
      await assertSameWithout(load, geometry.layers, [[1], [0, 2]]);
    });
  });
}
