import assert from "node:assert/strict";
import {
  address,
  type Deployment,
  directoryOf,
  Simulation,
  stageActor,
  stageAddress,
} from "../../actors/mod.ts";
import { ToyEngine } from "../../tests/toy_engine.ts";
import { Host, type HostOptions } from "./host.ts";

Deno.test("Host.retire() reaches a stage that is busy for longer than any message may wait", async () => {
  const sim = new Simulation({ seed: 1 });
  const system = sim.node("n1", directoryOf(() => "n1"));
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: () => ({
      engine: () => Promise.resolve(new ToyEngine(sim.clock, { first: 0, last: 0, layers: 1 }, 30_000)),
    }),
  });
  const stored = {
    manifest: { geometry: { context: 8, vocab: 8 }, name: "m", precision: "f32" },
    dir: Deno.cwd(),
    generationDefaults: () => Promise.resolve({ eosTokens: [] }),
    tokenizer: () => Promise.resolve({}),
    chatTemplate: () => Promise.resolve({}),
  };
  const host = new Host({
    system,
    directory: { learn() {} },
    store: { get: () => Promise.resolve(stored) },
    mailbox: { peers: () => [] },
    gateway: { runs: () => false },
  } as unknown as HostOptions);
  const deployment: Deployment = {
    id: "d",
    model: "m",
    source: "n1",
    stages: [{ node: "n1", first: 0, last: 0 }],
    members: [],
  };
  let prepared = false;
  void host.prepare(deployment, new AbortController().signal).then(() => prepared = true);
  while (!prepared) {
    await sim.run({ forMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1)); // it reads the model's files
  }
  const client = address("d", "client", "x");
  using _inbox = system.inbox(client);
  const frame = {
    type: "frame",
    request: "r",
    seq: 0,
    open: { capacity: 8, sampling: { temperature: 0 }, prompt_rows: 1, reply_to: client },
    base: 0,
    tokens: Int32Array.of(1),
    positions: Int32Array.of(0),
    parents: Int32Array.of(-1),
    want: Int32Array.of(0),
  };
  await sim.until(system.tell(stageAddress("d", 0), frame));
  await sim.run({ forMs: 1 });
  host.retire("d");
  for (let i = 0; i < 8; i++) await sim.run({ forMs: 10_000 });
  await sim.until(system.tell(stageAddress("d", 0), { type: "close", request: "r" }));
  for (let i = 0; i < 8; i++) await sim.run({ forMs: 1_000 });
  assert.deepEqual(host.stages, []);
  host.close();
});
