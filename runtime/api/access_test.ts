import assert from "node:assert/strict";
import { join } from "node:path";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { ApiKeys, createApiKey, HostNames, revokeApiKey } from "../access/mod.ts";
import { type Api, createApi } from "./mod.ts";

/** An API with one key, and what it logs. */
async function withKeys(
  run: (world: {
    app: Api;
    generator: ScriptedGenerator;
    file: string;
    key: string;
    id: string;
    logged: () => string;
    tick(): void;
  }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const records: LogRecord[] = [];
  await configure({
    sinks: { kept: (record) => records.push(record) },
    loggers: [{ category: "orrery", lowestLevel: "trace", sinks: ["kept"] }],
  });
  try {
    const file = join(dir, "keys.json");
    const { key, record: { id } } = await createApiKey(file, "laptop");
    let now = 0;
    const keys = new ApiKeys(file, { now: () => now });
    const serving = () => ({ reason: "secret reason" });
    const generator = new ScriptedGenerator();
    const app = createApi(generator, { access: { keys }, serving });
    const logged = () => records.map(({ message }) => message.join("")).join("\n");
    await run({ app, generator, file, key, id, logged, tick: () => now += 1_000 });
  } finally {
    await reset();
    await Deno.remove(dir, { recursive: true });
  }
}

const ask = (
  app: Api,
  path: string,
  headers: Record<string, string> = {},
  init: RequestInit = {},
) => app.fetch(new Request(`http://node${path}`, { headers, ...init }), { remote: "10.0.0.7" });
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

Deno.test("createApi() with keys answers 401 in OpenAI's form to whoever has none", () =>
  withKeys(async ({ app, key }) => {
    const routes = [
      ...["/v1/models", "/v1/models/scripted", "/v1/chat/completions", "/v1/completions"],
      ...["/api/plan", "/api/trace", "/api/trace.svg", "/api/actors/x", "/metrics", "/nope", "/"],
      ...["/healthz/x", "//healthz", "/HEALTHZ", "/healthz%2f", "/readyz/..%2fv1/models"],
    ];
    for (const path of routes) {
      const response = await ask(app, path);
      assert.equal(response.status, 401, path);
      assert.equal(response.headers.get("www-authenticate"), 'Bearer realm="orrery"', path);
      const { error } = await response.json();
      assert.equal(error.code, "missing_api_key", path);
      assert.equal(error.type, "invalid_request_error");
      assert.match(error.message, /deno task keys create/);
      assert.notEqual((await ask(app, path, bearer(key))).status, 401, `${path} with the key`);
    }
    for (const path of ["/health", "/healthz", "/readyz"]) {
      assert.equal((await ask(app, path)).status, 200, path);
    }
    assert.equal((await ask(app, "/v1/models", bearer(key))).status, 200);
    assert.equal((await ask(app, "/v1/models", { "x-api-key": key })).status, 200);
    assert.equal((await ask(app, "/v1/models", {}, { method: "HEAD" })).status, 401);
    assert.equal((await ask(app, "/v1/models", {}, { method: "OPTIONS" })).status, 401);
  }));

Deno.test("createApi() with keys says what is wrong with a key, and never repeats it", () =>
  withKeys(async ({ app, key, id, logged }) => {
    const wrong = key.slice(0, -1) + (key.at(-1) === "A" ? "B" : "A");
    const cases: [string, Record<string, string>, string, RegExp][] = [
      ["/v1/models", { authorization: key }, "missing_api_key", /not "Bearer" and a key/],
      ["/v1/models", { authorization: `Basic ${key}` }, "missing_api_key", /not "Bearer"/],
      ["/v1/models", { "x-api-key": wrong }, "invalid_api_key", /not accepted/],
      [`/v1/models?api_key=${key}`, {}, "missing_api_key", /in the URL/],
      ["/v1/models", bearer(wrong), "invalid_api_key", /not accepted/],
      ["/v1/models", bearer("sk-other"), "invalid_api_key", /not accepted/],
    ];
    for (const [path, headers, code, message] of cases) {
      const response = await ask(app, path, headers);
      assert.equal(response.status, 401);
      const text = await response.text();
      assert.equal(JSON.parse(text).error.code, code);
      assert.match(JSON.parse(text).error.message, message);
      assert.match(response.headers.get("www-authenticate")!, /^Bearer realm="orrery"/);
      for (const secret of [key, wrong, "sk-other"]) assert.ok(!text.includes(secret));
    }
    assert.match(logged(), new RegExp(`a wrong secret for key ${id}`));
    assert.match(logged(), /an unknown key/);
    assert.match(logged(), /10\.0\.0\.7/);
    for (const secret of [key, wrong, "sk-other"]) assert.ok(!logged().includes(secret));
  }));

Deno.test("createApi() with keys refuses a revoked key from the next look at the file on", () =>
  withKeys(async ({ app, file, key, id, tick }) => {
    assert.equal((await ask(app, "/v1/models", bearer(key))).status, 200);
    assert.equal((await ask(app, "/v1/models", { "x-api-key": key })).status, 200);
    await revokeApiKey(file, id);
    tick();
    assert.equal((await ask(app, "/v1/models", bearer(key))).status, 401);
    await Deno.remove(file);
    tick();
    const response = await ask(app, "/v1/models", bearer(key));
    assert.equal(response.status, 503);
    assert.equal((await response.json()).error.code, "keys_unreadable");
  }));

Deno.test("createApi() with keys tells who tries many to wait, and lets right keys pass", () =>
  withKeys(async ({ app, key, logged }) => {
    let limited = 0;
    for (let i = 0; i < 50; i++) {
      const response = await ask(app, "/v1/models", bearer(`guess-${i}`));
      if (response.status !== 429) continue;
      limited++;
      assert.ok(Number(response.headers.get("retry-after")) >= 1);
      assert.equal((await response.json()).error.code, "too_many_attempts");
    }
    assert.equal(limited, 30);
    assert.equal((await ask(app, "/v1/models", bearer(key))).status, 200);
    assert.equal((await ask(app, "/v1/models", { "x-api-key": key })).status, 200);
    assert.equal(
      logged().match(/an unknown key/g)?.length,
      20,
      "one line for each up to the limit",
    );
    assert.equal(logged().match(/no further lines/g)?.length, 1);
  }));

Deno.test("createApi() with keys tells strangers no reason why it is not ready", async () => {
  await withKeys(async ({ key, file }) => {
    const generator = new ScriptedGenerator();
    generator.readiness = () => ({ ready: false, reason: "layers 3-5 on attic" });
    const app = createApi(generator, { access: { keys: new ApiKeys(file) } });
    const response = await ask(app, "/readyz");
    assert.equal(response.status, 503);
    assert.deepEqual(await response.json(), {
      ready: false,
      reason: "ask with an API key to see why",
    });
    const told = await ask(app, "/readyz", bearer(key));
    assert.equal((await told.json()).reason, "layers 3-5 on attic");
  });
});

Deno.test("createApi() refuses host names that are not its own", async () => {
  const hosts = new HostNames(["box.example.org"], { machine: "attic" });
  const app = createApi(new ScriptedGenerator(), { access: { hosts } });
  for (const host of ["localhost:8420", "attic", "box.example.org", "127.0.0.1:8420"]) {
    assert.equal((await ask(app, "/v1/models", { host })).status, 200, host);
  }
  for (const host of ["evil.example", "evil.example:8420", "localhost.evil.example", ""]) {
    for (const path of ["/v1/models", "/healthz", "/readyz"]) {
      const response = await ask(app, path, { host });
      assert.equal(response.status, 403, host);
      assert.equal((await response.json()).error.code, "host_not_allowed");
    }
  }
});

Deno.test("createApi() lets web pages of given origins ask, with a key, and no others", () =>
  withKeys(async ({ file, key }) => {
    const origin = "https://chat.example.org";
    const app = createApi(new ScriptedGenerator(), {
      access: { keys: new ApiKeys(file), origins: [origin, "http://localhost:3000"] },
    });
    const preflight = (from: string) =>
      ask(app, "/v1/chat/completions", {
        origin: from,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      }, { method: "OPTIONS" });
    const allowed = await preflight(origin);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get("access-control-allow-origin"), origin);
    assert.match(allowed.headers.get("access-control-allow-headers")!, /authorization/);
    assert.match(allowed.headers.get("access-control-allow-methods")!, /POST/);
    assert.match(allowed.headers.get("vary")!, /origin/i);
    for (const from of ["https://evil.example", "null", `${origin}.evil.example`]) {
      const refused = await preflight(from);
      assert.equal(refused.headers.get("access-control-allow-origin"), null, from);
    }
    const response = await ask(app, "/v1/models", { origin, ...bearer(key) });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("access-control-allow-origin"), origin);
    assert.equal(response.headers.get("access-control-allow-credentials"), null);
    const keyless = await ask(app, "/v1/models", { origin });
    assert.equal(keyless.status, 401);
    assert.equal(
      keyless.headers.get("access-control-allow-origin"),
      origin,
      "the page may read why",
    );
  }));

