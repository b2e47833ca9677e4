import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net, { type Socket } from "node:net";
import { FRAME, frame, words } from "./frames.ts";
import {
  type HeaderFields,
  Http2Session,
  type Http2SessionOptions,
  type Http2Stream,
} from "./mod.ts";

/** Both ends of a connection. */
async function pair(options: Partial<Http2SessionOptions> = {}) {
  const taken = Promise.withResolvers<Socket>();
  const listening = net.createServer((socket) => taken.resolve(socket));
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as net.AddressInfo;
  const socket = net.connect({ port, host: "127.0.0.1" });
  const client = new Http2Session(socket, { side: "client", ...options });
  const server = new Http2Session(await taken.promise, { side: "server", ...options });
  return {
    client,
    server,
    async close() {
      client.destroy();
      server.destroy();
      await new Promise((resolve) => listening.close(resolve));
    },
  };
}

/** Bytes of a stream up to its end. */
async function whole(stream: Http2Stream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const random = (bytes: number) => {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) {
    crypto.getRandomValues(all.subarray(at, Math.min(bytes, at + 65_536)));
  }
  return all;
};

Deno.test("Http2Session carries megabytes both ways through small windows", async () => {
  const { client, server, close } = await pair();
  server.on("stream", (stream: Http2Stream, fields: HeaderFields) => {
    assert.equal(fields[":path"], "/echo");
    stream.respond({ ":status": "200" });
    stream.pipe(stream);
  });
  const sent = [random(3_000_000), random(1_000_000), random(0)];
  const came = await Promise.all(sent.map(async (bytes) => {
    const stream = client.request({ ":method": "POST", ":path": "/echo" }, { endStream: false });
    const status = new Promise((resolve) => stream.once("response", (f) => resolve(f[":status"])));
    for (let at = 0; at < bytes.length; at += 100_000) stream.write(bytes.slice(at, at + 100_000));
    stream.end();
    const [all] = await Promise.all([whole(stream), status]);
    assert.equal(await status, "200");
    return all;
  }));
  came.forEach((all, i) => assert.ok(Buffer.compare(all, sent[i]) === 0, `stream ${i}`));
  await close();
});

Deno.test("Http2Session keeps no more of an unread stream than its window and its buffer", async () => {
  const { client, server, close } = await pair({ streamWindow: 100_000, sessionWindow: 200_000 });
  const asked = Promise.withResolvers<Http2Stream>();
  server.on("stream", (stream: Http2Stream) => asked.resolve(stream));
  const stream = client.request({ ":method": "POST", ":path": "/" }, { endStream: false });
  let taken = 0;
  const bytes = new Uint8Array(10_000);
  const more = () => {
    while (taken < 5_000_000) {
      taken += bytes.length;
      if (!stream.write(bytes)) return;
    }
  };
  stream.on("drain", more);
  more();
  const unread = await asked.promise;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(unread.readableLength <= 100_000 + 64 * 1024);
  assert.ok(taken < 400_000, `${taken} bytes were taken`);
  // Another stream goes on beside it.
  const other = client.request({ ":method": "GET", ":path": "/" });
  const second = await new Promise<Http2Stream>((resolve) => server.once("stream", resolve));
  second.respond({ ":status": "200" });
  second.end("beside");
  assert.equal(Buffer.from(await whole(other)).toString(), "beside");
  let read = 0;
  unread.on("data", (part) => read += part.length);
  while (read < 5_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
  await close();
});

Deno.test("Http2Session.ping() tells when the other side answers, and when the session is over", async () => {
  const { client, close } = await pair();
  assert.equal(await new Promise((resolve) => client.ping(resolve)), null);
  const last = new Promise((resolve) => client.ping(resolve));
  await close();
  await last; // an answer, or an error
  const after = await new Promise((resolve) => client.ping(resolve));
  assert.ok(after instanceof Error);
});

Deno.test("Http2Session ends streams with their session, and after a GOAWAY those behind it", async () => {
  const { client, server, close } = await pair();
  const streams: Http2Stream[] = [];
  server.on("stream", (stream: Http2Stream) => streams.push(stream));
  const asked = [1, 2, 3].map(() => client.request({ ":method": "GET", ":path": "/" }));
  while (streams.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  const closed = (stream: Http2Stream) => new Promise((resolve) => stream.once("close", resolve));
  const behind = Promise.all(asked.slice(1).map(closed));
  server.socket.write(frame(FRAME.goaway, { payload: words(1, 0) }));
  await behind;
  assert.ok(client.closed && !client.destroyed && !asked[0].destroyed);
  streams[0].respond({ ":status": "200" });
  streams[0].end("still");
  assert.equal(Buffer.from(await whole(asked[0])).toString(), "still");
  await new Promise((resolve) => client.destroyed ? resolve(0) : client.once("close", resolve));
  const late = client.request({ ":method": "GET", ":path": "/" });
  await closed(late);
  await close();
});

Deno.test("Http2Session ends with an error where the other side breaks the protocol", async () => {
  const settings = frame(FRAME.settings);
  const preface = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const broken: [string, Uint8Array[], RegExp][] = [
    ["no preface", [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")], /does not speak HTTP\/2/],
    ["no settings", [preface, frame(FRAME.ping, { payload: new Uint8Array(8) })], /no SETTINGS/],
    ["long frame", [
      preface,
      settings,
      frame(FRAME.headers, {
        stream: 1,
        payload: new Uint8Array(20_000),
      }),
    ], /20000 bytes/],
    ["DATA of nobody", [preface, settings, frame(FRAME.data, { stream: 5 })], /nobody has begun/],
    [
      "a window of nothing",
      [preface, settings, frame(FRAME.window, { payload: words(0) })],
      /nothing/,
    ],
    ["no HPACK", [
      preface,
      settings,
      frame(FRAME.headers, {
        ...{ stream: 1, flags: 4 },
        payload: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff),
      }),
    ], /too large|early/],
    ["a frame amid headers", [
      preface,
      settings,
      frame(FRAME.headers, { stream: 1, payload: Uint8Array.of(0x82) }),
      frame(FRAME.ping, { payload: new Uint8Array(8) }),
    ], /amid a header block/],
  ];
  for (const [name, bytes, why] of broken) {
    const failed = Promise.withResolvers<Error>();
    const server = net.createServer((socket) => {
      new Http2Session(socket, { side: "server" }).on("error", failed.resolve);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    const socket = net.connect({ port, host: "127.0.0.1" }).on("error", () => {});
    socket.resume();
    for (const part of bytes) socket.write(part);
    assert.match((await failed.promise).message, why, name);
    await new Promise((resolve) => socket.destroyed ? resolve(0) : socket.once("close", resolve));
    await new Promise((resolve) => server.close(resolve));
  }
});
