import assert from "node:assert/strict";
import http2 from "node:http2";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import { hasCode } from "../../actors/mod.ts";
import { createMailbox } from "./mod.ts";
import { identify } from "./identify.ts";

const host = "127.0.0.1";

function test(name: string, body: () => Promise<void>) {
  Deno.test(name, { sanitizeOps: true, sanitizeResources: true }, body);
}

/** Asks with a deadline, which only a port that says nothing needs. Milliseconds. */
async function ask(port: number, ms = 10_000): Promise<string> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("asked long enough")), ms);
  try {
    return await identify(host, port, { signal: controller.signal });
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `body` with the port of a server, then waits until both server and connections are gone. */
async function during(server: Server | http2.Http2Server, body: (port: number) => Promise<void>) {
  const closed: Promise<void>[] = [];
  server.on("connection", (socket: Socket) => {
    socket.on("error", () => {});
    closed.push(new Promise((resolve) => socket.once("close", () => resolve())));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  await body((server.address() as AddressInfo).port);
  await Promise.all(closed);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

const unreachable = (want: RegExp) => (error: unknown) =>
  hasCode(error, "unreachable") && want.test(error.message);

test("identify() answers the name of the node that listens, whether it knows the asker or not", async () => {
  const mailbox = await createMailbox({ node: "somebody" });
  assert.equal(await ask(mailbox.port), "somebody");
  await mailbox.close();
});

test("identify() rejects, when nobody listens", async () => {
  const server = net.createServer();
  let port = 0;
  await during(server, (p) => Promise.resolve(void (port = p)));
  await assert.rejects(
    ask(port),
    unreachable(new RegExp(`^${host}:${port} does not answer as a mailbox: `)),
  );
});

test("identify() rejects, when what speaks HTTP/2 is no mailbox", async () => {
  const answers: [number, string, RegExp][] = [
    [404, "", /HTTP 404/],
    [200, "hello", /no node's/],
    [200, '{"node": 5}', /no node's/],
    [200, "x".repeat(10_000), /too long/],
  ];
  for (const [status, text, want] of answers) {
    const server = http2.createServer();
    server.on("session", (session) => session.on("error", () => {}));
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": status });
      stream.end(text);
    });
    await during(server, (port) => assert.rejects(ask(port), unreachable(want)));
  }
});

test("identify() rejects, when the other side does not speak HTTP/2 or hangs up", async () => {
  const http1 = net.createServer((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  });
  await during(
    http1,
    (port) => assert.rejects(ask(port), unreachable(/does not answer as a mailbox/)),
  );
  const curt = net.createServer((socket) => socket.destroy());
  await during(
    curt,
    (port) => assert.rejects(ask(port), unreachable(/does not answer as a mailbox/)),
  );
});

test("identify() rejects with the signal's reason, when a port accepts and says nothing", async () => {
  const silent = net.createServer((socket) => socket.resume());
  await during(silent, (port) => assert.rejects(ask(port, 50), /^Error: asked long enough$/));
  await assert.rejects(
    identify(host, 1, { signal: AbortSignal.abort(new Error("too late")) }),
    /too late/,
  );
});
