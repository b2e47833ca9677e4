import assert from "node:assert/strict";
import { join } from "node:path";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { ApiKeys, createApiKey } from "../access/mod.ts";
import { PageFiles } from "../page/mod.ts";
import { createApi } from "./mod.ts";

/** What a browser sends for a page. */
const BROWSER = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

const app = createApi(new ScriptedGenerator(), { page: new PageFiles() });
const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  app.fetch(new Request(`http://node${path}`, { headers, method }));

Deno.test("GET / answers programs with a line of text, and browsers with the page", async () => {
  for (const accept of [undefined, "*/*", "application/json", "text/plain, text/html;q=0.5"]) {
    const response = await get("/", accept === undefined ? {} : { accept });
    assert.equal(await response.text(), "Orrery is running", accept);
    assert.equal(response.headers.get("vary"), "accept");
  }
  const page = await get("/", BROWSER);
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(
    await page.text(),
    /^<!doctype html>.*<script type="module" src="\/page\/app\.js">/s,
  );
  const bare = createApi(new ScriptedGenerator());
  const text = await bare.fetch(new Request("http://node/", { headers: BROWSER }));
  assert.equal(await text.text(), "Orrery is running");
});

Deno.test("GET /page/... serves files with a type, a policy and an ETag that saves sending them again", async () => {
  const response = await get("/page/views/chat.js");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/javascript; charset=utf-8");
  const policy = response.headers.get("content-security-policy")!;
  for (const rule of ["default-src 'none'", "script-src 'self'", "connect-src 'self'"]) {
    assert.ok(policy.split("; ").includes(rule), policy);
  }
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  const etag = response.headers.get("etag")!;
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await get("/page/views/chat.js", { "if-none-match": known });
    assert.equal(again.status, 304, known);
    assert.equal(await again.text(), "");
  }
  assert.equal((await get("/page/views/chat.js", { "if-none-match": '"other"' })).status, 200);
  for (const path of ["/page/nothing.js", "/page/..%2fmod.ts", "/page/vendor/README.md"]) {
    assert.equal((await get(path)).status, 404, path);
  }
  assert.equal((await get("/page/app.js", {}, "POST")).status, 405);
});

Deno.test("the page needs no key where the API does, as it tells nothing of the node", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const file = join(dir, "keys.json");
    await createApiKey(file, "laptop");
    const keys = new ApiKeys(file);
    const locked = createApi(new ScriptedGenerator(), { page: new PageFiles(), access: { keys } });
    const status = async (path: string, headers = {}, method = "GET") =>
      (await locked.fetch(new Request(`http://node${path}`, { headers, method }))).status;
    assert.equal(await status("/", BROWSER), 200);
    assert.equal(await status("/page/app.js"), 200);
    assert.equal(await status("/"), 401);
    assert.equal(await status("/page/app.js", {}, "POST"), 401);
    assert.equal(await status("/v1/models", BROWSER), 401);
    assert.equal(await status("/pages", BROWSER), 401);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
