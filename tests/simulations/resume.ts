/**
 * An answer that goes on elsewhere is the undisturbed one, wherever it was cut, and whether its
 * journal is ahead of what the client has got.
 *
 * @module
 */
import { seededRandom } from "../../actors/mod.ts";
import { Lane } from "../../actors/generation/lane.ts";
import { answer, assertSame, CASES, stateAfter } from "../support/resume_cases.ts";
import { withMethods } from "../support/with_methods.ts";
import { type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

const NAMES = Object.keys(CASES);

async function run(seed: number): Promise<SeedReport> {
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  const name = NAMES[seed % NAMES.length];
  let steps = 0;
  try {
    const first = await answer(CASES[name], { stages: 2 });
    steps += first.steps;
    const { deltas } = first.outcome;
    const cut = int(deltas.length + 1);
    const journalled = cut + (random() < 0.5 ? 0 : int(deltas.length + 1 - cut));
    const before = deltas.slice(0, cut);
    const told = new Map(stateAfter(before).lanes.map((l) => [l.lane, l.told]));
    const state = stateAfter(deltas.slice(0, journalled));
    const lanes = state.lanes.map((l) => ({ ...l, told: told.get(l.lane) ?? 0 }));
    const rest = await answer(CASES[name], {
      ...{ stages: 1 + int(4), seed },
      resumed: journalled === 0 ? undefined : { ...state, scored: cut > 0, lanes },
    });
    steps += rest.steps;
    const where = `${name}, told ${cut}, journalled ${journalled} of ${deltas.length}`;
    assertSame(first.outcome, before, rest.outcome, where);
    return { violations: [], steps, counts: { cut: 1 } };
  } catch (error) {
    return { violations: [(error as Error).message], steps, counts: {} };
  }
}

const { replay } = Lane.prototype;

/** See the module's text. */
export const RESUME: SimulationArea = {
  name: "resume",
  promise: "an answer that goes on at another node is the undisturbed one, wherever it was cut",
  share: 12,
  run,
  least: { cut: 1 },
  broken: [{
    name: "an answer that goes on tells its last token again",
    shows: /another answer/,
    seeds: seedsFrom(0, 5),
    run: (seed) =>
      withMethods(Lane, {
        replay(this: Lane, tokens, told) {
          return replay.call(this, tokens, Math.max(0, told - 1));
        },
      }, () => run(seed)),
  }],
};
