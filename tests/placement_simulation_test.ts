/**
 * A placement that takes over fails no request: nodes join, leave and are placed anew while all of
 * them answer, on machines so busy that turns come seconds late. Every seed is another schedule.
 */
import assert from "node:assert/strict";
import { type ClusterStatus, hasCode, parseAddress, samplingSchema } from "../actors/mod.ts";
import { LAYERS, toyTokens } from "./support/generation_world.ts";
import {
  PlacementWorld,
  type PlacementWorldOptions,
  type SimulatedNode,
} from "./support/placement_world.ts";
import { TOY_VOCAB } from "./support/toy_engine.ts";

/** Virtual milliseconds in which requests come and layers move. */
const BUSY_MS = 25_000;
const GREEDY = samplingSchema.parse({ temperature: 0 });

/** What became of a run's requests. */
interface Tally {
  answered: number;
  /** Refused because nothing served for 30 s: `not_ready`. */
  refused: number;
  failures: string[];
  /** Deployments that were made. */
  placements: number;
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
async function run(world: PlacementWorld): Promise<Tally> {
  const { sim } = world;
  const tally: Tally = { answered: 0, refused: 0, failures: [], placements: 0 };
  const over = () => sim.clock.now() > BUSY_MS;
  const [n0, n1] = world.nodes.values();
  await Promise.all([world.join(n0), world.join(n1)]);
  const ready = async ({ gateway }: SimulatedNode) => {
    while (!gateway.readiness().ready) await world.sleep(100);
  };
  await Promise.all([ready(n0), ready(n1)]);
  const clients = (node: SimulatedNode, done = over) =>
    Promise.all([1, 2].map(() => client(world, node, { tally, over: done })));
  /** A node that comes, answers for a while and goes. */
  const guest = async (name: string) => {
    await world.sleep(world.random() * BUSY_MS / 2);
    const node = world.add(name);
    await world.join(node);
    await ready(node);
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

/** Runs a seed and checks that no request failed and that nothing is left of old deployments. */
async function check(options: PlacementWorldOptions): Promise<Tally> {
  const world = new PlacementWorld(options);
  const { sim } = world;
  try {
    const tally = await sim.until(run(world));
    // A node that left without stages may have left an arena behind: its lease of 300 s ends it.
    await sim.run({ forMs: 400_000 });
    assert.deepEqual(tally.failures, []);
    assert.deepEqual(world.crashes, []);
    const { deployment }: ClusterStatus = await sim.until(world.status());
    assert.ok(deployment, "a deployment serves in the end");
    for (const { name, system, engines } of world.nodes.values()) {
      const mine: number = deployment.stages.filter((s) => s.node === name).length;
      assert.equal(engines.filter((e) => !e.disposed).length, mine, `engines at ${name}`);
      for (const { address } of system.status()) {
        const { kind, deployment: id } = parseAddress(address);
        if (kind !== "stage" && kind !== "head" && kind !== "arbiter") continue;
        assert.equal(id, deployment.id, `${address} at ${name}`);
      }
    }
    tally.placements = Number(deployment.id.split("-")[1]);
    return tally;
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    world.close(); // real timers
  }
}

/** Runs seeds in which turns of one node often come seconds late, those of others seldom. */
async function checkAll(
  seeds: number,
  options: Omit<PlacementWorldOptions, "seed" | "late"> = {},
): Promise<Omit<Tally, "failures">> {
  const all = { answered: 0, refused: 0, placements: 0 };
  for (let seed = 0; seed < seeds; seed++) {
    const busy = `n${seed % 3}`;
    const late = (node: string) => node === busy ? 0.1 : 0.005;
    const tally = await check({ ...options, seed, late });
    for (const key of ["answered", "refused", "placements"] as const) all[key] += tally[key];
  }
  return all;
}

Deno.test("clusterActor fails no request when a placement takes over, however late turns come", async () => {
  const { answered, refused, placements } = await checkAll(16);
  assert.ok(answered > 500, `${answered} answers`);
  assert.ok(placements > 60, `${placements} placements`);
  assert.equal(refused, 0, "what served before serves until the next one does");
});

Deno.test("clusterActor fails no request when the LM head moves too", async () => {
  const { answered, refused, placements } = await checkAll(8, { heads: true });
  assert.ok(answered > 150, `${answered} answers`);
  assert.ok(placements > 30, `${placements} placements`);
  assert.equal(refused, 0, "what served before serves until the next one does");
});

Deno.test("clusterActor waits for the requests that run, when nodes must make room for a placement", async () => {
  const { answered, refused, placements } = await checkAll(20, { layersPerNode: LAYERS });
  assert.ok(answered > 300, `${answered} answers`);
  assert.ok(placements > 60, `${placements} placements`);
  // Busy nodes may take longer than requests are held for; one in forty at most waits in vain.
  assert.ok(refused < answered / 40, `${refused} requests were held while layers moved, in vain`);
});
