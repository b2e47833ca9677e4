/**
 * Layers move to other nodes while requests run: nothing is begun anew, no request fails, and every
 * text is that of a cluster that stood still. Nodes are placed anew, leave, die or are late meanwhile.
 *
 * @module
 */
import assert from "node:assert/strict";
import { LostStages } from "../../actors/arbiter/lost_stages.ts";
import { Adoption } from "../../actors/cluster/adoption.ts";
import { hasCode, samplingSchema, servingNodes } from "../../actors/mod.ts";
import { MovingParts } from "../../runtime/cluster/moving_parts.ts";
import { toyTokens } from "../support/generation_world.ts";
import {
  PlacementWorld,
  type PlacementWorldOptions,
  type SimulatedNode,
} from "../support/placement_world.ts";
import { TOY_VOCAB, type ToyEngine } from "../support/toy_engine.ts";
import { withMethods } from "../support/with_methods.ts";
import { KeptStates, MIXED_STATES } from "./mixed_states.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

/** Virtual milliseconds in which requests come and layers move. */
const BUSY_MS = 12_000;
/** Virtual milliseconds after which leases of arenas that were left behind have ended. */
const LEASES_MS = 400_000;
const GREEDY = samplingSchema.parse({ temperature: 0 });

/** What became of a run's requests. */
interface Tally {
  answers: number;
  /** Answers that were begun anew on another deployment. */
  pauses: number;
  failures: string[];
}

/** A client of one node: long answers, one after the other. */
async function client(world: PlacementWorld, node: SimulatedNode, tally: Tally): Promise<void> {
  while (world.sim.clock.now() < BUSY_MS) {
    await world.sleep(world.random() * 100);
    const prompt = Array.from({ length: 1 + world.int(80) }, (_, i) => (i * 37 + 11) % TOY_VOCAB);
    const count = 10 + world.int(40);
    const at = `${node.name} at ${Math.round(world.sim.clock.now())} ms`;
    try {
      const { tokens, pauses } = await world.answer(node, prompt, count);
      tally.answers++;
      tally.pauses += pauses;
      const right = tokens.join() === toyTokens(prompt, count, GREEDY).join();
      if (!right) tally.failures.push(`${at}: other tokens: ${tokens}`);
    } catch (error) {
      // Where nodes die and no backup is left, new requests wait until layers are placed anew.
      if (!hasCode(error, "not_ready")) tally.failures.push(`${at}: ${error}`);
    }
  }
}

/** Nodes with clients stay: these may go. */
const guests = (world: PlacementWorld): SimulatedNode[] =>
  [...world.nodes.values()].filter(({ name }) => name !== "n0" && name !== "n1");

/** Other placements with the same cuts, every second or so. */
async function replans(world: PlacementWorld, over: () => boolean): Promise<void> {
  while (!over()) {
    await world.sleep(500 + world.random() * 1_500);
    await world.replan();
  }
}

/** One node after the other leaves, and another one comes. */
async function leaves(world: PlacementWorld, over: () => boolean): Promise<void> {
  for (let next = 5; !over();) {
    const { deployment } = await world.status();
    const serving = servingNodes(deployment!);
    const all = guests(world);
    await world.leave(all.find(({ name }) => serving.includes(name)) ?? all[0]);
    await world.join(world.add(`n${next++}`));
    await world.sleep(world.random() * 2_000);
  }
}

/** Nodes die, to some of which layers are moving, and others come. */
async function deaths(world: PlacementWorld, over: () => boolean): Promise<void> {
  const killing = (async () => {
    for (let next = 5; !over();) {
      await world.sleep(1_000 + world.random() * 2_500);
      const all = guests(world);
      world.kill(all[world.int(all.length)]);
      await world.sleep(500);
      await world.join(world.add(`n${next++}`));
    }
  })();
  await Promise.all([killing, replans(world, over)]);
}

/** Why layers move. */
interface Kind {
  options?: Omit<PlacementWorldOptions, "seed">;
  disturb(world: PlacementWorld, over: () => boolean): Promise<void>;
  /** Is no answer begun anew on another deployment? */
  seamless: boolean;
  /** Does one deployment serve from beginning to end? */
  lasting: boolean;
}

