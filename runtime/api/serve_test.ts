import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { rawHttp } from "../../tests/support/raw_http.ts";
import { createApi, serveApi, type ServeLimits } from "./mod.ts";

const checked = { sanitizeOps: true, sanitizeResources: true };

function chat(
  url: string,
  content: string,
  fields: Record<string, unknown> = {},
): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content }], ...fields }),
  });
}

Deno.test("serveApi() says in one line that the port is in use", checked, async () => {
  const stop = new AbortController();
  const app = createApi(new ScriptedGenerator());
  const first = await serveApi({ app, host: "127.0.0.1", port: 0, signal: stop.signal });
  await assert.rejects(
    serveApi({ app, host: "127.0.0.1", port: first.port, signal: stop.signal }),
    (error) => {
      assert.ok(hasCode(error, "port_in_use"));
      assert.match(
        error.message,
        new RegExp(`^port ${first.port} on 127.0.0.1 is in use: [^\\n]+$`),
      );
      return true;
    },
  );
  stop.abort();
  await first.finished;
});

Deno.test("serveApi() says that it cannot listen on a foreign address", checked, async () => {
  const app = createApi(new ScriptedGenerator());
  await assert.rejects(
    serveApi({ app, host: "203.0.113.1", port: 0, signal: new AbortController().signal }),
    (error) => hasCode(error, "cannot_listen"),
  );
});

Deno.test("serveApi() lets a running stream finish when it drains", checked, async () => {
  const stop = new AbortController();
  const server = await serveApi({
    app: createApi(new ScriptedGenerator()),
    host: "127.0.0.1",
    port: 0,
    signal: stop.signal,
  });
  const response = await chat(server.url, "[endless]", { stream: true, max_tokens: 50 });
  stop.abort();
  const text = await response.text();
  assert.match(text, /"finish_reason":"length"[^]*data: \[DONE\]\n\n$/);
  await server.finished;
  await assert.rejects(chat(server.url, "hello"), TypeError, "nothing listens any more");
});

