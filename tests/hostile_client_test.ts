/**
 * Bad requests to a real node: each has the right status and a sentence that helps, none takes the
 * node down, and afterwards its memory is where it was.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createApiKey } from "../runtime/access/mod.ts";
import { NodeProcess } from "./support/processes.ts";
import { rawHttp } from "./support/raw_http.ts";

/** Resident memory that the node may have more of afterwards, in bytes. */
const SLACK_BYTES = 64 * 2 ** 20;

/** A bad request: its name, its bytes (KEY stands for a right key), the status, the error's text. */
type Bad = [name: string, request: string, status: number, says: RegExp];

const CHAT = '{"messages":[{"role":"user","content":"hi"}],"max_tokens":1}';
/** A request's bytes; the connection ends behind it. */
const req = (line: string, headers: string[] = [], body = "") =>
  [line, ...headers, "Connection: close", "", body].join("\r\n");
const HOST = "Host: localhost";
const AUTH = "Authorization: Bearer KEY";
const JSON_TYPE = "Content-Type: application/json";
const get = (path: string, ...headers: string[]) => req(`GET ${path} HTTP/1.1`, [HOST, ...headers]);
const post = (body: string, ...headers: string[]) =>
  req("POST /v1/chat/completions HTTP/1.1", [
    ...[HOST, AUTH, JSON_TYPE, `Content-Length: ${new TextEncoder().encode(body).length}`],
    ...headers,
  ], body);
