import assert from "node:assert/strict";
import { z } from "zod";
import {
  createSystem,
  defineActor,
  directoryOf,
  type Envelope,
  hasCode,
} from "../../actors/mod.ts";
import { open, reply, test } from "../../tests/support/mailbox_nodes.ts";
import { until } from "../../tests/support/transport_suite.ts";
import { createMailbox } from "./mod.ts";

test("MailboxTransport.send() refuses what it cannot carry", async () => {
  const b = await open("b", { accept: () => true });
  const a = await open("a", {
    peers: [{ node: "b", ...b.mailbox.address }],
    limits: { maxMessageBytes: 1000 },
  });
  const refuses = (envelope: Envelope, code: string) =>
    assert.rejects(a.mailbox.send("b", envelope), (error) => hasCode(error, code));
  await refuses(reply(1, new Uint8Array(1001)), "too_large");
  await refuses(reply(1, { when: new Date(0) }), "unencodable");
  await refuses({ kind: "reply", id: -1, body: null }, "protocol");
  await a.mailbox.send("b", reply(2));
  await until(() => b.received.length === 1, "the message that is fine");
  assert.deepEqual(b.ids(), [2]);
  await a.mailbox.close();
  await b.mailbox.close();
});

test("MailboxTransport.send() keeps nothing of the body: its buffer may be transferred at once", async () => {
  const b = await open("b", { accept: () => true });
  const a = await open("a", { peers: [{ node: "b", ...b.mailbox.address }] });
  const body = new Uint8Array(100_000).fill(7);
  const sending = a.mailbox.send("b", reply(1, body));
  structuredClone(body, { transfer: [body.buffer] });
  await sending;
  await until(() => b.received.length === 1, "the message");
  assert.deepEqual(b.received[0].envelope, reply(1, new Uint8Array(100_000).fill(7)));
  await a.mailbox.close();
  await b.mailbox.close();
});

test("MailboxTransport.removePeer() hands back what the peer did not acknowledge", async () => {
  const a = await open("a", {
    peers: [{ node: "b", host: "127.0.0.1", port: 9 }],
    limits: { windowMessages: 1 },
  });
  await a.mailbox.send("b", reply(1));
  const waiting = assert.rejects(
    a.mailbox.send("b", reply(2)),
    (error) => hasCode(error, "peer_lost"),
  );
  a.mailbox.removePeer("b");
  await waiting;
  await assert.rejects(a.mailbox.send("b", reply(3)), (error) => hasCode(error, "unknown_peer"));
  assert.deepEqual([a.lost, a.mailbox.peers()], [["b removed 1"], []]);
  await a.mailbox.close();
});

test("MailboxTransport.start() goes on receiving, when a handler throws", async () => {
  const mailbox = await createMailbox({ node: "b", accept: () => true });
  const seen: Envelope[] = [];
  mailbox.start({
    receive: (_from, envelope) => {
      seen.push(envelope);
      throw new Error("the handler is broken");
    },
    peerLost: () => {},
  });
  const a = await open("a", { peers: [{ node: "b", ...mailbox.address }] });
  for (const id of [1, 2]) await a.mailbox.send("b", reply(id));
  await until(() => seen.length === 2, "both messages");
  assert.deepEqual(seen, [reply(1), reply(2)]);
  await a.mailbox.close();
  await mailbox.close();
});

test("MailboxTransport.trySend() sends while there is room, keeps the order of send(), and sends nothing else", async () => {
  const b = await open("b", { accept: () => true });
  const a = await open("a", { limits: { windowMessages: 3 } });
  a.mailbox.addPeer("b", "127.0.0.1", b.mailbox.port);
  assert.equal(a.mailbox.trySend!("b", reply(1)), true);
  await a.mailbox.send("b", reply(2));
  assert.equal(a.mailbox.trySend!("b", reply(3)), true);
  // All in one turn of the event loop: nothing can be acknowledged meanwhile.
  assert.equal(a.mailbox.trySend!("b", reply(4)), false);
  const waits = a.mailbox.send("b", reply(5));
  assert.equal(
    a.mailbox.trySend!("b", reply(6)),
    false,
    "it must not overtake the send that waits",
  );
  await waits;
  await until(() => b.received.length === 4, "the four messages");
  assert.deepEqual(b.ids(), [1, 2, 3, 5]);
  assert.throws(() => a.mailbox.trySend!("c", reply(7)), (e) => hasCode(e, "unknown_peer"));
  await a.mailbox.close();
  assert.throws(() => a.mailbox.trySend!("b", reply(8)), (e) => hasCode(e, "closed"));
  await b.mailbox.close();
});

test("MailboxTransport.close() does not wait for acknowledgements: its bye asks for the last", async () => {
  const limits = { ackDelayMs: 60_000 };
  const b = await open("b", { accept: () => true, limits });
  const a = await open("a", { peers: [{ node: "b", ...b.mailbox.address }] });
  for (let id = 0; id < 20; id++) await a.mailbox.send("b", reply(id));
  await until(() => b.received.length > 0, "a connection");
  await a.mailbox.close({ deadlineMs: 30_000 });
  assert.equal(b.received.length, 20);
  assert.deepEqual(b.lost, ["a left"]);
  await b.mailbox.close();
});

test("MailboxTransport.peers() counts the messages that a peer was not allowed to send", async () => {
  const closed = defineActor({
    kind: "closed",
    config: z.object({}),
    messages: { open: z.object({}) },
    create: () => ({ open() {} }),
  });
  const directory = directoryOf(() => "b");
  const [a, b] = await Promise.all(["a", "b"].map((node) => createMailbox({ node })));
  a.addPeer("b", b.address.host, b.address.port);
  b.addPeer("a", a.address.host, a.address.port);
  const left = createSystem([], { transport: a, directory });
  const right = createSystem([closed], { transport: b, directory });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(left.get(closed, "x").open(), (error) => hasCode(error, "not_allowed"));
  }
  assert.deepEqual(b.peers().map(({ node, refused }) => [node, refused]), [["a", 3]]);
  await Promise.all([left.close(), right.close()]);
});