Deno.test("createApi() holds a key to its requests in flight and its tokens, and tells it what is left", () =>
  withKeys(async ({ app, generator, file, key, tick }) => {
    const limited = await createApiKey(file, "guest", { requests: 1, tokens_per_minute: 40 });
    tick();
    const chat = (key: string, content: string, signal?: AbortSignal) =>
      ask(app, "/v1/chat/completions", {
        ...bearer(key),
        "content-type": "application/json",
      }, {
        method: "POST",
        signal,
        body: JSON.stringify({ messages: [{ role: "user", content }] }),
      });
    const leave = new AbortController();
    const hangs = chat(limited.key, "[hang]", leave.signal);
    while (generator.active === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await chat(limited.key, "hello");
    assert.equal(second.status, 429);
    assert.equal(second.headers.get("retry-after"), "1");
    const { error } = await second.json();
    assert.equal(error.code, "key_limit");
    assert.match(error.message, /1 requests in flight/);
    assert.equal((await chat(key, "hello")).status, 200, "another key has no limit");
    leave.abort();
    await hangs;
    const first = await chat(limited.key, "hello");
    assert.equal(first.status, 200);
    assert.equal(first.headers.get("x-ratelimit-limit-requests"), "1");
    assert.equal(first.headers.get("x-ratelimit-limit-tokens"), "40");
    await first.text();
    let last = first;
    for (let i = 0; i < 4 && last.status === 200; i++) last = await chat(limited.key, "hello");
    assert.equal(last.status, 429);
    assert.match(
      (await last.json()).error.message,
      /used its 40 tokens a minute; try again in \d+ s/,
    );
    assert.ok(Number(last.headers.get("retry-after")) >= 1);
  }));
