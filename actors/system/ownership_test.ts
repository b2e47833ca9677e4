import assert from "node:assert/strict";
import { z } from "zod";
import {
  type ActorContext,
  address,
  anyNode,
  defineActor,
  hasCode,
  OrreryError,
  type Owner,
  type Ownership,
  type OwnershipFence,
  Simulation,
} from "./mod.ts";

const MOVES = address("g", "probe", "x");
const BOUND = address("t", "probe", "n1~1");
const fencedOff = (error: unknown) => hasCode(error, "fenced");

/** Contexts of all activations of probes, in the order in which they began. */
const begun: ActorContext[] = [];
const probe = defineActor({
  kind: "probe",
  config: z.object({}),
  messages: {
    name: z.object({}),
    wait: z.object({}),
    crash: z.object({}),
    relay: z.object({ to: z.string() }),
    last: z.object({}),
  },
  callers: anyNode,
  policy: { idleMs: 100 },
  create(ctx) {
    begun.push(ctx);
    return {
      name: () => ctx.epoch,
      wait: () => new Promise((resolve) => ctx.signal.addEventListener("abort", resolve)),
      crash: () => {
        throw new Error("a bug");
      },
      relay: async ({ to }) => await ctx.ask(to, { type: "name" }),
      last: () => ctx.stop(),
    };
  },
});

/** An ownership that a test ends. */
function ownership(epoch: number) {
  const end = new AbortController();
  const held = {
    epoch,
    signal: end.signal,
    sure: true,
    certain: () => held.sure && !end.signal.aborted,
    end: () => end.abort(new Error("over")),
  };
  return held;
}

/** Nodes with probes, of which those of deployment `g` move; a test says who owns them. */
function world(names = ["n1"]) {
  begun.length = 0;
  const sim = new Simulation({ seed: 1 });
  let leases = 1;
  const owners = new Map<string, Owner>();
  const nodes = names.map((name) => {
    const holds = new Map<string, Ownership>();
    const fence: OwnershipFence = {
      ownershipOf(to) {
        if (!to.startsWith("g/")) return undefined;
        const held = holds.get(to);
        if (held?.certain()) return held;
        throw new OrreryError({ group: "actor", code: "fenced", message: "not owned" });
      },
    };
    /** What this node believes of owners, where it is not what all believe. */
    const believes = new Map<string, Owner>();
    const directory = {
      resolve: (to: string): Owner =>
        believes.get(to) ?? owners.get(to) ?? { node: to.split("/")[2].split("~")[0], epoch: 1 },
    };
    const system = sim.node(name, directory, { fence, leaseEpoch: () => leases });
    system.register(probe, { config: {} });
    return { name, system, holds, believes };
  });
  return { sim, nodes, owners, lapse: () => ++leases };
}

Deno.test("ActorContext.epoch grows with every activation, also after a crash and on one node", async () => {
  const { sim, nodes: [{ system }], lapse } = world();
  const epochs: unknown[] = [];
  const next = async () => epochs.push(await sim.until(system.ask(BOUND, { type: "name" })));
  await next();
  await sim.run({ forMs: 1_000 }); // idle
  await next();
  await assert.rejects(sim.until(system.ask(BOUND, { type: "crash" })));
  await next();
  await sim.until(system.ask(BOUND, { type: "last" }));
  await next();
  lapse();
  await sim.until(system.ask(BOUND, { type: "last" }));
  await next();
  assert.equal(new Set(epochs).size, 5);
  assert.deepEqual(epochs, epochs.toSorted((a, b) => (a as number) - (b as number)));
  assert.deepEqual(begun.map((ctx) => ctx.epoch), epochs);
  assert.equal(system.status()[0].epoch, epochs[4]);
  await sim.until(system.close());
});

Deno.test("ActorContext.epoch is greater at the next owner, however often an actor woke", async () => {
  const { sim, nodes: [n1, n2], owners } = world(["n1", "n2"]);
  owners.set(MOVES, { node: "n1", epoch: 1 });
  const first = ownership(1);
  n1.holds.set(MOVES, first);
  for (let i = 0; i < 50; i++) await sim.until(n2.system.ask(MOVES, { type: "last" }));
  first.end();
  owners.set(MOVES, { node: "n2", epoch: 2 });
  n2.holds.set(MOVES, ownership(2));
  await sim.until(n1.system.ask(MOVES, { type: "name" }));
  const epochs = begun.map((ctx) => ctx.epoch);
  assert.equal(epochs.length, 51);
  assert.deepEqual(epochs, epochs.toSorted((a, b) => a - b));
  for (const { system } of [n1, n2]) await sim.until(system.close());
});

