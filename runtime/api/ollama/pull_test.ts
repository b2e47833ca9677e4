import assert from "node:assert/strict";
import { ScriptedApi } from "../../../tests/support/scripted_api.ts";
import { apiError } from "../errors.ts";
import type { PullStep } from "../pull_service.ts";

/** Adds models as scripted: `gone` is a name that fails, `endless` one that goes on until aborted. */
function scriptedPull() {
  const state = { aborted: 0 };
  return {
    state,
    async *pull(name: string, signal: AbortSignal): AsyncGenerator<PullStep, void> {
      if (name === "llama3") throw apiError("invalid_value", "no name of the hub", "model");
      yield { status: "pulling manifest" };
      if (name === "a/gone") throw apiError("incomplete", "a/gone: layer 3 is missing");
      if (name === "a/endless") {
        const aborted = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => aborted.resolve());
        await aborted.promise;
        state.aborted++;
        signal.throwIfAborted();
      }
      yield { status: "pulling m", digest: "sha256:00", total: 4, completed: 4 };
      yield { status: "success" };
    },
  };
}

Deno.test("POST /api/pull streams the steps of adding a model, or says at the end that it is done", async () => {
  const api = new ScriptedApi({ pull: scriptedPull() });
  assert.deepEqual(await api.lines("/api/pull", { model: "a/b" }), [
    { status: "pulling manifest" },
    { status: "pulling m", digest: "sha256:00", total: 4, completed: 4 },
    { status: "success" },
  ]);
  const whole = await api.json("/api/pull", { name: "a/b", stream: false });
  assert.deepEqual(whole, { status: "success" });
});

Deno.test("POST /api/pull has what is served, without asking the hub", async () => {
  const api = new ScriptedApi();
  const lines = await api.lines("/api/pull", { model: "scripted" });
  assert.deepEqual(lines.at(-1), { status: "success" });
  const { error } = await api.json("/api/pull", { model: "llama3" }, 400);
  assert.match(error, /deno task models add/);
});

Deno.test("POST /api/pull refuses by status before its first line, and by a line after it", async () => {
  const api = new ScriptedApi({ pull: scriptedPull() });
  const refused = await api.json("/api/pull", { model: "llama3" }, 400);
  assert.deepEqual(refused, { error: "no name of the hub", code: "invalid_value" });
  const lines = await api.lines("/api/pull", { model: "a/gone" });
  assert.deepEqual(lines.at(-1), { error: "a/gone: layer 3 is missing", code: "incomplete" });
  await api.json("/api/pull", { model: "a/gone", stream: false }, 502);
});

Deno.test("POST /api/pull stops when its client goes away, streamed and not", async () => {
  const pull = scriptedPull();
  const api = new ScriptedApi({ pull });
  for (const stream of [true, false]) {
    const gone = new AbortController();
    const asked = api.app.request("/api/pull", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "a/endless", stream }),
      signal: gone.signal,
    });
    if (stream) {
      const reader = (await asked).body!.getReader();
      await reader.read();
      const next = reader.read(); // the step that does not come
      await new Promise((resolve) => setTimeout(resolve, 5));
      await reader.cancel();
      assert.equal((await next).done, true);
    } else {
      await new Promise((resolve) => setTimeout(resolve, 5));
      gone.abort();
      assert.equal((await asked).status, 499);
    }
  }
  assert.equal(pull.state.aborted, 2);
});

Deno.test("POST /api/pull is refused to web pages of other origins", async () => {
  const api = new ScriptedApi({ pull: scriptedPull() });
  const response = await api.app.request("/api/pull", {
    method: "POST",
    headers: { "content-type": "application/json", origin: "http://evil.example" },
    body: '{"model":"a/b"}',
  });
  assert.equal(response.status, 403);
});
