import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { TestCluster } from "../../tests/support/trust.ts";
import { open } from "../../tests/support/mailbox_nodes.ts";
import { until } from "../../tests/support/transport_suite.ts";

/** A first node's mailbox, and the cluster that it takes joins for. */
async function firstNode(certificateMs?: number) {
  const cluster = await TestCluster.create(certificateMs);
  const tls = await cluster.first("first:0:0001", certificateMs);
  const first = await open("first:0:0001", { tls, accept: () => true });
  await tls.listening(first.mailbox.address);
  return { cluster, tls, first, port: first.mailbox.port };
}

const reply = (id: number) => ({ kind: "reply" as const, id, body: null });

Deno.test("openTrust() takes nodes in by token; their mailboxes talk over mutual TLS", async () => {
  const { cluster, first, port } = await firstNode();
  await using _ = cluster;
  const token = await cluster.token({ uses: 2 });
  const nodes = [];
  for (const node of ["a:0:000a", "b:0:000b"]) {
    const tls = await cluster.join(node, port, { token });
    nodes.push(await open(node, { tls, accept: () => true }));
  }
  const [a, b] = nodes;
  a.mailbox.addPeer("b:0:000b", "127.0.0.1", b.mailbox.port);
  a.mailbox.addPeer("first:0:0001", "127.0.0.1", port);
  await a.mailbox.send("b:0:000b", reply(1));
  await a.mailbox.send("first:0:0001", reply(2));
  await until(() => b.received.length === 1 && first.received.length === 1, "both messages");
  await b.mailbox.send("a:0:000a", reply(3));
  await until(() => a.received.length === 1, "the answer");
  assert.deepEqual([a, b, first].map((n) => n.received.map((r) => r.from)), [
    ["b:0:000b"],
    ["a:0:000a"],
    ["a:0:000a"],
  ]);
  for (const node of [a, b, first]) await node.mailbox.close();
});

Deno.test("openTrust() lets a known node back in without a token, also after its certificates expired", async () => {
  const { cluster, first, port } = await firstNode(2_000);
  await using _ = cluster;
  const data = await cluster.folder();
  const before = await cluster.join("a:0:000a", port, { token: await cluster.token(), data });
  before.close();
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  const after = await cluster.join("a:0:000b", port, { data });
  assert.equal(after.certified(der(after.client.cert)).node, "a:0:000b");
  assert.equal(
    after.certified(der(after.client.cert)).identity,
    (await cluster.authority.identities.list()).at(-1)!.identity,
    "it is the same node in another life",
  );
  await assert.rejects(
    cluster.join("other:0:000c", port, {}),
    (e) => hasCode(e, "token_required"),
  );
  await first.mailbox.close();
});

Deno.test("NodeTrust renews certificates by itself, while open links go on", async () => {
  const { cluster, tls, first, port } = await firstNode(1_500);
  await using _ = cluster;
  const a = await cluster.join("a:0:000a", port, { token: await cluster.token() });
  const mailbox = await open("a:0:000a", { tls: a, accept: () => true });
  mailbox.mailbox.addPeer("first:0:0001", "127.0.0.1", port);
  const old = [a.client.cert, tls.server.cert];
  for (let i = 1; i <= 16; i++) {
    await mailbox.mailbox.send("first:0:0001", reply(i));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await until(() => first.received.length === 16, "all messages");
  assert.notEqual(a.client.cert, old[0]);
  assert.notEqual(tls.server.cert, old[1]);
  const [peer] = mailbox.mailbox.peers();
  assert.equal(peer.reconnects, 0, "the link of the first certificates is still up");
  // A new link gets the new ones: the first ones have expired.
  const b = await cluster.join("b:0:000b", port, { token: await cluster.token() });
  const other = await open("b:0:000b", { tls: b, accept: () => true });
  other.mailbox.addPeer("a:0:000a", "127.0.0.1", mailbox.mailbox.port);
  await other.mailbox.send("a:0:000a", reply(17));
  await until(() => mailbox.received.length === 1, "a message over a new link");
  for (const node of [mailbox, other, first]) await node.mailbox.close();
});

Deno.test("NodeTrust refuses a removed node on open links and new ones, at every member", async () => {
  const { cluster, first, port } = await firstNode();
  await using _ = cluster;
  const data = await cluster.folder();
  const bad = await cluster.join("bad:0:0bad", port, { token: await cluster.token(), data });
  const good = await cluster.join("good:0:000d", port, { token: await cluster.token() });
  const evil = await open("bad:0:0bad", { tls: bad, accept: () => true });
  const member = await open("good:0:000d", { tls: good, accept: () => true });
  await good.listening(member.mailbox.address);
  evil.mailbox.addPeer("good:0:000d", "127.0.0.1", member.mailbox.port);
  evil.mailbox.addPeer("first:0:0001", "127.0.0.1", port);
  await evil.mailbox.send("good:0:000d", reply(1));
  await evil.mailbox.send("first:0:0001", reply(1));
  await until(() => member.received.length + first.received.length === 2, "messages while allowed");
  const { identities } = cluster.authority;
  await assert.rejects(identities.remove("first", "first:0:0001"), (e) => hasCode(e, "first_node"));
  await assert.rejects(identities.remove("nobody"), (e) => hasCode(e, "unknown_node"));
  assert.equal((await identities.remove("bad")).node, "bad:0:0bad");
  for (const { mailbox, lost } of [member, first]) {
    await until(() => lost.includes("bad:0:0bad removed"), "the removal");
    assert.deepEqual(mailbox.peers().map((p) => p.node).filter((n) => n.startsWith("bad")), []);
  }
  const seen = member.received.length + first.received.length;
  await until(
    () => evil.mailbox.peers().every((p) => p.state !== "up"),
    "the end of its links",
  );
  await new Promise((resolve) => setTimeout(resolve, 300)); // it goes on dialling
  assert.ok(member.mailbox.stats().untrusted > 0 && first.mailbox.stats().untrusted > 0);
  assert.equal(member.received.length + first.received.length, seen);
  bad.close();
  await assert.rejects(
    cluster.join("bad:0:0bae", port, { token: await cluster.token(), data }),
    (e) => hasCode(e, "revoked") && /was removed from the cluster/.test(e.message),
  );
  for (const node of [evil, member, first]) await node.mailbox.close();
});

function der(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
}
