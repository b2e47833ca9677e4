/**
 * Layers move to other nodes while requests run: nothing is begun anew, no request fails, and every
 * text is that of a cluster that stood still. Production actors and gateways over toy engines under
 * seeded schedules. Every seed is another schedule.
 */
import assert from "node:assert/strict";
import { hasCode, samplingSchema, servingNodes } from "../actors/mod.ts";
import { toyTokens } from "./support/generation_world.ts";
import {
  PlacementWorld,
  type PlacementWorldOptions,
  type SimulatedNode,
} from "./support/placement_world.ts";
import { TOY_VOCAB, type ToyEngine } from "./support/toy_engine.ts";

/** Virtual milliseconds in which requests come and layers move. */
const BUSY_MS = 12_000;
const GREEDY = samplingSchema.parse({ temperature: 0 });

/** What became of a run. */
interface Tally {
  answered: number;
  /** Answers that were begun anew on another deployment. */
  pauses: number;
  /** Times that layers moved while requests ran. */
  moves: number;
  /** Deployments that were made. */
  deployments: number;
  failures: string[];
}

type Disturb = (world: PlacementWorld, over: () => boolean) => Promise<void>;

/** A client of one node: long answers, one after the other. */
async function client(world: PlacementWorld, node: SimulatedNode, tally: Tally): Promise<void> {
  while (world.sim.clock.now() < BUSY_MS) {
    await world.sleep(world.random() * 100);
    const prompt = Array.from({ length: 1 + world.int(80) }, (_, i) => (i * 37 + 11) % TOY_VOCAB);
    const count = 10 + world.int(40);
    const at = `${node.name} at ${world.sim.clock.now()} ms`;
    try {
      const { tokens, pauses } = await world.answer(node, prompt, count);
      tally.answered++;
      tally.pauses += pauses;
      const right = tokens.join() === toyTokens(prompt, count, GREEDY).join();
      if (!right) tally.failures.push(`${at}: ${tokens}`);
    } catch (error) {
      // Where nodes die and no backup is left, new requests wait until layers are placed anew.
      if (!hasCode(error, "not_ready")) tally.failures.push(`${at}: ${error}`);
    }
  }
}

/** Runs a seed: nodes n0 to n4, of which n0 and n1 have clients. */
async function run(options: PlacementWorldOptions, disturb: Disturb): Promise<Tally> {
  const world = new PlacementWorld({ cuts: [1, 3], ...options });
  const { sim } = world;
  const tally: Tally = { answered: 0, pauses: 0, moves: 0, deployments: 0, failures: [] };
  const served = new Set<string>();
  const ids = new Set<string>();
  try {
    const [n0, n1] = world.nodes.values();
    const all = [n0, n1, ...["n2", "n3", "n4"].map((name) => world.add(name))];
    await sim.until(Promise.all(all.map((node) => world.join(node))));
    const over = () => sim.clock.now() >= BUSY_MS;
    const watch = async () => {
      while (!over()) {
        await world.sleep(50);
        const { deployment } = await world.status();
        if (!deployment) continue;
        ids.add(deployment.id);
        served.add(`${deployment.id} ${deployment.revision ?? 0}`);
      }
    };
    await sim.until(Promise.all(all.map((node) => world.ready(node))));
    await sim.until(Promise.all([
      disturb(world, over),
      watch(),
      ...[n0, n0, n1].map((node) => client(world, node, tally)),
    ]));
    tally.deployments = ids.size;
    tally.moves = served.size - ids.size;
    if (tally.failures.length > 0) return tally;
    await sim.run({ forMs: 400_000 }); // leases of arenas that were left behind end
    assert.deepEqual(world.crashes, []);
    const { deployment } = await sim.until(world.status());
    assert.ok(deployment, "a deployment serves in the end");
    for (const node of world.nodes.values()) world.assertEngines(node, deployment);
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    world.close(); // real timers
  }

  return tally;
}

