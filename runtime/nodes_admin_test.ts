import assert from "node:assert/strict";
import { type ActorSystem, type ClusterStatus, hasCode, type Member } from "../actors/mod.ts";
import { nodeRows, nodesAdmin } from "./nodes_admin.ts";
import type { KnownIdentity } from "./trust/mod.ts";

const NOW = Date.parse("2026-11-29T12:00:00Z");

const member = (node: string): Member => ({
  node,
  host: "192.168.1.2",
  port: 8421,
  cores: 4,
  memory_bytes: 2 ** 30,
});

/** An identity whose digits are all `digit`, and whose certificates end in an hour. */
const known = (digit: string, node: string, more: Partial<KnownIdentity> = {}): KnownIdentity => ({
  identity: digit.repeat(64),
  node,
  lives: [{ node, until_ms: NOW + 3600_000 }],
  admitted_ms: NOW - 1000,
  ...more,
});

const KNOWN = [
  known("a", "gone:1:0001", { removed_ms: NOW }),
  known("b", "away:1:0002", { lives: [{ node: "away:1:0002", until_ms: NOW - 1 }] }),
  known("c", "attic:1:0003"),
  known("d", "den:1:0004"),
  known("e", "spare:1:0005"),
  known("f", "spare:2:0006"),
];
const STATUS = {
  members: ["den:1:0004", "attic:1:0003", "spare:1:0005"].map(member),
  deployment: {
    stages: [{ node: "den:1:0004", first: 0, last: 2 }, {
      node: "attic:1:0003",
      first: 3,
      last: 5,
    }],
  },
  reason: "",
  health: [
    {
      node: "attic:1:0003",
      state: "suspect",
      why: "it has been silent for 2.0 s",
      silent_ms: 2000,
    },
    { node: "spare:1:0005", state: "alive", why: "", silent_ms: 10 },
  ],
} as unknown as ClusterStatus;

Deno.test("nodeRows() tells each node's state, layers and certificate", () => {
  const rows = nodeRows({
    known: [...KNOWN],
    cluster: STATUS,
    draining: new Set(["attic:1:0003"]),
    links: [
      { from: "attic:1:0003", to: "den:1:0004", seconds: 0.0014001, bytesPerS: 6.4e6 },
      { from: "gone:1:0001", to: "den:1:0004", seconds: 1, bytesPerS: 1 },
    ],
    first: "den:1:0004",
    now: NOW,
  });
  const shown = rows.map((r) => [r.name, r.state, r.first, r.layers, r.certificate_s]);
  assert.deepEqual(shown, [
    ["den", "serving", true, [[0, 2]], 3600],
    ["attic", "draining", false, [[3, 5]], 3600],
    ["spare", "idle", false, [], 3600],
    ["gone", "removed", false, [], null],
    ["away", "away", false, [], null],
    ["spare", "away", false, [], 3600],
  ]);
  assert.deepEqual(rows.map((r) => r.health), ["alive", "suspect", "alive", null, null, null]);
  assert.deepEqual(rows.map((r) => r.why).filter((why) => why !== null), [
    "it has been silent for 2.0 s",
  ]);
  assert.equal(rows[1].address, "192.168.1.2:8421");
  assert.deepEqual(rows.filter((r) => r.links.length > 0).map((r) => [r.name, r.links]), [
    ["attic", [{ to: "den:1:0004", latency_ms: 1.4, mbit_per_s: 51.2 }]],
  ]);
  assert.equal(rows[1].since, "2026-11-29T11:59:59.000Z");
});

Deno.test("nodesAdmin() refuses names that are unknown, ambiguous, the first node's or away", async () => {
  const removed: string[] = [];
  const admin = nodesAdmin({
    links: () => [],
    system: { node: "den:1:0004" } as ActorSystem, // nothing is sent
    trust: {
      identities: () => Promise.resolve([...KNOWN]),
      removeIdentity: (identity) => Promise.resolve(void removed.push(identity)),
    },
    promote: () => undefined,
    membership: {
      status: () => Promise.resolve(STATUS),
      coordinator: { node: "den:1:0004", host: "192.168.1.2", port: 8421, epoch: 1 },
    },
  });
  const code = (promise: Promise<unknown>, expected: string) =>
    assert.rejects(promise, (error) => hasCode(error, expected), expected);
  for (const act of [admin.drain, admin.remove]) {
    await code(act("nobody"), "node_not_found");
    await code(act("gone"), "node_not_found"); // removed before
    await code(act("cccc"), "node_not_found"); // too few digits of an identity
    await code(act("spare"), "node_ambiguous");
    await code(act("den"), "node_is_first");
    await code(act("dddddddd"), "node_is_first");
  }
  await code(admin.drain("away"), "node_away");
  await code(admin.drain("spare:2:0006"), "node_away");
  assert.deepEqual(removed, []);
});

Deno.test("nodesAdmin() refuses to promote where the nodes elect who coordinates", async () => {
  let elects = false;
  const promoted = { node: "attic:1:0003", epoch: 2 };
  const admin = nodesAdmin({
    links: () => [],
    system: { node: "attic:1:0003" } as ActorSystem,
    trust: { identities: () => undefined, removeIdentity: () => Promise.reject(new Error("none")) },
    promote: () => elects ? undefined : () => Promise.resolve(promoted),
    membership: { status: () => Promise.resolve(STATUS), coordinator: undefined },
  });
  assert.deepEqual(await admin.promote(1), promoted);
  elects = true; // it has become a server of a managed registry
  await assert.rejects(admin.promote(1), /nodes elect who coordinates by themselves/);
});

Deno.test("nodesAdmin() of another node says where the first one is", async () => {
  const admin = nodesAdmin({
    links: () => [],
    system: { node: "attic:1:0003" } as ActorSystem,
    trust: {
      identities: () => undefined,
      removeIdentity: () => Promise.reject(new Error("it has no list")),
    },
    promote: () => undefined,
    membership: {
      status: () => Promise.resolve(STATUS),
      coordinator: { node: "den:1:0004", host: "192.168.1.2", port: 8421, epoch: 1 },
    },
  });
  for (const act of [admin.list, () => admin.drain("den"), () => admin.remove("den")]) {
    await assert.rejects(
      act(),
      /ask the API of the node whose mailbox listens at 192\.168\.1\.2:8421/,
    );
  }
});
