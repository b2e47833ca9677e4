/**
 * Nodes die while requests are answered, and the plan names backups: the deployment is repaired, and
 * every answer is that of a cluster that lost nothing.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Deployment, samplingSchema } from "../../actors/mod.ts";
import { toyTokens } from "../support/generation_world.ts";
import { PlacementWorld, type SimulatedNode } from "../support/placement_world.ts";
import { TOY_VOCAB } from "../support/toy_engine.ts";
import { KeptStates, MIXED_STATES } from "./mixed_states.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

/** Virtual milliseconds in which requests come. */
const BUSY_MS = 20_000;
const GREEDY = samplingSchema.parse({ temperature: 0 });

async function client(world: PlacementWorld, node: SimulatedNode): Promise<number> {
  let answered = 0;
  while (world.sim.clock.now() < BUSY_MS) {
    await world.sleep(world.random() * 200);
    const prompt = Array.from({ length: 1 + world.int(60) }, (_, i) => (i * 37 + 11) % TOY_VOCAB);
    const count = 1 + world.int(30);
    const tokens = await world.ask(node, prompt, count);
    const expected = toyTokens(prompt, count, GREEDY);
    assert.equal(tokens.join(), expected.join(), `other tokens at ${world.sim.clock.now()} ms`);
    answered++;
  }
  return answered;
}

/** Kills nodes without clients or cuts them off for a while, and adds others. Returns the deployments that served. */
async function deaths(
  world: PlacementWorld,
  victims: SimulatedNode[],
): Promise<{ served: Deployment[]; cuts: number }> {
  const served = new Map<string, Deployment>();
  let [next, cuts] = [4, 0];
  const look = async () => {
    const { deployment } = await world.status();
    if (deployment) served.set(`${deployment.id} ${deployment.revision ?? 0}`, deployment);
  };
  while (world.sim.clock.now() < BUSY_MS - 5_000) {
    for (let i = 0; i < 10; i++) {
      await world.sleep(world.random() * 400);
      await look();
    }
    if (victims.length > 0 && world.random() < 0.5) {
      await world.cutOff(victims[world.int(victims.length)], 1_500 + world.random() * 2_500);
      cuts++;
      await world.sleep(1_000);
      await look();
      continue;
    }
    const [victim] = victims.splice(world.int(victims.length), 1);
    if (victim) world.kill(victim);
    await world.sleep(1_500);
    await look();
    const node = world.add(`n${next++}`);
    await world.join(node);
    victims.push(node);
  }
  return { served: [...served.values()], cuts };
}

async function run(seed: number): Promise<SeedReport> {
  const world = new PlacementWorld({ seed, backups: true, heads: seed % 2 === 0 });
  const { sim } = world;
  const report = await reportOf(sim, async () => {
    const [n0, n1] = world.nodes.values();
    const victims = ["n2", "n3"].map((name) => world.add(name));
    await sim.until(Promise.all([n0, n1, ...victims].map((node) => world.join(node))));
    await sim.until(Promise.all([world.ready(n0), world.ready(n1)]));
    const [{ served, cuts }, ...counts] = await sim.until(Promise.all([
      deaths(world, victims),
      ...[n0, n0, n1].map((node) => client(world, node)),
    ]));
    assert.deepEqual(world.crashes, []);
    const repairs = served.filter(({ revision = 0 }) => revision > 0).length;
    return { answers: counts.reduce((a, b) => a + b), repairs, cuts };
  });
  world.close(); // real timers
  return report;
}

/** See the module's text. */
export const REPAIR: SimulationArea = {
  name: "repair",
  promise:
    "a deployment whose nodes die is repaired, and no request fails or is answered otherwise",
  share: 2,
  run,
  least: { answers: 25, repairs: 0.6 },
  broken: [{
    name: "a stage gives the states that it has kept in another order",
    shows: /other tokens/,
    seeds: seedsFrom(0, 12),
    run: (seed) => withMethods(KeptStates, MIXED_STATES, () => run(seed)),
  }],
};