Deno.test("ActorSystem refuses messages to what it does not own, and serves what is bound to it", async () => {
  const { sim, nodes: [{ system, holds }], owners } = world();
  owners.set(MOVES, { node: "n1", epoch: 3 });
  await assert.rejects(sim.until(system.ask(MOVES, { type: "name" })), fencedOff);
  await sim.until(system.ask(BOUND, { type: "name" }));
  const held = ownership(3);
  holds.set(MOVES, held);
  await sim.until(system.ask(MOVES, { type: "name" }));
  held.end();
  await assert.rejects(sim.until(system.ask(MOVES, { type: "name" })), fencedOff);
  await sim.until(system.ask(BOUND, { type: "name" }));
  await sim.until(system.close());
});

Deno.test("ActorSystem ends an actor whose ownership ends, and lets it say nothing more", async () => {
  const { sim, nodes: [{ system, holds }], owners } = world();
  owners.set(MOVES, { node: "n1", epoch: 1 });
  const held = ownership(1);
  holds.set(MOVES, held);
  const running = system.ask(MOVES, { type: "wait" });
  running.catch(() => {});
  await sim.run({ forMs: 1 });
  const queued = system.ask(MOVES, { type: "name" });
  queued.catch(() => {});
  await sim.run({ forMs: 1 });
  held.end();
  assert.ok(fencedOff(begun[0].signal.reason));
  await assert.rejects(begun[0].tell(BOUND, { type: "name" }), fencedOff);
  await assert.rejects(begun[0].ask(BOUND, { type: "name" }), fencedOff);
  await assert.rejects(sim.until(queued, { forMs: 5_000 }), fencedOff);
  await assert.rejects(sim.until(running), fencedOff, "what its handler answers is not sent");
  assert.equal(begun.length, 1);
  await sim.until(system.close());
});

Deno.test("ActorSystem goes by the clock where the timer that ends an ownership is late", async () => {
  const { sim, nodes: [{ system, holds }], owners } = world();
  owners.set(MOVES, { node: "n1", epoch: 1 });
  const held = ownership(1);
  holds.set(MOVES, held);
  await sim.until(system.ask(MOVES, { type: "name" }));
  const queued = system.ask(MOVES, { type: "name" }); // in the mailbox, its turn has not come
  held.sure = false;
  await assert.rejects(sim.until(queued), fencedOff);
  await assert.rejects(sim.until(system.ask(MOVES, { type: "name" })), fencedOff);
  await sim.until(system.close());
});

Deno.test("ActorSystem refuses an epoch that is over, also where nothing is active", async () => {
  const { sim, nodes: [n1, n2], owners } = world(["n1", "n2"]);
  owners.set(MOVES, { node: "n1", epoch: 5 });
  n1.holds.set(MOVES, ownership(5));
  n2.believes.set(MOVES, { node: "n1", epoch: 4 });
  const stale = (error: unknown) => hasCode(error, "stale_epoch");
  await assert.rejects(sim.until(n2.system.ask(MOVES, { type: "name" })), stale);
  assert.equal(begun.length, 0);
  await sim.until(n1.system.ask(MOVES, { type: "name" }));
  await assert.rejects(sim.until(n2.system.ask(MOVES, { type: "name" })), stale);
  await sim.until(n1.system.ask(MOVES, { type: "name" }));
  assert.equal(begun.length, 1, "what was refused did not end the activation");
  for (const { system } of [n1, n2]) await sim.until(system.close());
});

Deno.test("ActorSystem.ask() looks for the owner again, once, when it was refused as stale", async () => {
  const { sim, nodes: [n1, n2, n3], owners } = world(["n1", "n2", "n3"]);
  owners.set(MOVES, { node: "n2", epoch: 2 });
  n2.holds.set(MOVES, ownership(2));
  // n3 learns the new owner while its message is on the way to the old one.
  n3.believes.set(MOVES, { node: "n1", epoch: 1 });
  const asked = n3.system.ask(MOVES, { type: "name" });
  n3.believes.delete(MOVES);
  await sim.until(asked);
  assert.equal(begun.length, 1);

  owners.set(MOVES, { node: "n1", epoch: 3 }); // its ownership has not begun
  n3.believes.set(MOVES, { node: "n2", epoch: 1 });
  const again = n3.system.ask(MOVES, { type: "name" });
  n3.believes.delete(MOVES);
  await assert.rejects(sim.until(again), fencedOff, "sent twice, and no more");
  for (const { system } of [n1, n2, n3]) await sim.until(system.close());
});

Deno.test("ActorSystem.ask() sends nothing again that a handler had", async () => {
  const { sim, nodes: [n1, n2], owners } = world(["n1", "n2"]);
  owners.set(MOVES, { node: "n2", epoch: 1 });
  n1.believes.set(MOVES, { node: "n2", epoch: 1 }); // which does not own it
  const relay = address("t", "probe", "n1~2");
  const asked = n2.system.ask(relay, { type: "relay", to: MOVES });
  await assert.rejects(sim.until(asked), fencedOff);
  assert.equal(begun.length, 1);
  const handled = begun[0].epoch;
  await sim.until(n1.system.ask(relay, { type: "name" })).then((e) => assert.equal(e, handled));
  for (const { system } of [n1, n2]) await sim.until(system.close());
});
