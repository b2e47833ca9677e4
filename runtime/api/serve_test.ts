import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { createApi, serveApi } from "./mod.ts";

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
  const first = serveApi({ app, host: "127.0.0.1", port: 0, signal: stop.signal });
  assert.throws(
    () => serveApi({ app, host: "127.0.0.1", port: first.port, signal: stop.signal }),
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

Deno.test("serveApi() says that it cannot listen on a foreign address", checked, () => {
  const app = createApi(new ScriptedGenerator());
  assert.throws(
    () => serveApi({ app, host: "203.0.113.1", port: 0, signal: new AbortController().signal }),
    (error) => hasCode(error, "cannot_listen"),
  );
});

Deno.test("serveApi() lets a running stream finish when it drains", checked, async () => {
  const stop = new AbortController();
  const server = serveApi({
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
  const server = serveApi({
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