const KINDS: Kind[] = [
  { disturb: replans, seamless: true, lasting: true },
  { disturb: replans, options: { heads: true }, seamless: true, lasting: false },
  { disturb: leaves, options: { backups: true }, seamless: true, lasting: false },
  { disturb: deaths, options: { backups: true }, seamless: false, lasting: false },
  {
    disturb: replans,
    options: {
      late: (node) => node === "n2" ? 0.02 : 0.002,
      lateMs: 2_000,
      backups: true,
    },
    seamless: false,
    lasting: false,
  },
];
/** The kind in which nodes leave. */
const LEAVES = 2;

/** Nodes n0 to n4, of which n0 and n1 have clients. */
async function busy(world: PlacementWorld, disturb: Kind["disturb"]) {
  const { sim } = world;
  const tally: Tally = { answers: 0, pauses: 0, failures: [] };
  /** Revisions of deployments that served, and deployments. */
  const [served, ids] = [new Set<string>(), new Set<string>()];
  const [n0, n1] = world.nodes.values();
  const all = [n0, n1, ...["n2", "n3", "n4"].map((name) => world.add(name))];
  await Promise.all(all.map((node) => world.join(node)));
  await Promise.all(all.map((node) => world.ready(node)));
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
  await Promise.all([
    disturb(world, over),
    watch(),
    ...[n0, n0, n1].map((node) => client(world, node, tally)),
  ]);
  return { ...tally, deployments: ids.size, moves: served.size - ids.size };
}

async function run(
  seed: number,
  { kind = seed % KINDS.length, ...others }:
    & { kind?: number }
    & Omit<PlacementWorldOptions, "seed"> = {},
): Promise<SeedReport> {
  const { options, disturb, seamless, lasting } = KINDS[kind];
  const world = new PlacementWorld({ cuts: [1, 3], ...options, ...others, seed });
  const { sim } = world;
  const report = await reportOf(sim, async () => {
    const { answers, pauses, failures, deployments, moves } = await sim.until(busy(world, disturb));
    assert.equal(failures.join("; "), "", `failed: ${failures[0]}`);
    if (seamless) assert.equal(pauses, 0, `${pauses} answers were begun anew`);
    if (lasting) assert.equal(deployments, 1, `${deployments} deployments served`);
    await sim.run({ forMs: LEASES_MS });
    assert.deepEqual(world.crashes, []);
    const { deployment } = await sim.until(world.status());
    assert.ok(deployment, "no deployment serves in the end");
    for (const node of world.nodes.values()) world.assertEngines(node, deployment);
    return { answers, moves };
  });
  world.close(); // real timers
  return report;
}

/** Rows of a rebuild are there, and are others than those that were lost. */
function forgetsStates(engine: ToyEngine): void {
  const run = engine.run.bind(engine);
  engine.run = (frame) => {
    const { hidden, rebuild } = frame;
    if (!rebuild || !hidden) return run(frame);
    return run({ ...frame, hidden: { ...hidden, data: new Uint8Array(hidden.data.length) } });
  };
}

const { learn } = MovingParts.prototype;

/** See the module's text. Of five seeds each has another {@linkcode Kind}. */
export const MOVES: SimulationArea = {
  name: "moves",
  promise: "layers move while requests run, and none of them fails or is answered otherwise",
  share: 2,
  run: (seed) => run(seed),
  least: { answers: 8, moves: 1.5 },
  broken: [
    {
      name: "a node to which layers move computes rebuilt rows from other states",
      shows: /other tokens/,
      seeds: seedsFrom(0, 6),
      run: (seed) => run(seed, { engine: forgetsStates }),
    },
    {
      name: "a stage gives the states that it has kept in another order",
      shows: /other tokens/,
      seeds: seedsFrom(0, 6),
      run: (seed) => withMethods(KeptStates, MIXED_STATES, () => run(seed)),
    },
    {
      name: "a node keeps the engines of layers that have moved away",
      shows: /engines are loaded/,
      seeds: seedsFrom(0, 6),
      run: (seed) =>
        withMethods(MovingParts, {
          learn(this: MovingParts, _before, after) {
            learn.call(this, undefined, after);
          },
        }, () => run(seed, { kind: 0 })),
    },
    {
      name: "arbiters do not hear that stages have moved",
      shows: /were begun anew/,
      seeds: seedsFrom(0, 6),
      run: (seed) => withMethods(LostStages, { replaced() {} }, () => run(seed, { kind: 0 })),
    },
    {
      name: "a node that leaves is not told that others have its layers",
      shows: /came to rest/,
      seeds: seedsFrom(0, 3),
      run: (seed) => withMethods(Adoption, { handedOver() {} }, () => run(seed, { kind: LEAVES })),
    },
  ],
};
