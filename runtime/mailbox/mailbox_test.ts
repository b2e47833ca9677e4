import assert from "node:assert/strict";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import net from "node:net";
import { Encoder } from "cbor-x";
import { type Envelope, hasCode, type NodeId } from "../../actors/mod.ts";
import { FaultyProxy } from "../../tests/support/transport_suite_proxy.ts";
import { until } from "../../tests/support/transport_suite.ts";
import { decodeCbor } from "./cbor.ts";
import { createMailbox, type Mailbox, type MailboxOptions } from "./mod.ts";
import { controlFrame, encodeEnvelope, FrameReader, MAILBOX_PATH, stampSeq } from "./wire.ts";

function reply(id: number, body: unknown = null): Envelope {
  return { kind: "reply", id, body };
}

interface Node {
  mailbox: Mailbox;
  received: { from: NodeId; envelope: Envelope }[];
  ids(): number[];
  lost: string[];
}

async function open(node: NodeId, options: Partial<MailboxOptions> = {}): Promise<Node> {
  const mailbox = await createMailbox({ node, ...options });
  const received: Node["received"] = [];
  const lost: string[] = [];
  mailbox.start({
    receive: (from, envelope) => received.push({ from, envelope }),
    peerLost: (peer, reason, undelivered) =>
      lost.push(`${peer} ${reason}${undelivered.length ? ` ${undelivered.length}` : ""}`),
  });
  return {
    mailbox,
    received,
    lost,
    ids: () => received.map(({ envelope }) => (envelope as { id: number }).id),
  };
}

function test(name: string, body: () => Promise<void>) {
  Deno.test(name, { sanitizeOps: true, sanitizeResources: true }, body);
}

/** Node b, which can only be reached through a faulty proxy. */
async function behindProxy(): Promise<{ b: Node; proxy: FaultyProxy }> {
  let port = 0;
  const proxy = await FaultyProxy.open(() => port);
  const b = await open("b", { accept: () => true, advertisePort: proxy.port });
  port = b.mailbox.port;
  return { b, proxy };
}

/** A client that speaks HTTP/2 but not necessarily the protocol. */
class Stranger {
  readonly frames: unknown[] = [];
  closed = false;
  status?: number;
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;

  constructor(port: number, path = MAILBOX_PATH, method = "POST") {
    this.session = http2.connect(`http://127.0.0.1:${port}`);
    this.session.on("error", () => {});
    this.stream = this.session.request({ ":method": method, ":path": path }, { endStream: false });
    this.stream.on("error", () => {});
    this.stream.on("response", (headers) => this.status = headers[":status"]);
    const reader = new FrameReader(1 << 20, (frame) => this.frames.push(decodeCbor(frame)));
    const framed = path === MAILBOX_PATH && method === "POST";
    this.stream.on("data", (chunk: Uint8Array) => framed && reader.push(chunk));
    this.stream.on("close", () => this.closed = true);
  }

  write(...chunks: Uint8Array[]): this {
    for (const chunk of chunks) this.stream.write(chunk);
    return this;
  }

  /** Waits for the end of the stream and returns the error that came before it. */
  async refusal(): Promise<string> {
    await until(() => this.closed, "the stream to be closed");
    const error = this.frames.find((frame) => (frame as { t?: string })?.t === "error");
    this.session.destroy();
    return error ? (error as { error: { message: string } }).error.message : "no error frame";
  }
}

const hello = { t: "hello", v: 1, node: "s", incarnation: 1, to: "b", link: 1, base: 1 };

function message(seq: number, envelope: Envelope): Uint8Array {
  const frame = encodeEnvelope(envelope, 1 << 20);
  stampSeq(frame, seq);
  return frame;
}

test("Mailbox answers hostile streams with a typed error and serves the others on", async () => {
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

test("Mailbox answers other paths and methods with an HTTP status", async () => {
  const b = await open("b", { accept: () => true });
  for (const [path, method, status] of [["/", "POST", 404], [MAILBOX_PATH, "GET", 405]] as const) {
    const stranger = new Stranger(b.mailbox.port, path, method);
    await until(() => stranger.closed || stranger.status !== undefined, "an answer");
    assert.equal(stranger.status, status);
    stranger.session.destroy();
  }
  const raw = net.connect(b.mailbox.port, "127.0.0.1");
  raw.on("error", () => {});
  let closed = false;
  raw.on("close", () => closed = true);
  raw.resume();
  raw.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => closed, "the end of a connection that speaks no HTTP/2");
  assert.equal(b.mailbox.stats().protocolErrors, 3);
  await b.mailbox.close();
});

test("Mailbox gives up on connections that do not say hello in time", async () => {
  const b = await open("b", { accept: () => true, limits: { helloTimeoutMs: 60 } });
  const silent = net.connect(b.mailbox.port, "127.0.0.1");
  silent.on("error", () => {});
  let closed = false;
  silent.on("close", () => closed = true);
  silent.resume();
  const slow = new Stranger(b.mailbox.port).write(new Uint8Array([0, 0, 0]));
  const idle = new Stranger(b.mailbox.port, "/elsewhere");
  assert.match(await slow.refusal(), /no hello within 60 ms/);
  await until(() => idle.session.destroyed, "the end of a connection without a mailbox stream");
  await until(() => closed, "the end of a silent connection");
  await b.mailbox.close();
});

test("Mailbox drops what comes a second time, and acknowledges it", async () => {
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

test("Mailbox reads what another CBOR encoder wrote, cut into single bytes", async () => {
  const other = new Encoder({ useRecords: false, tagUint8Array: false } as object);
  const b = await open("b", { accept: () => true });
  const frame = (value: unknown) => {
    const body = other.encode(value);
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

test("Mailbox.send() refuses what it cannot carry", async () => {
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

test("Mailbox learns where a peer listens from its hello", async () => {
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

test("Mailbox dials the place that was configured and the one in the peer's hello in turns", async () => {
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

test("Mailbox reports a peer that is never there, and connects when it comes", async () => {
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

test("Mailbox starts afresh when it took the peer for lost and the peer was there all the time", async () => {
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
  await a.mailbox.close();
  await b.mailbox.close();
  await proxy.close();
});

test("Mailbox survives corrupted connections without losing or repeating a message", async () => {
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

test("Mailbox gives up a connection whose pings stay unanswered, and makes it again", async () => {
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

test("Mailbox makes a connection again on which nothing is acknowledged any more", async () => {
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
  await until(() => hellos === 3, "the third connection");
  assert.deepEqual([a.lost, a.mailbox.peers()[0].resent >= 2], [[], true]);
  await a.mailbox.close({ deadlineMs: 0 });
  for (const session of sessions) session.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test("Mailbox.send() keeps nothing of the body: its buffer may be transferred away at once", async () => {
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

test("Mailbox.removePeer() returns what the peer did not take", async () => {
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

test("createMailbox() rejects when the port is taken", async () => {
  const b = await open("b");
  await assert.rejects(createMailbox({ node: "c", port: b.mailbox.port }), /EADDRINUSE|in use/i);
  await b.mailbox.close();
});

test("Mailbox keeps going when a handler throws", async () => {
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
