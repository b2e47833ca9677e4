import assert from "node:assert/strict";
import http2 from "node:http2";
import net from "node:net";
import { behindProxy, open, reply, test } from "../../tests/support/mailbox_nodes.ts";
import { until } from "../../tests/support/transport_suite.ts";
import { controlFrame } from "./wire.ts";

test("Dialer.start() reconnects without losing or repeating a message, when connections are corrupted", async () => {
  const { b, proxy } = await behindProxy();
  const a = await open("a", {
    peers: [{ node: "b", host: "127.0.0.1", port: proxy.port }],
    limits: { backoffMaxMs: 50 },
  });
  const n = 1500;
  for (let id = 0; id < n; id++) {
    await a.mailbox.send("b", reply(id, "body ".repeat(id % 100)));
    if (id % 300 === 100) proxy.corruptAfter(id * 3);
    if (id % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await until(() => b.received.length >= n, () => `${b.received.length} of ${n}`);
  assert.deepEqual(
    b.received.map(({ envelope }) => envelope),
    Array.from({ length: n }, (_, id) => reply(id, "body ".repeat(id % 100))),
  );
  assert.ok(
    a.mailbox.peers()[0].reconnects >= 3,
    `${a.mailbox.peers()[0].reconnects} reconnections`,
  );
  assert.ok(a.mailbox.peers()[0].resent > 0);
  await a.mailbox.close();
  await b.mailbox.close();
  await proxy.close();
});

test("Dialer.start() reconnects, when pings stay unanswered", async () => {
  const { b, proxy } = await behindProxy();
  const a = await open("a", {
    peers: [{ node: "b", host: "127.0.0.1", port: proxy.port }],
    limits: { pingIntervalMs: 20, pingTimeoutMs: 60, helloTimeoutMs: 100, backoffMaxMs: 50 },
  });
  await a.mailbox.send("b", reply(1));
  await until(() => b.received.length === 1, "the first message");
  proxy.stall();
  await a.mailbox.send("b", reply(2));
  await until(() => a.mailbox.peers()[0].state === "connecting", "the connection to be given up");
  proxy.resume();
  await until(() => b.received.length === 2, "the second message");
  assert.deepEqual([b.ids(), a.lost], [[1, 2], []]);
  await a.mailbox.close();
  await b.mailbox.close();
  await proxy.close();
});

test("Dialer.start() reconnects, when nothing is acknowledged any more", async () => {
  let hellos = 0;
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.on("data", () => {});
    stream.respond({ ":status": 200 });
    stream.write(controlFrame({ t: "welcome", v: 1, node: "b", incarnation: 1, received: 0 }));
    hellos++;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const a = await open("a", {
    peers: [{ node: "b", host: "127.0.0.1", port }],
    limits: { ackTimeoutMs: 50, pingIntervalMs: 20, backoffMaxMs: 50 },
  });
  await a.mailbox.send("b", reply(1));
  // The server counts a connection before the mailbox has resent on it.
  await until(
    () => hellos >= 3 && a.mailbox.peers()[0].resent >= 2,
    "a third connection, resent on",
  );
  assert.deepEqual(a.lost, []);
  await a.mailbox.close({ deadlineMs: 0 });
  for (const session of sessions) session.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
