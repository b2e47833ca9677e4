/**
 * A placement that takes over fails no request: nodes join, leave and are placed anew while all of
 * them answer, on machines so busy that turns come seconds late.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClusterStatus, hasCode, parseAddress, samplingSchema } from "../../actors/mod.ts";
import { DeploymentHost } from "../../runtime/cluster/mod.ts";
import { LAYERS, toyTokens } from "../support/generation_world.ts";
import {
  PlacementWorld,
  type PlacementWorldOptions,
  type SimulatedNode,
} from "../support/placement_world.ts";
import { TOY_VOCAB } from "../support/toy_engine.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

/** Virtual milliseconds in which requests come and layers move. */
const BUSY_MS = 25_000;
/** Virtual milliseconds for which turns still come late after that, and then do not. */
const LATE_MS = 60_000;
/**
 * Layers are placed anew a minute after they were repaired, or could not be placed: so long, and a
 * little for what is then loaded and retired.
 */
const CALM_MS = 90_000;
const GREEDY = samplingSchema.parse({ temperature: 0 });

/** What became of a run's requests. */
interface Tally {
  answered: number;
  /** Refused because nothing served for 30 s: `not_ready`. */
  refused: number;
  failures: string[];
}

/** A client of one node: one request after the other until `over`. */
async function client(
  world: PlacementWorld,
  node: SimulatedNode,
  { tally, over }: { tally: Tally; over: () => boolean },
): Promise<void> {
  while (!over()) {
    await world.sleep(world.random() * 400);
    const prompt = Array.from({ length: 1 + world.int(20) }, (_, i) => (i * 37 + 11) % TOY_VOCAB);
    const count = 1 + world.int(8);
    try {
      const tokens = await world.ask(node, prompt, count);
      tally.answered++;
      const expected = toyTokens(prompt, count, GREEDY);
      if (tokens.join() !== expected.join()) {
        tally.failures.push(`${node.name} at ${world.sim.clock.now()}: ${tokens}, not ${expected}`);
      }
    } catch (error) {
      if (hasCode(error, "not_ready")) tally.refused++;
      else tally.failures.push(`${node.name} at ${world.sim.clock.now()}: ${error}`);
    }
  }
}

/** Joins, leaves and placements at random times under continuous requests. */
async function busy(world: PlacementWorld): Promise<Tally> {
  const { sim } = world;
  const tally: Tally = { answered: 0, refused: 0, failures: [] };
  const over = () => sim.clock.now() > BUSY_MS;
  const [n0, n1] = world.nodes.values();
  await Promise.all([world.join(n0), world.join(n1)]);
  await Promise.all([world.ready(n0), world.ready(n1)]);
  const clients = (node: SimulatedNode, done = over) =>
    Promise.all([1, 2].map(() => client(world, node, { tally, over: done })));
  /** A node that comes, answers for a while and goes. */
  const guest = async (name: string) => {
    await world.sleep(world.random() * BUSY_MS / 2);
    const node = world.add(name);
    await world.join(node);
    await world.ready(node);
    let leaves = false;
    const working = clients(node, () => leaves || over());
    await world.sleep(world.random() * BUSY_MS / 2);
    leaves = true;
    await working;
    if (world.random() < 0.7) await world.leave(node);
  };
  const replans = async () => {
    while (!over()) {
      await world.sleep(500 + world.random() * 5_000);
      await world.replan();
    }
  };
  await Promise.all([clients(n0), clients(n1), guest("n2"), guest("n3"), replans()]);
  return tally;
}

/** Every node answers a request in the end. */
async function answersEverywhere(world: PlacementWorld, failures: string[]): Promise<void> {
  for (const node of world.nodes.values()) {
    const tokens = await world.ask(node, [3], 2).catch((error) => [`${error}`]);
    const expected = toyTokens([3], 2, GREEDY);
    if (tokens.join() !== expected.join()) {
      failures.push(`${node.name} in the end: ${tokens}, not ${expected}`);
    }
  }
}

/** Nothing is left of old deployments. */
function assertTidy(world: PlacementWorld, { deployment }: ClusterStatus): void {
  assert.ok(deployment, "a deployment serves in the end");
  for (const node of world.nodes.values()) {
    const { name, system } = node;
    world.assertEngines(node, deployment);
    for (const { address } of system.status()) {
      const { kind, deployment: id } = parseAddress(address);
      if (kind !== "stage" && kind !== "head" && kind !== "arbiter") continue;
      assert.equal(id, deployment.id, `${address} is left at ${name}`);
    }
  }
}

async function run(options: PlacementWorldOptions, tight = false): Promise<SeedReport> {
  const world = new PlacementWorld(options);
  const { sim } = world;
  const report = await reportOf(sim, async () => {
    const { failures, answered, refused } = await sim.until(busy(world));
    // As long as turns are late, a node may fall silent at any moment, and others stand in for it: no
    // moment is the last of these moves. So they go on for a while without requests, then all turns
    // are in time.
    await sim.run({ forMs: LATE_MS });
    world.late = () => 0;
    await sim.run({ forMs: CALM_MS });
    await sim.until(answersEverywhere(world, failures));
    assert.equal(failures.join("; "), "", `failed: ${failures[0]}`);
    assert.deepEqual(world.crashes, []);
    const status: ClusterStatus = await sim.until(world.status());
    assertTidy(world, status);
    // Where nodes must make room, busy ones may take longer than requests are held for.
    const most = tight ? 3 + answered / 20 : 0;
    assert.ok(refused <= most, `${refused} requests were refused, of ${answered + refused}`);
    const placements = Number(status.deployment!.id.split("-")[1]);
    return { answers: answered, placements, ...(tight && { refusals: refused }) };
  });
  world.close(); // real timers
  return report;
}

/** Turns of one node often come seconds late, those of others seldom. */
const late = (seed: number) => (node: string) => node === `n${seed % 3}` ? 0.1 : 0.005;

/**
 * See the module's text. In one seed of three nodes share the LM head, in another one nodes must make
 * room before layers move: then requests are held for a while.
 */
export const PLACEMENT: SimulationArea = {
  name: "placement",
  promise: "no request fails when a placement takes over, and nothing is left of old ones",
  share: 8,
  run: (seed) => {
    const kind = Math.floor(seed / 3) % 3;
    return run({
      ...{ seed, late: late(seed), heads: kind === 1 },
      ...(kind === 2 && { layersPerNode: LAYERS }),
    }, kind === 2);
  },
  least: { answers: 15, placements: 2.5 },
  broken: [
    {
      name: "a stage that is retired keeps its engine",
      shows: /engines are loaded|is left at|came to rest/,
      seeds: seedsFrom(0, 6),
      run: (seed) =>
        withMethods(
          DeploymentHost,
          { retire: () => Promise.resolve() },
          () => run({ seed, late: late(seed) }),
        ),
    },
  ],
};
