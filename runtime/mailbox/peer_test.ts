import assert from "node:assert/strict";
import net from "node:net";
import { hasCode } from "../../actors/mod.ts";
import { behindProxy, open, reply, test } from "../../tests/support/mailbox_nodes.ts";
import { FaultyProxy } from "../../tests/support/transport_suite_proxy.ts";
import { until } from "../../tests/support/transport_suite.ts";

test("Peer.greet() learns from the hello where a peer listens", async () => {
  const b = await open("b", { accept: () => true });
  const a = await open("a", { peers: [{ node: "b", ...b.mailbox.address }] });
  const events: string[] = [];
  const off = b.mailbox.on("peer", ({ node, state }) => events.push(`${node} ${state}`));
  await until(() => b.mailbox.peers()[0]?.state === "up", "the way back");
  await b.mailbox.send("a", reply(9));
  await until(() => a.received.length === 1, "a message on the way back");
  assert.deepEqual(a.received, [{ from: "b", envelope: reply(9) }]);
  await until(() => b.mailbox.peers()[0].rttMs !== undefined, "a round trip time");
  await a.mailbox.close();
  await until(() => b.lost.length === 1, "the farewell");
  assert.deepEqual(b.lost, ["a left"]);
  assert.deepEqual(events, ["a up", "a lost"]);
  off();
  await b.mailbox.close();
});

test("Peer.address() takes turns between the configured address and the one in the peer's hello", async () => {
  const b = await open("b", { accept: () => true, advertisePort: 9 });
  const moved = await FaultyProxy.open(() => b.mailbox.port);
  const a = await open("a", {
    peers: [{ node: "b", host: "127.0.0.1", port: moved.port }],
    limits: { backoffMaxMs: 50 },
  });
  await a.mailbox.send("b", reply(1));
  await until(() => b.mailbox.peers()[0]?.state === "up", "the hello of b");
  moved.cut();
  await until(() => a.mailbox.peers()[0].state === "connecting", "the break");
  await a.mailbox.send("b", reply(2));
  await until(() => b.received.length === 2, "a message over the configured place");
  await a.mailbox.close();
  await b.mailbox.close();
  await moved.close();
});

test("Peer.connect() reports a peer that is never there, and connects when it comes", async () => {
  const holder = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  const { port } = holder.address() as net.AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  const a = await open("a", {
    peers: [{ node: "b", host: "127.0.0.1", port }],
    limits: { peerTimeoutMs: 150, backoffMaxMs: 50 },
  });
  await a.mailbox.send("b", reply(1));
  await until(() => a.lost.length === 1, "peerLost");
  assert.match(a.lost[0], /^b unreachable for 150 ms/);
  await assert.rejects(a.mailbox.send("b", reply(2)), (error) => hasCode(error, "peer_lost"));
  const b = await open("b", { port, accept: () => true });
  await until(() => a.mailbox.peers()[0].state === "up", "the connection");
  await a.mailbox.send("b", reply(3));
  await until(() => b.received.length === 1, "the message");
  assert.deepEqual([b.ids(), a.lost.length], [[3], 1]);
  await a.mailbox.close();
  await b.mailbox.close();
});

test("Peer.lose() starts a new sequence, when the peer was there all the time", async () => {
  const { b, proxy } = await behindProxy();
  const a = await open("a", {
    peers: [{ node: "b", host: "127.0.0.1", port: proxy.port }],
    limits: { peerTimeoutMs: 150, backoffMaxMs: 50, helloTimeoutMs: 60 },
  });
  await a.mailbox.send("b", reply(1));
  await until(() => b.received.length === 1, "the first message");
  proxy.stall();
  proxy.cut();
  await until(() => a.lost.length === 1, "peerLost");
  proxy.resume();
  await until(() => a.mailbox.peers()[0].state === "up", "the peer again");
  for (const id of [2, 3]) await a.mailbox.send("b", reply(id));
  await until(() => b.received.length === 3, "messages of a new sequence");
  assert.deepEqual(b.ids(), [1, 2, 3]);
  assert.deepEqual(b.lost, ["a it had given the link up"], "b waits for nothing that a dropped");
  await a.mailbox.close();
  await b.mailbox.close();
  await proxy.close();
});

test("Peer.giveUp() reports a peer at once whose connection is broken, and silentMs() what came", async () => {
  const { b, proxy } = await behindProxy();
  const a = await open("a", { peers: [{ node: "b", host: "127.0.0.1", port: proxy.port }] });
  assert.equal(a.mailbox.silentMs("b"), undefined);
  await a.mailbox.send("b", reply(1));
  await until(() => b.received.length === 1, "the message");
  await until(() => a.mailbox.peers()[0].queued === 0, "its acknowledgement");
  assert.ok(a.mailbox.silentMs("b")! < 5_000);
  assert.ok(b.mailbox.silentMs("a")! < 5_000);
  assert.equal(await a.mailbox.refuses("b", 5_000), false);
  a.mailbox.giveUp("b", "somebody says so");
  assert.deepEqual(a.lost, [], "its link is up");
  await proxy.close();
  await until(() => a.mailbox.peers()[0].state === "connecting", "the break");
  assert.equal(await a.mailbox.refuses("b", 5_000), true);
  a.mailbox.giveUp("b", "somebody says so");
  assert.deepEqual(a.lost, ["b somebody says so"]);
  await assert.rejects(a.mailbox.send("b", reply(2)), /somebody says so/);
  await a.mailbox.close({ deadlineMs: 0 });
  await b.mailbox.close();
});

test("Peer.stats() tells how fast large messages of the peer come", async () => {
  const { b, proxy } = await behindProxy();
  proxy.pace(20_000);
  const a = await open("a", { peers: [{ node: "b", host: "127.0.0.1", port: proxy.port }] });
  for (let i = 1; i <= 6; i++) await a.mailbox.send("b", reply(i, new Uint8Array(512 * 1024)));
  await until(() => b.received.length === 6, "the messages");
  const { bytesPerS, ageMs, quietMs } = b.mailbox.peers()[0].link;
  // A busy machine lets less through, and never more.
  assert.ok(bytesPerS! > 0.2e6 && bytesPerS! < 25e6, `${bytesPerS}`);
  assert.ok(ageMs! < 5_000 && quietMs >= 0);
  assert.equal(a.mailbox.peers()[0].link.bytesPerS, undefined, "nothing large came back");
  await a.mailbox.close();
  await b.mailbox.close();
  await proxy.close();
});
