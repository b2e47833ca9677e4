import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import {
  ActorSystem,
  anyNode,
  defineActor,
  directoryOf,
  LocalNetwork,
  systemClock,
} from "../../actors/mod.ts";
import { Membership, type MembershipOptions } from "./membership.ts";

/** A cluster actor whose answer to a join takes `joinMs` milliseconds. */
const slowCluster = (joinMs: () => number) =>
  defineActor({
    kind: "cluster",
    config: z.object({}),
    callers: anyNode,
    messages: { join: z.looseObject({}), listed: z.looseObject({}), broke: z.looseObject({}) },
    create: () => ({
      join: async () => {
        await sleep(joinMs());
        return { members: [], deployments: undefined };
      },
      listed: () => true,
      broke: () => {},
    }),
  });

Deno.test("Membership.follow() gives nothing up for the coordinator before that turns out to be dead meanwhile", async () => {
  let joinMs = 0;
  const term = (node: string, epoch: number) => ({ node, host: "10.0.0.1", port: 1, epoch });
  const system = new ActorSystem({
    transport: new LocalNetwork().connect("b"),
    directory: directoryOf(() => "b"),
    clock: systemClock,
    random: Math.random,
  });
  system.register(slowCluster(() => joinMs), { config: {} });
  let broke: (peer: { node: string; state: string }) => void = () => {};
  const lost: string[] = [];
  const membership = new Membership({
    system,
    directory: { follow() {} },
    trust: { follow() {}, renew: () => Promise.resolve(), renewExpired: () => Promise.resolve() },
    mailbox: {
      on: (_: string, fn: typeof broke) => {
        broke = fn;
        return () => {};
      },
      address: { host: "10.0.0.2", port: 1 },
      addPeer() {},
      peers: () => [],
      silentMs: () => 10,
      refuses: () => Promise.resolve(true),
    },
    host: {
      members: [],
      allAdopted: [],
      note() {},
      retireExcept() {},
      nodeLost: (node: string) => void lost.push(node),
    },
  } as unknown as MembershipOptions);
  await membership.follow(term("a", 1));
  broke({ node: "a", state: "lost" });
  joinMs = 2_000;
  await membership.follow(term("b", 2)); // this node coordinates; a is found to be dead meanwhile
  assert.deepEqual(lost, [], "node b is here");
  await system.close({ deadlineMs: 1_000 });
});