const many = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: y`);

const NO_KEY = /needs an API key.*deno task keys create/;

const BAD: Bad[] = [
  // Keys that are missing, in the wrong place, or wrong.
  ["no key", get("/v1/models"), 401, NO_KEY],
  ["no key, HEAD is as GET", req("DELETE /v1/models HTTP/1.1", [HOST]), 401, NO_KEY],
  ["no key, a route that is not there", get("/nope"), 401, NO_KEY],
  ["no key, traces", get("/api/trace"), 401, NO_KEY],
  ["no key, a drawing", get("/api/trace.svg"), 401, NO_KEY],
  ["no key, the plan", get("/api/plan"), 401, NO_KEY],
  ["no key, an actor", req("POST /api/actors/x HTTP/1.1", [HOST]), 401, NO_KEY],
  ["no key, metrics", get("/metrics"), 401, NO_KEY],
  ["no key, a double slash", get("//healthz"), 401, NO_KEY],
  ["no key, dots lead out of an open route", get("/healthz/../v1/models"), 401, NO_KEY],
  ["no key, encoded dots", get("/readyz/%2e%2e/v1/models"), 401, NO_KEY],
  ["key in the query", get("/v1/models?api_key=KEY"), 401, /no keys in the URL/],
  ["token in the query", get("/v1/models?access_token=KEY"), 401, /no keys in the URL/],
  ["key in another header", get("/v1/models", "Api-Key: KEY"), 401, NO_KEY],
  ["another key in x-api-key", get("/v1/models", "X-Api-Key: KEYx"), 401, /not accepted/],
  ["key without Bearer", get("/v1/models", "Authorization: KEY"), 401, /not "Bearer" and a key/],
  ["Basic", get("/v1/models", "Authorization: Basic S0VZ"), 401, /not "Bearer" and a key/],
  ["Bearer and nothing", get("/v1/models", "Authorization: Bearer"), 401, /not "Bearer"/],
  ["two keys", get("/v1/models", "Authorization: Bearer KEY KEY"), 401, /not "Bearer"/],
  ["key twice", get("/v1/models", AUTH, AUTH), 401, /not "Bearer"|not accepted/],
  ["key and a letter", get("/v1/models", "Authorization: Bearer KEYx"), 401, /not accepted/],
  ["another server's key", get("/v1/models", "Authorization: Bearer sk-1"), 401, /not accepted/],
  [
    "a hash for a key",
    get("/v1/models", `Authorization: Bearer ${"0".repeat(64)}`),
    401,
    /not acc/,
  ],
  [
    "key of a kilobyte",
    get("/v1/models", `Authorization: Bearer ${"k".repeat(1024)}`),
    401,
    /not acc/,
  ],

  // Host names.
  [
    "stranger's name",
    req("GET /v1/models HTTP/1.1", ["Host: evil.example", AUTH]),
    403,
    /evil\.example/,
  ],
  [
    "stranger's name, open route",
    req("GET /healthz HTTP/1.1", ["Host: evil.example"]),
    403,
    /allow-host/,
  ],
  [
    "our name in a stranger's",
    req("GET /healthz HTTP/1.1", ["Host: localhost.evil.example"]),
    403,
    /allow/,
  ],
  [
    "address in a stranger's",
    req("GET /healthz HTTP/1.1", ["Host: 127.0.0.1.evil.example"]),
    403,
    /allow/,
  ],
  ["unicode name", req("GET /healthz HTTP/1.1", ["Host: b\u00fccher.example"]), 403, /allow-host/],
  ["name with a space", req("GET /healthz HTTP/1.1", ["Host: local host"]), 403, /allow-host/],
  [
    "name with a user",
    req("GET /healthz HTTP/1.1", ["Host: localhost@evil.example"]),
    403,
    /allow/,
  ],
  ["name with a path", req("GET /healthz HTTP/1.1", ["Host: localhost/evil"]), 403, /allow-host/],
  ["empty name", req("GET /healthz HTTP/1.1", ["Host:"]), 403, /allow-host/],
  ["very long name", req("GET /healthz HTTP/1.1", [`Host: ${"a".repeat(20_000)}`]), 403, /allow/],
  ["no Host in HTTP/1.1", req("GET /healthz HTTP/1.1"), 400, /one Host header, got 0/],
  ["two Host headers", req("GET /healthz HTTP/1.1", [HOST, HOST]), 400, /one Host header, got 2/],

  // Targets.
  [
    "another host's URL",
    req("GET http://evil.example/healthz HTTP/1.1", [HOST]),
    400,
    /another host/,
  ],
  [
    "another scheme's URL",
    req("GET ftp://localhost/healthz HTTP/1.1", [HOST]),
    400,
    /begins with \//,
  ],
  ["an https URL", req("GET https://localhost/healthz HTTP/1.1", [HOST]), 400, /begins with \//],
  ["a star", req("OPTIONS * HTTP/1.1", [HOST]), 400, /begins with \//],
  [
    "CONNECT",
    req("CONNECT evil.example:443 HTTP/1.1", ["Host: evil.example:443"]),
    405,
    /no proxy/,
  ],
  ["a long path", get(`/${"p".repeat(40_000)}`), 431, /too large/],

  // Headers.
  ["a header of 64 KiB", get("/healthz", `X: ${"y".repeat(65_536)}`), 431, /too large/],
  ["a header of 4 MiB", get("/healthz", `X: ${"y".repeat(4 << 20)}`), 431, /too large/],
  ["101 headers", get("/healthz", ...many(101)), 431, /100 headers/],
  ["1,500 headers", get("/healthz", ...many(1_500)), 431, /100 headers/],
  ["5,000 headers", get("/healthz", ...many(5_000)), 431, /too large/],
  ["a header without a colon", get("/healthz", "nonsense"), 400, /no request of HTTP\/1\.1/],
  ["a space in a header's name", get("/healthz", "X Y: z"), 400, /no request of HTTP/],
  ["a NUL in a header", get("/healthz", "X: a\u0000b"), 400, /no request of HTTP/],
  ["a folded header", get("/healthz", "X: a", " b"), 400, /no request of HTTP/],

  // What is no HTTP/1.1.
  ["a handshake of TLS", "\x16\x03\x01\x00\x05hello\r\n\r\n", 400, /speaks http, not https/],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, /not HTTP\/2/],
  ["HTTP/3.0", "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 400, /no request of HTTP/],
  ["zeros", "\0\0\0\0\r\n\r\n", 400, /no request of HTTP/],
  ["words", "hello there\r\n\r\n", 400, /no request of HTTP/],
  [
    "a wrong method",
    "FETCH /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    400,
    /no request of HTTP/,
  ],
  ["lines without CR", "GET /healthz HTTP/1.1\nHost: localhost\n\n", 400, /no request of HTTP/],

  // Bodies.
  ["two lengths", post(CHAT, "Transfer-Encoding: chunked"), 400, /no request of HTTP/],
  ["a length that is no number", get("/healthz", "Content-Length: x"), 400, /no request of HTTP/],
  ["a negative length", get("/healthz", "Content-Length: -1"), 400, /no request of HTTP/],
  ["a declared gigabyte", post(CHAT).replace(/Length: \d+/, "Length: 1073741824"), 413, /limit/],
  ["no JSON", post("{"), 400, /not valid JSON/],
  ["a form", post(CHAT).replace("application/json", "text/plain"), 415, /application\/json/],
  ["a wrong field", post('{"messages":7}'), 400, /messages/],
  ["a wrong method for a route", get("/v1/completions", AUTH), 405, /takes POST/],
];

Deno.test("deno task start answers bad requests with what is wrong, and goes on", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const data = join(dir, "data");
    const { key } = await createApiKey(join(data, "api-keys.json"), "test");
    await using node = NodeProcess.start(["--data", data]);
    const url = await node.ready(1);
    await answers(url, key);
    for (let round = 0; round < 2; round++) await ask(url, key, BAD); // warm
    const before = await residentBytes(node);

    for (const [name, request, status, says] of BAD) {
      await t.step(name, async () => {
        const { status: got, body } = await rawHttp(url, [request.replaceAll("KEY", key)], {
          ms: 10_000,
        });
        assert.equal(got, status, body);
        const { error } = JSON.parse(body);
        assert.match(error.message, says);
        assert.ok(!body.includes(key), "the answer repeats the key");
      });
    }
    await t.step("requests one behind the other, without waiting", async () => {
      const good = `GET /v1/models HTTP/1.1\r\n${HOST}\r\n${AUTH}\r\n\r\n`.replaceAll("KEY", key);
      const { text } = await rawHttp(url, [good + good + good], { ms: 1_000 });
      assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 3);
      assert.equal(text.match(/"object":"list"/g)?.length, 3);
      const { text: one, closed } = await rawHttp(url, [good, 200, "nonsense\r\n\r\n"]);
      assert.ok(closed);
      assert.match(one, /^HTTP\/1\.1 200[^]*HTTP\/1\.1 400[^]*no request of HTTP/);
    });
    await t.step("HTTP/1.0 without Host", async () => {
      const { status } = await rawHttp(url, ["GET /healthz HTTP/1.0\r\n\r\n"]);
      assert.equal(status, 200);
    });
    await t.step("a thousand bad requests take no memory", async () => {
      const small = BAD.filter(([, request]) => request.length < 100_000);
      for (let round = 0; round < 16; round++) await ask(url, key, small);
      const grown = await residentBytes(node) - before;
      assert.ok(grown < SLACK_BYTES, `${(grown / 2 ** 20).toFixed(0)} MiB more are resident`);
    });
    await answers(url, key);
    assert.ok(!node.output.includes(key), "the log has the key");
    node.kill("SIGTERM");
    assert.equal((await node.status()).code, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** Sends the requests, sixteen at a time. */
async function ask(url: string, key: string, requests: Bad[]): Promise<void> {
  for (let at = 0; at < requests.length; at += 16) {
    await Promise.all(
      requests.slice(at, at + 16).map(([, request]) =>
        rawHttp(url, [request.replaceAll("KEY", key)], { ms: 10_000 })
      ),
    );
  }
}

/** Checks that a right request is answered. */
async function answers(url: string, key: string): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: CHAT,
  });
  assert.equal(response.status, 200, await response.clone().text());
  assert.ok((await response.json()).choices[0].message);
}

/** Resident memory of a node in bytes, as Linux tells it; 0 elsewhere. */
async function residentBytes({ pid }: NodeProcess): Promise<number> {
  if (Deno.build.os !== "linux") return 0;
  // Deno itself reads files of /proc only for programs with every permission.
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`] }).output();
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(new TextDecoder().decode(stdout))![1]);
}
