/**
 * A hostile node: it knows every address, sends whatever may be written into an envelope, and takes
 * no answer. Requests of others must not notice.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  ActorSystem,
  type AnyActor,
  anyNode,
  arbiterActor,
  arbiterAddress,
  arenaName,
  CLUSTER,
  clusterActor,
  drafterActor,
  type Envelope,
  freshAddress,
  generationActor,
  headActor,
  keyAt,
  memberActor,
  memberAddress,
  samplingSchema,
  stageActor,
  weightsActor,
  weightsAddress,
} from "../../actors/mod.ts";
import { toyTokens } from "../support/generation_world.ts";
import { PlacementWorld } from "../support/placement_world.ts";
import { TOY_VOCAB } from "../support/toy_engine.ts";
import { withMethods } from "../support/with_methods.ts";
import { reportOf, type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

const KINDS: AnyActor[] = [
  clusterActor,
  memberActor,
  weightsActor,
  stageActor,
  headActor,
  drafterActor,
  arbiterActor,
  generationActor,
];
const TYPES = KINDS.flatMap((kind) => Object.keys(kind.messages))
  // These two are not attacks: a node may join, and may say that it gets no answers.
  .filter((type) => type !== "join" && type !== "broken");

const EVIL = "evil";
const GREEDY = samplingSchema.parse({ temperature: 0 });
/** Virtual milliseconds of an attack. */
const ATTACK_MS = 5_000;

/** Sends random envelopes to every node until the attack is over. Returns how many it sent. */
async function attack(world: PlacementWorld, id: string): Promise<number> {
  const { sim } = world;
  const evil = sim.network.connect(EVIL);
  const nodes = [...world.nodes.values()];
  /** What came to the attacker without being an answer. */
  const leaked: Envelope[] = [];
  evil.start({
    receive: (_, envelope) => {
      if (envelope.kind === "tell" || envelope.kind === "ask") leaked.push(envelope);
    },
    peerLost() {},
  });
  const one = <T>(list: readonly T[]): T => list[world.int(list.length)];
  /** Every address that is active now, and some that are not. */
  const address = () =>
    one([
      ...nodes.flatMap(({ system }) => system.status().map((a) => a.address as string)),
      CLUSTER,
      "orrery/cluster/other",
      ...nodes.flatMap(({ name }) => [
        memberAddress(name),
        weightsAddress(name),
        arbiterAddress(id, name),
        freshAddress(name, "generation"),
        freshAddress(name, "client"),
        `${id}/stage/${world.int(3)}`,
        `${id}/head/${world.int(3)}`,
        `x${world.int(1000)}/stage/0`,
        `x/kind${world.int(1000)}/key`,
      ]),
      "no address",
    ]);
  const from = () =>
    one(["", address(), arbiterAddress(id, EVIL), freshAddress(EVIL, "generation")]);
  const arena = () => arenaName(one([EVIL, ...nodes.map((n) => n.name)]), "f00", world.int(3));
  const body = (): unknown =>
    one<() => unknown>([
      () => null,
      () => "text",
      () => ({}),
      () => ({ node: one([EVIL, ...nodes.map((n) => n.name)]), id, deployment: undefined }),
      () => ({ id, reason: "pwned", why: "pwned", error: { group: "g", code: "c", message: "m" } }),
      () => ({ arena: arena(), seq: world.int(5), seqs: [0, 1, 2], reply_to: address() }),
      () => ({ arena: arena(), seq: 0, tokens: [], trace: [], layout: { reply_to: address() } }),
      () => ({ generation: address(), rows: Int32Array.of(0, 1), chain: `${address()}/plain` }),
      () => ({ data: new Uint8Array(world.int(1000)), reply_bytes: world.int(1000) }),
    ])();
  let sent = 0;
  const until = sim.clock.now() + ATTACK_MS;
  while (sim.clock.now() < until) {
    await world.sleep(world.random() * 4);
    const n = world.int(10_000);
    const message = (kind: "tell" | "ask"): Envelope => ({
      kind,
      id: n,
      to: address(),
      from: from(),
      type: one(TYPES),
      body: body(),
      ...(world.random() < 0.3 && { ttlMs: world.random() * 1000 }),
      ...(world.random() < 0.3 && { urgent: true }),
      ...(world.random() < 0.1 && { epoch: world.int(5) }),
    });
    const envelope = one<() => Envelope>([
      () => message("tell"),
      () => message("ask"),
      () => message("ask"),
      () => ({ kind: "reply", id: n, body: body() }),
      () => ({
        kind: "error",
        id: n,
        error: { group: "g", code: "c", message: "m", metadata: { refused: true, to: address() } },
      }),
      () => ({ kind: "cancel", id: n }),
      () => ({ kind: "credit", to: address(), n }),
    ])();
    void evil.send(one(nodes).name, envelope).catch(() => {});
    sent++;
  }
  assert.deepEqual(leaked, [], "nothing of anybody's requests came to the attacker");
  return sent;
}

/** Requests of one node, one after the other. Returns how many were answered. */
async function client(world: PlacementWorld, name: string, over: () => boolean): Promise<number> {
  let answered = 0;
  while (!over()) {
    const prompt = Array.from({ length: 1 + world.int(20) }, (_, i) => (i * 37 + 11) % TOY_VOCAB);
    const count = 1 + world.int(8);
    const tokens = await world.ask(world.nodes.get(name)!, prompt, count);
    assert.deepEqual(tokens, toyTokens(prompt, count, GREEDY));
    answered++;
    await world.sleep(world.random() * 100);
  }
  return answered;
}

async function run(seed: number): Promise<SeedReport> {
  const world = new PlacementWorld({ seed, heads: seed % 2 === 1 });
  const { sim } = world;
  const report = await reportOf(sim, async () => {
    const [n0, n1] = world.nodes.values();
    await sim.until(Promise.all([world.join(n0), world.join(n1)]));
    await sim.run({ forMs: 10_000 });
    const { id } = (await sim.until(world.status())).deployment!;
    let over = false;
    const [sent, ...answers] = await sim.until(Promise.all([
      attack(world, id).finally(() => over = true),
      client(world, "n0", () => over),
      client(world, "n1", () => over),
    ]));
    await sim.run({ forMs: 5_000 });
    const { deployment, members, reason } = await sim.until(world.status());
    assert.equal(deployment!.id, id, "the attacker had layers moved");
    assert.equal(members.map((m) => m.node).join(), "n0,n1", "the attacker changed the members");
    assert.equal(reason, "");
    assert.equal(world.crashes.join("; "), "", `crashed: ${world.crashes[0]}`);
    for (const { system } of world.nodes.values()) {
      assert.ok(system.status().length < 30, "actors were activated for the attacker");
      for (const { address } of system.status()) assert.ok(!address.includes(keyAt(EVIL, "")));
    }
    return { answers: answers[0] + answers[1], sent };
  });
  world.close();
  return report;
}

const { register } = ActorSystem.prototype;

/** See the module's text. */
export const HOSTILE: SimulationArea = {
  name: "hostile",
  promise: "no message of a hostile node disturbs a request, or activates an actor",
  share: 4,
  run,
  least: { answers: 10, sent: 1_000 },
  broken: [{
    name: "any node may send any message",
    shows: /./,
    seeds: seedsFrom(0, 3),
    run: (seed) =>
      withMethods(ActorSystem, {
        register(this: ActorSystem, definition: AnyActor, options: { config: unknown }) {
          register.call(this, { ...definition, callers: anyNode } as AnyActor, options);
        },
      } as Partial<ActorSystem>, () => run(seed)),
  }],
};