async function runAll(
  seeds: number,
  options: Omit<PlacementWorldOptions, "seed">,
  disturb: Disturb,
): Promise<Tally> {
  const all: Tally = { answered: 0, pauses: 0, moves: 0, deployments: 0, failures: [] };
  for (let seed = 1; seed <= seeds; seed++) {
    const tally = await run({ ...options, seed }, disturb);
    for (const key of ["answered", "pauses", "moves", "deployments"] as const) {
      all[key] += tally[key];
    }
    all.failures.push(...tally.failures.map((what) => `seed ${seed}: ${what}`));
  }
  return all;
}

/** Other placements with the same cuts, every second or so. */
const replans: Disturb = async (world, over) => {
  while (!over()) {
    await world.sleep(500 + world.random() * 1_500);
    await world.replan();
  }
};

Deno.test("clusterActor moves layers while requests run, and none of them is begun anew", async () => {
  const { answered, pauses, moves, deployments, failures } = await runAll(4, {}, replans);
  assert.deepEqual(failures, []);
  assert.equal(deployments, 4, "each seed has one deployment from its beginning to its end");
  assert.ok(moves > 15, `${moves} moves`);
  assert.ok(answered > 40, `${answered} answers`);
  assert.equal(pauses, 0, "the stages that stay compute nothing again");
});

Deno.test("clusterActor moves shards of the LM head while requests run", async () => {
  const { pauses, moves, failures } = await runAll(3, { heads: true }, replans);
  assert.deepEqual(failures, []);
  assert.ok(moves > 3, `${moves} moves`);
  assert.equal(pauses, 0);
});

Deno.test("clusterActor has a backup take over from a node that leaves, before that ends", async () => {
  /** One node after the other leaves and comes back. */
  const leaves: Disturb = async (world, over) => {
    for (let next = 5; !over();) {
      const { deployment } = await world.status();
      const serving = servingNodes(deployment!);
      const guests = [...world.nodes.values()].filter(({ name }) => name !== "n0" && name !== "n1");
      const leaver = guests.find(({ name }) => serving.includes(name)) ?? guests[0];
      await world.leave(leaver);
      await world.join(world.add(`n${next++}`));
      await world.sleep(world.random() * 2_000);
    }
  };
  const { answered, pauses, moves, failures } = await runAll(4, { backups: true }, leaves);
  assert.deepEqual(failures, []);
  assert.ok(moves > 10, `${moves} moves`);
  assert.ok(answered > 40, `${answered} answers`);
  assert.equal(pauses, 0);
});

Deno.test("clusterActor fails no request when nodes die to which layers are moving", async () => {
  const deaths: Disturb = async (world, over) => {
    let next = 5;
    const killing = (async () => {
      while (!over()) {
        await world.sleep(1_000 + world.random() * 2_500);
        const guests = [...world.nodes.values()].filter(({ name }) => !["n0", "n1"].includes(name));
        world.kill(guests[world.int(guests.length)]);
        await world.sleep(500);
        await world.join(world.add(`n${next++}`));
      }
    })();
    await Promise.all([killing, replans(world, over)]);
  };
  const { answered, moves, failures } = await runAll(4, { backups: true }, deaths);
  assert.deepEqual(failures, []);
  assert.ok(moves > 8, `${moves} moves`);
  assert.ok(answered > 30, `${answered} answers`);
});

Deno.test("clusterActor moves layers however late the turns of a node come", async () => {
  const late = (node: string) => node === "n2" ? 0.02 : 0.002;
  const { answered, failures } = await runAll(2, { late, lateMs: 2_000, backups: true }, replans);
  assert.deepEqual(failures, []);
  assert.ok(answered > 15, `${answered} answers`);
});

Deno.test("PlacementWorld shows wrong texts where KV is not rebuilt at the new node", async () => {
  /** Runs nothing of the frames of a rebuild but the first one's layout. */
  const forgets = (engine: ToyEngine) => {
    const run = engine.run.bind(engine);
    engine.run = (frame) => {
      if (!frame.rebuild) return run(frame);
      // The rows are there, and are others than those that were lost.
      const { hidden } = frame;
      return run({
        ...frame,
        hidden: hidden && { ...hidden, data: new Uint8Array(hidden.data.length) },
      });
    };
  };
  const { failures } = await run({ seed: 1, engine: forgets }, replans);
  assert.ok(failures.length > 0, "wrong texts are found");
});
