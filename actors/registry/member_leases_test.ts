import assert from "node:assert/strict";
import { hasCode, type NodeId } from "../system/mod.ts";
import type { RegistryEntry } from "./contract.ts";
import { MemberLeases } from "./member_leases.ts";

/** Leases over a registry that holds these `owners/node/` keys, and its clock. */
function world(held: Record<NodeId, string> = {}) {
  const time = { now: 0 };
  const get = (key: string): Promise<RegistryEntry | undefined> => {
    const lease = held[key.replace("owners/node/", "")];
    return Promise.resolve(
      lease === undefined ? undefined : { key, value: new Uint8Array(), version: 1, lease },
    );
  };
  return { time, leases: new MemberLeases({ get }, { now: () => time.now }) };
}

Deno.test("MemberLeases.has() knows a node's own leases alone", async () => {
  const { leases } = world();
  leases.granted("a", { id: "1", ttlMs: 100 });
  assert.equal(await leases.has("a", "1"), true);
  assert.equal(await leases.has("b", "1"), false);
  assert.equal(await leases.has("a", "2"), false);
  leases.ended("a", "1");
  assert.equal(await leases.has("a", "1"), false);
});

Deno.test("MemberLeases.has() finds a lease that was granted before in the node's own key", async () => {
  const { leases } = world({ a: "7" });
  assert.equal(await leases.has("b", "7"), false);
  assert.equal(await leases.has("a", "7"), true);
});

Deno.test("MemberLeases.checkRoom() refuses the seventeenth lease until others have lapsed", async () => {
  const { leases, time } = world();
  for (let i = 0; i < 16; i++) {
    leases.checkRoom("a");
    leases.granted("a", { id: String(i), ttlMs: 100 });
  }
  assert.throws(() => leases.checkRoom("a"), (e) => hasCode(e, "refused"));
  leases.checkRoom("b");
  time.now = 250;
  assert.equal(await leases.has("a", "3"), true); // it is in use, so it counts on
  time.now = 301;
  leases.checkRoom("a");
  assert.equal(await leases.has("a", "3"), true);
  assert.equal(await leases.has("a", "4"), false);
});