Deno.test("serveApi() ends what still runs at the deadline with a reason", checked, async () => {
  const generator = new ScriptedGenerator();
  const stop = new AbortController();
  const server = await serveApi({
    app: createApi(generator),
    host: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    drainMs: 50,
  });
  const streamed = await chat(server.url, "[endless]", { stream: true });
  const whole = chat(server.url, "[hang]");
  while (generator.active < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  assert.match(
    await streamed.text(),
    /data: {"error":{"message":"the server is shutting down[^\n]+\n\n$/,
  );
  const refused = await whole;
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).error.code, "draining");
  await server.finished;
  // The generator hears of the abort in its own time; that it does is what counts.
  const patience = AbortSignal.timeout(5_000);
  while (generator.active > 0 && !patience.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(generator.active, 0);
});

/** Runs with a server of a scripted generator and these limits, then drains it. */
async function withLimits(
  limits: ServeLimits,
  run: (url: string, generator: ScriptedGenerator) => Promise<void>,
): Promise<void> {
  const generator = new ScriptedGenerator();
  const stop = new AbortController();
  const server = await serveApi({
    app: createApi(generator),
    host: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    drainMs: 0,
    limits,
  });
  try {
    await run(server.url, generator);
  } finally {
    stop.abort();
    await server.finished;
  }
}

const GET = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";

Deno.test(
  "serveApi() closes a connection whose headers dribble or never come",
  checked,
  async () => {
    await withLimits({ headersMs: 300, idleMs: 2_000 }, async (url) => {
      const drops = Array.from({ length: 100 }, (_, i) => [100, `X-${i}: y\r\n`]).flat();
      const connections: [string, (string | number)[]][] = [
        ["silent", []],
        ["no end of the request line", ["GET /hea"]],
        ["no end of the headers", [GET]],
        ["a header at a time", [GET, ...drops]],
        ["a second request on the connection", [GET + "\r\n", 50, GET, ...drops]],
      ];
      await Promise.all(connections.map(async ([name, parts]) => {
        const { closed, ms, text } = await rawHttp(url, parts, { ms: 20_000 });
        assert.ok(closed, `${name}: the connection is open after ${ms} ms`);
        // A client that has asked nothing must not take a 408 for the answer to its first request.
        if (name === "silent") assert.deepEqual([text, ms >= 1_900], ["", true]);
        else assert.match(text, /408 Refused[^]*"code":"request_timeout"/, name);
      }));
    });
  },
);

Deno.test(
  "serveApi() takes a request on a connection that was silent for longer than headers may take",
  checked,
  async () => {
    await withLimits({ headersMs: 100 }, async (url) => {
      const late = await rawHttp(url, [500, GET + "Connection: close\r\n\r\n"], { ms: 20_000 });
      assert.equal(late.status, 200);
      const half = await rawHttp(url, [500, GET], { ms: 20_000 });
      assert.equal(half.status, 408);
    });
  },
);

Deno.test("serveApi() closes a connection that is idle between two requests", checked, async () => {
  await withLimits({ idleMs: 100 }, async (url) => {
    const { closed, status } = await rawHttp(url, [GET + "\r\n"], { ms: 20_000 });
    assert.equal(status, 200);
    assert.ok(closed);
  });
});

Deno.test("serveApi() lets a stream go on for longer than headers may take", checked, async () => {
  await withLimits({ headersMs: 100, idleMs: 100 }, async (url, generator) => {
    const response = await chat(url, "[hang]", { stream: true });
    await new Promise((resolve) => setTimeout(resolve, 2_500)); // two looks for late headers
    assert.equal(generator.active, 1);
    await response.body!.cancel();
  });
});

Deno.test(
  "serveApi() closes connections beyond the limits, and takes new ones when they end",
  checked,
  async () => {
    /** Opens five connections, and says how many the server has closed once two are. */
    const closedOf = async (url: string) => {
      const { hostname, port } = new URL(url);
      let closed = 0;
      const two = Promise.withResolvers<void>();
      const all = await Promise.all(
        Array.from({ length: 5 }, () => Deno.connect({ hostname, port: Number(port) })),
      );
      const reads = all.map(async (socket) => {
        const said = await socket.read(new Uint8Array(1)).catch(() => null);
        if (said === null && ++closed === 2) two.resolve();
      });
      await two.promise;
      await pause(100); // it closes no more
      const before = closed;
      for (const socket of all) socket.close();
      await Promise.all(reads);
      return before;
    };
    /** The server notices in its own time that the others have gone. */
    const answers = async (url: string) => {
      for (let tries = 0; tries < 100; tries++) {
        if ((await rawHttp(url, [GET + "Connection: close\r\n\r\n"])).status === 200) return;
      }
      assert.fail("no connection is taken any more");
    };
    await withLimits({ connectionsOfOne: 3 }, async (url) => {
      assert.equal(await closedOf(url), 2);
      await answers(url);
    });
    await withLimits({ connections: 3 }, async (url) => {
      assert.equal(await closedOf(url), 2);
      await answers(url);
    });
  },
);

/** A socket to the server that has sent a request and reads nothing. */
async function silentReader(port: number, content: string): Promise<Deno.TcpConn> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  const body = JSON.stringify({ messages: [{ role: "user", content }], stream: true });
  await socket.write(new TextEncoder().encode(
    "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n" +
      `content-length: ${body.length}\r\n\r\n${body}`,
  ));
  return socket;
}

Deno.test("serveApi() ends a stream that nobody reads, and its generation", checked, async () => {
  const generator = new ScriptedGenerator();
  const stop = new AbortController();
  const app = createApi(generator);
  const server = await serveApi({
    ...{ app, host: "127.0.0.1", port: 0, signal: stop.signal },
    limits: { stalledMs: 300 },
  });
  using _socket = await silentReader(server.port, "[flood]");
  const until = performance.now() + 20_000;
  while (generator.active === 0 && performance.now() < until) await pause(5);
  assert.equal(generator.active, 1);
  while (generator.active > 0 && performance.now() < until) await pause(20);
  assert.equal(generator.active, 0);
  stop.abort();
  await server.finished;
});

Deno.test(
  "serveApi() refuses bodies beyond its budget, and gives the budget back",
  checked,
  async () => {
    const generator = new ScriptedGenerator();
    const stop = new AbortController();
    const app = createApi(generator);
    const server = await serveApi({
      ...{ app, host: "127.0.0.1", port: 0, signal: stop.signal },
      limits: { bodyBytes: 100_000 },
    });
    const gone = new AbortController();
    const held = fetch(`${server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        messages: [{ role: "user", content: "[hang]" + "x".repeat(80_000) }],
      }),
      signal: gone.signal,
    });
    while (generator.active < 1) await pause(5);
    assert.ok(server.bodies.held > 80_000);
    const refused = await chat(server.url, "x".repeat(50_000));
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "2");
    assert.match(
      (await refused.json()).error.message,
      /holds \d+ bytes of requests, and at most 100000/,
    );
    gone.abort();
    await held.catch(() => {});
    while (server.bodies.held > 0) await pause(5);
    assert.equal((await chat(server.url, "hello").then((r) => r.json())).object, "chat.completion");
    stop.abort();
    await server.finished;
  },
);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
