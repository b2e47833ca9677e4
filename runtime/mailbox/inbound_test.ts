import assert from "node:assert/strict";
import * as cborg from "cborg";
import type { Envelope } from "../../actors/mod.ts";
import { hello, message, open, reply, Stranger, test } from "../../tests/support/mailbox_nodes.ts";
import { until } from "../../tests/support/transport_suite.ts";
import { controlFrame } from "./wire.ts";

test("new InboundStream() answers hostile input with a typed error, and other peers are served on", async () => {
  const b = await open("b", {
    accept: ({ node }) => node !== "x",
    limits: { maxMessageBytes: 100_000 },
  });
  const a = await open("a", { peers: [{ node: "b", ...b.mailbox.address }] });
  await a.mailbox.send("b", reply(1));
  await until(() => b.received.length === 1, "the first message");
  const { port } = b.mailbox;
  const ok = controlFrame(hello);
  const cases: [string, Uint8Array[], RegExp][] = [
    ["garbage instead of a hello", [new Uint8Array(100).fill(0x41)], /frame of 1094795585 bytes/],
    ["garbage CBOR", [new Uint8Array([0, 0, 0, 2, 0xff, 0xff])], /bad CBOR/],
    ["a hello that is too long", [new Uint8Array([0, 2, 0, 0])], /frame of 131072 bytes/],
    ["a hello of another version", [controlFrame({ ...hello, v: 99 })], /version 99/],
    ["a hello for another node", [controlFrame({ ...hello, to: "c" })], /this is node b, not c/],
    ["a hello with a wrong type", [controlFrame({ ...hello, node: 5 })], /bad hello: node/],
    ["a hello from oneself", [controlFrame({ ...hello, node: "b" })], /talks to itself/],
    [
      "a hello of a node that is not welcome",
      [controlFrame({ ...hello, node: "x" })],
      /not welcome/,
    ],
    ["a message before the hello", [message(1, reply(1))], /bad hello/],
    ["an oversized message", [ok, new Uint8Array([0x7f, 0, 0, 0])], /frame of 2130706432 bytes/],
    ["a gap", [ok, message(2, reply(1))], /seq 2 after 0/],
    ["seq 0", [ok, controlFrame([0, reply(1)])], /positive seq/],
    [
      "an envelope of no kind",
      [ok, controlFrame([1, { kind: "explode" }])],
      /field kind is "explode"/,
    ],
    [
      "an envelope with a wrong type",
      [ok, controlFrame([1, { kind: "reply", id: "1" }])],
      /field id is "1"/,
    ],
    ["a second hello", [ok, ok], /unexpected control frame/],
  ];
  for (const [i, [what, chunks, want]] of cases.entries()) {
    const stranger = new Stranger(port).write(...chunks);
    assert.match(await stranger.refusal(), want, what);
    assert.equal(b.mailbox.stats().protocolErrors + b.mailbox.stats().refused, i + 1, what);
  }
  const truncated = new Stranger(port).write(ok, message(1, reply(1)).subarray(0, 10));
  truncated.stream.end();
  assert.match(await truncated.refusal(), /ends inside a frame/);

  await a.mailbox.send("b", reply(2));
  await until(() => b.received.length === 2, "a message after all that");
  assert.deepEqual([b.ids(), b.lost, a.mailbox.peers()[0].reconnects], [[1, 2], [], 0]);
  await a.mailbox.close();
  await b.mailbox.close();
});

test("new InboundStream() drops what comes a second time, and acknowledges it", async () => {
  const b = await open("b", { accept: () => true });
  const first = new Stranger(b.mailbox.port).write(
    controlFrame(hello),
    message(1, reply(1)),
    message(2, reply(2)),
  );
  await until(() => b.received.length === 2 && first.frames.includes(2), "an acknowledgement");
  const second = new Stranger(b.mailbox.port).write(
    controlFrame(hello),
    message(2, reply(2)),
    message(3, reply(3)),
  );
  await until(() => second.frames.includes(3), "an acknowledgement");
  assert.deepEqual(second.frames[0], {
    t: "welcome",
    v: 1,
    node: "b",
    incarnation: b.mailbox.incarnation,
    received: 2,
  });
  assert.deepEqual(b.ids(), [1, 2, 3]);
  assert.equal(b.mailbox.peers()[0].duplicates, 1);
  await until(() => first.closed, "the older stream to be replaced");
  const stale = new Stranger(b.mailbox.port).write(controlFrame({ ...hello, incarnation: 0 }));
  assert.match(await stale.refusal(), /later incarnation/);
  first.session.destroy();
  second.session.destroy();
  await b.mailbox.close();
});

test("new InboundStream() reads what another CBOR encoder wrote, when it is cut into single bytes", async () => {
  const b = await open("b", { accept: () => true });
  const frame = (value: unknown) => {
    const body = cborg.encode(value);
    return new Uint8Array([0, 0, body.length >> 8, body.length, ...body]);
  };
  const stranger = new Stranger(b.mailbox.port);
  for (const value of [hello, [1, reply(5, { text: "ß", bytes: new Uint8Array([1, 2]) })]]) {
    for (const byte of frame(value)) stranger.write(new Uint8Array([byte]));
  }
  await until(() => b.received.length === 1, "the message");
  assert.deepEqual(b.received[0], {
    from: "s",
    envelope: reply(5, { text: "ß", bytes: new Uint8Array([1, 2]) }),
  });
  stranger.session.destroy();
  await b.mailbox.close();
});

test("InboundStream gives messages of version 1 the epoch of now, and leaves those of later ones", async () => {
  const ask: Envelope = {
    kind: "ask",
    id: 1,
    to: "x/y/z",
    from: "",
    type: "t",
    body: null,
    epoch: 1,
  };
  for (const [highest, epochs] of [[1, [7, undefined]], [2, [1, undefined]]] as const) {
    const b = await open("b", { accept: () => true, epochOf: (to) => to === "x/y/z" ? 7 : 0 });
    const protocol = { lowest: 1, highest };
    const a = await open("a", { protocol, peers: [{ node: "b", ...b.mailbox.address }] });
    await a.mailbox.send("b", ask);
    await a.mailbox.send("b", reply(2));
    await until(() => b.received.length === 2, "two envelopes");
    const epochOf = ({ envelope }: typeof b.received[number]) =>
      envelope.kind === "ask" ? envelope.epoch : undefined;
    assert.deepEqual(b.received.map(epochOf), epochs);
    await a.mailbox.close();
    await b.mailbox.close();
  }
});
