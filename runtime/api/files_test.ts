import assert from "node:assert/strict";
import { join } from "node:path";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { Batches } from "../batches/mod.ts";
import { createApi, lineAnswerer, serveApi } from "./mod.ts";

/** Runs `body` against a served API that keeps files and runs batches. */
async function withFiles(
  body: (setup: { url: string; generator: ScriptedGenerator }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const stop = new AbortController();
  try {
    const generator = new ScriptedGenerator();
    await using batches = new Batches({
      folder: join(dir, "batches"),
      answer: lineAnswerer(generator),
      files: { mostFileBytes: 4 << 20 },
    });
    const app = createApi(generator, { batches, bodyTimeoutMs: 200 });
    const server = await serveApi({ app, host: "127.0.0.1", port: 0, signal: stop.signal });
    try {
      await body({ url: server.url, generator });
    } finally {
      stop.abort();
      await server.finished;
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function form(content: string, more: Record<string, string> = { purpose: "batch" }): FormData {
  const form = new FormData();
  form.set("file", new File([content], "in.jsonl"));
  for (const [name, value] of Object.entries(more)) form.set(name, value);
  return form;
}

const send = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init);
  return { status: response.status, body: await response.json() };
};

Deno.test("fileRoutes() keep, list, give and remove files, whose length is stated", () =>
  withFiles(async ({ url }) => {
    const text = "x".repeat(3 << 20);
    const ids: string[] = [];
    for (const content of ["one", text]) {
      const { body } = await send(`${url}/v1/files`, { method: "POST", body: form(content) });
      assert.equal(body.bytes, content.length);
      ids.push(body.id);
    }
    const list = await send(`${url}/v1/files?limit=1&order=asc`);
    assert.equal(list.body.data.length, 1);
    assert.equal(list.body.has_more, true);
    const next = await send(`${url}/v1/files?order=asc&after=${list.body.last_id}`);
    assert.deepEqual([...list.body.data, ...next.body.data].map(({ id }) => id).sort(), ids.sort());
    for (const id of ids) {
      const { bytes } = (await send(`${url}/v1/files/${id}`)).body;
      const content = await fetch(`${url}/v1/files/${id}/content`);
      assert.equal(content.headers.get("content-length"), String(bytes));
      assert.equal((await content.text()).length, bytes);
      const head = await fetch(`${url}/v1/files/${id}/content`, { method: "HEAD" });
      assert.equal(head.headers.get("content-length"), String(bytes));
      assert.equal((await send(`${url}/v1/files/${id}`, { method: "DELETE" })).body.deleted, true);
      assert.equal((await send(`${url}/v1/files/${id}`)).status, 404);
    }
  }));

Deno.test("fileRoutes() refuse files that are too large, come too slowly, or of a strange page", () =>
  withFiles(async ({ url }) => {
    const post = (init: RequestInit) => send(`${url}/v1/files`, { method: "POST", ...init });
    const large = await post({ body: form("x".repeat(5 << 20)) });
    assert.equal(large.status, 413);
    const purpose = await post({ body: form("x", { purpose: "vision" }) });
    assert.deepEqual([purpose.status, purpose.body.error.param], [400, "purpose"]);
    const page = await post({ body: form("x"), headers: { origin: "https://evil.example" } });
    assert.deepEqual([page.status, page.body.error.code], [403, "origin_not_allowed"]);
    assert.match(page.body.error.message, /files of this node/);
    const slow = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("--x\r\n")),
    });
    const late = await post({
      body: slow,
      headers: { "content-type": "multipart/form-data; boundary=x" },
    });
    assert.deepEqual([late.status, late.body.error.code], [408, "request_timeout"]);
  }));

Deno.test("lineAnswerer() answers behind all that somebody waits for, and refuses streams", async () => {
  const generator = new ScriptedGenerator();
  const answer = lineAnswerer(generator);
  const { signal } = new AbortController();
  const body = {
    messages: [{ role: "user", content: "a" }],
    max_tokens: 2,
    service_tier: "priority",
  };
  const answered = await answer("/v1/chat/completions", body, signal);
  assert.equal(answered.status, 200);
  assert.equal((answered.body as { object: string }).object, "chat.completion");
  assert.equal(generator.requests[0].priority, -2);
  const cases: [object, number, string][] = [
    [{ ...body, stream: true }, 400, "stream"],
    [{ ...body, temperature: 9 }, 400, "temperature"],
  ];
  for (const [wrong, status, param] of cases) {
    const refused = await answer("/v1/chat/completions", wrong as typeof body, signal);
    const { error } = refused.body as { error: { param: string } };
    assert.deepEqual([refused.status, error.param], [status, param]);
  }
  const busy = await answer(
    "/v1/chat/completions",
    { messages: [{ role: "user", content: "[busy]" }] },
    signal,
  );
  assert.deepEqual([busy.status, busy.retryAfterS], [429, 7]);
  const stop = new AbortController();
  const hanging = answer(
    "/v1/chat/completions",
    { messages: [{ role: "user", content: "[hang]" }] },
    stop.signal,
  );
  while (generator.active === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort("over");
  await assert.rejects(hanging, (error) => error === "over");
  while (generator.active > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});
