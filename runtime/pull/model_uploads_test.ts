/**
 * Models whose files are sent over HTTP, converted by the real thread.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { join } from "node:path";
import { ModelStore } from "../../models/mod.ts";
import {
  encodeGguf,
  ggufMetadata,
  ggufTensors,
  ggufTokenizerFields,
} from "../../tests/support/gguf_writer.ts";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { type TinyCheckpoint, writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { createApi, serveApi } from "../api/mod.ts";
import { Adder, ModelUploads, type ModelUploadsOptions } from "./mod.ts";

interface Scene {
  url: string;
  store: ModelStore;
  adder: Adder;
  uploads: ModelUploads;
  checkpoint: TinyCheckpoint;
  /** Its files, in the order in which they are sent. */
  files: File[];
}

async function scene(
  run: (s: Scene) => Promise<void>,
  options: Partial<ModelUploadsOptions> = {},
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-upload-" });
  const stop = new AbortController();
  try {
    const checkpoint = await writeTinyCheckpoint(join(dir, "tiny"), { layers: 2, shards: 2 });
    const files: File[] = [];
    for await (const { name } of Deno.readDir(checkpoint.dir)) {
      files.push(new File([await Deno.readFile(join(checkpoint.dir, name))], name));
    }
    files.sort((a, b) => a.name < b.name ? -1 : 1);
    const store = await ModelStore.open(join(dir, "data"));
    const adder = new Adder(store.dir);
    const uploads = new ModelUploads({ store, adder, ...options });
    const app = createApi(new ScriptedGenerator(), { uploads, bodyTimeoutMs: 2_000 });
    const server = await serveApi({ app, host: "127.0.0.1", port: 0, signal: stop.signal });
    try {
      await run({ url: `${server.url}/api/models`, store, adder, uploads, checkpoint, files });
    } finally {
      stop.abort();
      await server.finished;
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function form(files: readonly File[], fields: Record<string, string> = { name: "mine" }): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const file of files) form.append("file", file);
  return form;
}

const post = (url: string, body: FormData, headers: Record<string, string> = {}) =>
  fetch(url, { method: "POST", body, headers });

async function linesOf(response: Response) {
  assert.equal(response.status, 200, response.status === 200 ? "" : await response.clone().text());
  return (await response.text()).trim().split("\n").map((line) => JSON.parse(line));
}

/** What a store has beside its locks: uploads, journals of conversions, blobs, unfinished files. */
async function left({ dir }: ModelStore): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["uploads", "jobs", "blobs", "tmp"]) {
    try {
      for await (const { name } of Deno.readDir(join(dir, folder))) found.push(`${folder}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}

Deno.test("ModelUploads take a checkpoint's files, tell how far they are, and keep the model alone", () =>
  scene(async ({ url, store, checkpoint, files }) => {
    const steps = await linesOf(await post(url, form(files, { name: "mine", precision: "f32" })));
    assert.deepEqual(steps.at(-1), { status: "success" });
    const converted = steps.findLast(({ status }) => status === "converting");
    assert.ok(converted.total > 1000 && converted.completed === converted.total);
    const expected = await store.add(checkpoint.dir, { name: "folder", precision: "f32" });
    const { manifest } = await store.get("mine");
    assert.deepEqual(manifest, { ...expected.manifest, name: "mine", source: manifest.source });
    assert.deepEqual((await left(store)).filter((name) => !name.startsWith("blobs/")), []);
    const again = await post(url, form(files));
    assert.equal(again.status, 409);
    assert.equal((await again.json()).error.code, "model_exists");
  }));

Deno.test("ModelUploads take a GGUF file", () =>
  scene(async ({ url, store, checkpoint }) => {
    const metadata = {
      ...ggufMetadata("llama", checkpoint.config),
      ...await ggufTokenizerFields(checkpoint.dir),
    };
    const bytes = encodeGguf(metadata, ggufTensors(checkpoint.tensors, { type: "F16" }));
    const file = new File([new Uint8Array(bytes)], "tiny.gguf");
    const steps = await linesOf(await post(url, form([file], { name: "small", precision: "q8" })));
    assert.deepEqual(steps.at(-1), { status: "success" });
    assert.equal((await store.get("small")).manifest.precision, "q8");
  }));

Deno.test("ModelUploads refuse what is no model, and leave nothing of it", () =>
  scene(async (s) => {
    const { url, store, files } = s;
    const text = (name: string, content: string) => new File([content], name);
    const without = (name: string) => files.filter((file) => file.name !== name);
    const config = (fields: object) =>
      text("config.json", JSON.stringify({ ...s.checkpoint.config, ...fields }));
    const cases: [body: FormData, status: number, says: RegExp][] = [
      [form([], {}), 400, /file: the form has none/],
      [form(files, {}), 400, /^name: .*expected string/],
      [form(files, { name: "../up" }), 400, /^name: expected 1 to 128 letters/],
      [form(files, { name: "mine", precision: "q3" }), 400, /^precision: /],
      [form([text("run.sh", "x")]), 400, /"run\.sh" is no file of a model; send one or more/],
      [form([text("..\\..\\x.gguf", "none")]), 400, /^file: x\.gguf does not begin/],
      [form([text("a.gguf", "not one")]), 400, /a\.gguf does not begin as a GGUF file does/],
      [form([text("a.safetensors", "not one at all")]), 400, /does not begin as a safetensors/],
      [form([text("config.json", "{")]), 400, /config\.json is not JSON/],
      [form([config({ architectures: ["NoSuchForCausalLM"] })]), 400, /NoSuchForCausalLM/],
      [form([files[0], files[0]]), 400, /came twice/],
      [form([text("tokenizer.json", "")]), 400, /tokenizer\.json is empty/],
      [form(without("config.json")), 400, /the form lacks config\.json/],
      [form(without("tokenizer.json")), 400, /the form lacks tokenizer\.json/],
      [form(without("model-00002-of-00002.safetensors")), 400, /model-00002-of-00002/],
    ];
    for (const [body, status, says] of cases) {
      const response = await post(url, body);
      const { error } = await response.json();
      assert.match(error.message, says);
      assert.equal(response.status, status, error.message);
      assert.doesNotMatch(error.message, /orrery-upload-/, "no text names folders of the node");
    }
    const late = form(files);
    late.append("precision", "q8");
    const behind = await post(url, late);
    assert.match((await behind.json()).error.message, /fields of the form stand before its files/);
    const page = await post(url, form(files), { origin: "https://evil.example" });
    assert.equal((await page.json()).error.code, "origin_not_allowed");
    assert.deepEqual(await left(store), []);
    assert.deepEqual(await store.entries(), []);
    assert.equal(s.adder.running, undefined);
  }));

Deno.test("ModelUploads refuse what is larger than they take, or than the disk", () =>
  scene(async ({ store, files, adder }) => {
    const refuse = async (limits: Partial<ModelUploadsOptions>, status: number, says: RegExp) => {
      const uploads = new ModelUploads({ store, adder, ...limits });
      const app = createApi(new ScriptedGenerator(), { uploads });
      const body = form(files);
      const response = await app.request("/api/models", { method: "POST", body });
      const { error } = await response.json();
      assert.match(error.message, says);
      assert.equal(response.status, status);
      assert.deepEqual(await left(store), []);
    };
    await refuse({ mostBytes: 10_000 }, 413, /larger than the 10000 bytes/);
    await refuse({ mostBytes: 0 }, 403, /takes no files of models/);
    const full = { get: store.get.bind(store), freeBytes: () => Promise.resolve(1_000) };
    await refuse({ store: full }, 413, /1000 bytes free/);
    await refuse({ adder: new Adder("/proc/none") }, 403, /may not write to its model store/);
  }));

Deno.test("ModelUploads drop what a client that goes away has sent, and take one model at a time", () =>
  scene(async ({ url, store, adder, files }) => {
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname);
    const begin = `--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nmine\r\n` +
      `--x\r\ncontent-disposition: form-data; name="file"; filename="a.gguf"\r\n\r\nGGUF`;
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: 1000000\r\n` +
        `content-type: multipart/form-data; boundary=x\r\n\r\n${begin}${"y".repeat(50_000)}`,
    );
    const until = async (what: string, is: () => boolean | Promise<boolean>) => {
      for (let tries = 0; tries < 500; tries++) {
        if (await is()) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.fail(`${what} was not so after 5 s`);
    };
    await until("bytes arrive", () => (adder.running?.completed ?? 0) > 10_000);
    assert.equal(adder.running!.status, "receiving a.gguf");
    assert.equal((await left(store)).length, 2, "the folder and its lock");
    const other = await post(url, form(files, { name: "other" }));
    assert.equal((await other.json()).error.code, "pull_running");
    socket.destroy();
    await until("nothing is left", async () => (await left(store)).length === 0);
    await until("the next may come", () => adder.running === undefined);
  }));

Deno.test("ModelUploads.sweep() deletes what dead nodes left, and not what arrives now", () =>
  scene(async ({ store, adder, uploads }) => {
    const parent = join(store.dir, "uploads");
    await Deno.mkdir(join(parent, "dead"), { recursive: true });
    await Deno.writeTextFile(join(parent, "dead", "a.gguf"), "GGUF");
    await Deno.writeTextFile(join(parent, "torn.lock"), "");
    await Deno.writeTextFile(join(parent, "old.fresh"), "");
    await Deno.utime(join(parent, "old.fresh"), 1000, 1000);
    {
      await using upload = await uploads.begin({ name: "mine" });
      await upload.receive("a.gguf", bytesOf("GGUF"));
      await new ModelUploads({ store, adder }).sweep();
      assert.equal((await left(store)).length, 2);
      assert.equal((await left(store)).some((name) => name.includes("dead")), false);
    }
    assert.deepEqual(await left(store), []);
  }));

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}
