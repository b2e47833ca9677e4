/**
 * Stages and shards that are lost and replaced in place, at random moments, with any memory and
 * latency: every token of random trees is that of a pipeline which lost nothing.
 *
 * @module
 */
import assert from "node:assert/strict";
import { OrreryError, seededRandom } from "../../actors/mod.ts";
import { arbiterWorld, promptOf, randomTree } from "../support/arbiter_world.ts";
import { KeptStates, MIXED_STATES } from "./mixed_states.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

type World = ReturnType<typeof arbiterWorld>;

/** Why stages are lost here. */
export const GONE = new OrreryError({
  group: "cluster",
  code: "node_lost",
  message: "a node is gone",
});

const indices = (names: readonly string[], kind: string) =>
  names.filter((name) => name[0] === kind).map((name) => Number(name.slice(1)));

/** Ends these nodes, gives their actors new ones after a while, and tells the arbiter. */
export async function loseParts(
  world: World,
  names: readonly string[],
  { downMs = 50, told = true }: { downMs?: number; told?: boolean } = {},
): Promise<void> {
  const { api, arbiter } = world;
  for (const name of names) world.crash(name);
  if (told) await api.tell(arbiter, { type: "lost", error: GONE.toWire(), held: true });
  await later(world, downMs);
  for (const name of names) world.move(name);
  await api.tell(arbiter, {
    type: "replaced",
    stages: indices(names, "s"),
    heads: indices(names, "h"),
  });
}

/** After a while. */
const later = (world: World, ms: number) =>
  new Promise<void>((resolve) => world.sim.clock.after(ms, resolve));

function run(seed: number): Promise<SeedReport> {
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  const stages = 1 + int(4);
  const shards = [0, 0, 2][int(3)];
  const world = arbiterWorld({
    stages,
    shards,
    seed,
    capacityRows: 320 + int(800),
    latencyMs: { min: 0.1, max: [1, 8, 40][int(3)] },
    ...(random() < 0.5 && {
      budgetRows: Array.from({ length: stages }, () => 300 + int(700)),
    }),
    arbiter: { silenceMs: 60_000 },
  });
  const { sim } = world;
  return reportOf(sim, async () => {
    const trees = Promise.all([0, 1, 2].map((i) =>
      randomTree(world.client(`g${i}`), {
        random,
        prompt: promptOf(5 + int(60), i % 2),
        steps: 25,
      })
    ));
    const names = [
      ...Array.from({ length: stages }, (_, i) => `s${i}`),
      ...Array.from({ length: shards }, (_, i) => `h${i}`),
    ];
    const losses = (async () => {
      for (let n = 1 + int(3); n > 0; n--) {
        await later(world, int(1_500));
        const some = names.filter(() => random() < 0.4);
        if (some.length === 0) some.push(names[int(names.length)]);
        await loseParts(world, some, { downMs: int(200), told: random() < 0.5 });
      }
    })();
    await sim.until(Promise.all([trees, losses]));
    const { rebuilds, compactions } = await world.stats();
    assert.equal(world.crashes.join("; "), "", `crashed: ${world.crashes[0]?.message}`);
    await sim.run({ forMs: 30_000 });
    assert.equal((await world.stats()).frames_in_flight, 0, "frames are under way in the end");
    return { rebuilds, compactions };
  });
}

/** See the module's text. */
export const REBUILD: SimulationArea = {
  name: "rebuild",
  promise: "stages and shards that are lost and replaced leave every token as it was",
  share: 10,
  run,
  least: { rebuilds: 0.8, compactions: 0.3 },
  broken: [{
    name: "a stage gives the states that it has kept in another order",
    shows: /token after row/,
    seeds: seedsFrom(0, 30),
    run: (seed) => withMethods(KeptStates, MIXED_STATES, () => run(seed)),
  }],
};
