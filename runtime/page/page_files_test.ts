import assert from "node:assert/strict";
import { PageFiles } from "./mod.ts";

/** Most bytes of the whole page. */
const MOST_BYTES = 300_000;

const files = await new PageFiles().all();
const text = (path: string) => new TextDecoder().decode(files.get(path)!.bytes);
const named = (ending: string) => [...files.keys()].filter((path) => path.endsWith(ending));
const own = (path: string) => !path.startsWith("vendor/");

Deno.test("PageFiles.get() gives each file with its type and an ETag of its bytes, and no other", async () => {
  const page = new PageFiles();
  const index = await page.get("index.html");
  assert.equal(index?.type, "text/html; charset=utf-8");
  assert.match(index!.etag, /^"[0-9a-f]{32}"$/);
  assert.notEqual(index!.etag, (await page.get("app.js"))!.etag);
  assert.equal((await page.get("vendor/preact.js"))?.type, "text/javascript; charset=utf-8");
  for (const path of ["", "vendor", "vendor/", "../mod.ts", "/index.html", "vendor/README.md"]) {
    assert.equal(await page.get(path), undefined, path);
  }
});

Deno.test("the page's files have at most 300 KB together", () => {
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes.length, 0);
  assert.ok(bytes < MOST_BYTES, `${bytes} bytes`);
  assert.ok(files.size > 15, `only ${files.size} files`);
});

Deno.test("every import of the page's scripts names a file of the page", () => {
  const imports = named(".js").flatMap((path) =>
    [...text(path).matchAll(/\b(?:from|import)\s*\(?"([^"]+)"/g)].map(([, name]) => ({
      path,
      name,
      to: new URL(name, `http://node/${path}`).pathname.slice(1),
    }))
  );
  assert.ok(imports.length > 20, "imports were found");
  const missing = imports.filter(({ name, to }) => !name.startsWith(".") || !files.has(to));
  assert.deepEqual(missing, []);
});

Deno.test("every script and style sheet is reached from index.html, and has a licence or is our own", () => {
  const index = text("index.html");
  const linked = [...index.matchAll(/(?:src|href)="\/page\/([^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual(linked.filter((path) => !files.has(path)), []);
  const reached = new Set(linked);
  for (const path of reached) {
    if (!path.endsWith(".js")) continue;
    for (const [, name] of text(path).matchAll(/\bfrom\s*"([^"]+)"/g)) {
      reached.add(new URL(name, `http://node/${path}`).pathname.slice(1));
    }
  }
  assert.deepEqual([...named(".js"), ...named(".css")].filter((path) => !reached.has(path)), []);
  assert.deepEqual(named(".txt"), ["vendor/LICENSE-htm.txt", "vendor/LICENSE-preact.txt"]);
});

Deno.test("the page names no other host, and makes no markup of text", () => {
  const urls = [...files.keys()].filter((path) => own(path)).flatMap((path) =>
    [...text(path).matchAll(/https?:\/\/[\w.-]+/g)].map(([url]) => `${path}: ${url}`)
  );
  // The name of SVG's language is not fetched.
  assert.deepEqual(urls.filter((url) => !url.endsWith("http://www.w3.org")), []);
  const unsafe = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/;
  assert.deepEqual(named(".js").filter((path) => own(path) && unsafe.test(text(path))), []);
  assert.doesNotMatch(text("index.html"), /<script>|<style|style="|\son[a-z]+="/);
});
