import assert from "node:assert/strict";
import {
  checkupSchema,
  CLUSTER,
  clusterActor,
  directoryOf,
  EXAMINE_MS,
  type Member,
  memberActor,
  type MembersView,
  Simulation,
} from "../mod.ts";
import { NO_MEMORY, NO_SOURCES } from "../../tests/support/no_memory.ts";

/** Three nodes whose examiners and links are made up; times are virtual milliseconds. */
async function world() {
  const sim = new Simulation({ seed: 1 });
  const directory = directoryOf((to) => to === CLUSTER ? "n0" : to.split("/")[2]);
  /** Nodes that never answer an examination. */
  const frozen = new Set<string>();
  const sleep = (ms: number) => new Promise<void>((resolve) => sim.clock.after(ms, resolve));
  const view: MembersView = {
    silentMs: () => 0,
    refuses: () => Promise.resolve(false),
    identity: () => undefined,
    isFormer: () => false,
    changed: () => {},
  };
  let running = 0, most = 0, examinations = 0;
  const probed: string[] = [];
  const systems = ["n0", "n1", "n2"].map((name) => {
    const system = sim.node(name, directory, {});
    const profiler = {
      profile: () => Promise.resolve(null),
      async probe({ node }: Member) {
        most = Math.max(most, ++running);
        await sleep(400);
        running--;
        probed.push(`${name} ${node}`);
        if (`${name} ${node}` === "n1 n2") throw new Error("cut");
        return { seconds: 0.001, bytes_per_s: 1e6, bytes_per_s_back: 2e6 };
      },
    };
    const examiner = {
      async examine(peers: Member[], signal: AbortSignal) {
        examinations++;
        if (frozen.has(name)) {
          await new Promise((_, no) => signal.onabort = () => no(signal.reason));
        }
        await sleep(100);
        return {
          program: "1",
          protocol: { lowest: 1, highest: 1 },
          certificate_s: 1,
          disk: null,
          memory: { available_bytes: 1, process_bytes: 1, stages_bytes: 0, limit_bytes: null },
          registry: null,
          discovery: "off",
          discovered: false,
          faults: [],
          peers: peers.map(({ node }) => ({ state: "unreachable", node, why: "not tried" })),
        };
      },
    };
    const host = { prepare: () => {}, adopt: () => {}, nodeLost: () => {} };
    system.register(memberActor, {
      config: {},
      resources: () => ({ host, profiler, examiner, onPing: () => {}, nodes: view }),
    });
    return system;
  });
  systems[0].register(clusterActor, {
    config: clusterActor.config.parse({ nodes: 3, model: "m", source: "n0" }),
    resources: () => ({
      memory: NO_MEMORY,
      sources: NO_SOURCES,
      place: () => new Promise(() => {}),
      nodes: view,
    }),
  });
  const join = (i: number, port = 1000 + i) =>
    sim.until(systems[i].ask(CLUSTER, {
      type: "join",
      node: `n${i}`,
      host: "h",
      port,
      cores: 1,
      memory_bytes: 1,
    }));
  for (const i of [0, 1, 2]) await join(i);
  const check = async (by = 0) =>
    checkupSchema.parse(await sim.until(systems[by].ask(CLUSTER, { type: "check_up" })));
  const tell = (message: { type: string; node: string; for_good?: boolean }) =>
    sim.until(systems[0].tell(CLUSTER, message));
  return { sim, frozen, probed, join, check, tell, most: () => most, asked: () => examinations };
}

Deno.test("clusterActor examines every member and measures links one after the other", async () => {
  const { check, probed, most } = await world();
  const { nodes, links } = await check();
  assert.deepEqual(nodes.map(({ node, state }) => `${node} ${state}`), [
    ...["n0 examined", "n1 examined", "n2 examined"],
  ]);
  assert.deepEqual(probed, ["n0 n1", "n0 n2", "n1 n2"]);
  assert.equal(most(), 1);
  assert.deepEqual(links.map(({ state }) => state), ["measured", "measured", "failed"]);
});

Deno.test("clusterActor goes on without a member that does not answer, by a deadline", async () => {
  const { sim, frozen, check, probed } = await world();
  frozen.add("n1");
  const start = sim.clock.now();
  const { nodes } = await check();
  const ms = sim.clock.now() - start;
  assert.ok(ms >= EXAMINE_MS && ms < EXAMINE_MS + 1_000, `${ms} ms`);
  assert.deepEqual(nodes.map(({ state }) => state), ["examined", "silent", "examined"]);
  assert.deepEqual(probed, ["n0 n2"]);
});

Deno.test("clusterActor makes one checkup for all who ask meanwhile", async () => {
  const { check, asked } = await world();
  const [a, b] = await Promise.all([check(0), check(2)]);
  assert.deepEqual(a, b);
  assert.equal(asked(), 3);
  await check();
  assert.equal(asked(), 6);
});

Deno.test("clusterActor lists members that are gone until they are back or removed", async () => {
  const { check, tell, join } = await world();
  const gone = async () =>
    (await check()).nodes.filter(({ state }) => state === "silent").map(({ node }) => node);
  await tell({ type: "lost", node: "n1" });
  await tell({ type: "lost", node: "n2" });
  assert.deepEqual(await gone(), ["n1", "n2"]);
  await join(1);
  assert.deepEqual(await gone(), ["n2"]);
  await join(1, 1002); // a restarted node has another id, and the address of n2
  assert.deepEqual(await gone(), []);
  await tell({ type: "lost", node: "n1", for_good: true });
  assert.deepEqual(await gone(), []);
});
