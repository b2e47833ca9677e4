/**
 * Downloads from a hub that speaks the real one's protocol, in this process.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  commitOf,
  type HubFault,
  type HubRepository,
  HubServer,
} from "../../tests/support/hub_server.ts";
import { HubModel, type HubOptions, parseHubSpec } from "./hub.ts";

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const weights = (bytes: number, seed: number) =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 8)) & 255);

const TEXTS = { "config.json": text({ model_type: "x" }), "tokenizer.json": text({ model: {} }) };
const SINGLE = { ...TEXTS, "model.safetensors": weights(200_000, 7) };
const SHARDED = {
  ...TEXTS,
  "README.md": text("read me"),
  "generation_config.json": text({}),
  "chat_template.jinja": text("t"),
  "model.safetensors.index.json": text({
    weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
  }),
  "model-00001-of-00002.safetensors": weights(50_000, 3),
  "model-00002-of-00002.safetensors": weights(70_000, 5),
  "consolidated.safetensors": weights(9, 9),
  "pytorch_model.bin": weights(9, 9),
  "onnx/model.onnx": weights(9, 9),
};

interface Scene {
  hub: HubServer;
  dir: string;
  get: (options?: HubOptions, file?: string) => Promise<string>;
}

async function scene(
  repository: HubRepository,
  run: (scene: Scene) => Promise<void>,
  faults: HubFault[] = [],
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-hub-" });
  try {
    await using hub = await HubServer.start({ repositories: { "ada/tiny": repository } });
    hub.faults.push(...faults);
    const get = async (options: HubOptions = {}, file?: string) => {
      await using model = await HubModel.resolve({ repo: "ada/tiny", file }, {
        endpoint: hub.url,
        backoffMs: 1,
        ...options,
      });
      return await model.fetch(dir);
    };
    await run({ hub, dir, get });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const names = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder), (e) => e.name)).sort();

async function assertHolds(
  folder: string,
  files: Record<string, Uint8Array>,
  expected = Object.keys(files),
) {
  assert.deepEqual(await names(folder), [...expected].sort());
  for (const name of expected) {
    assert.deepEqual(await Deno.readFile(join(folder, name)), files[name], name);
  }
}

function test(name: string, fn: () => Promise<void>) {
  Deno.test({ name, sanitizeOps: true, sanitizeResources: true, fn });
}

Deno.test("parseHubSpec() takes owner/name and a GGUF file in it", () => {
  assert.deepEqual(parseHubSpec("ada/tiny-1.1B"), { repo: "ada/tiny-1.1B", file: undefined });
  assert.deepEqual(parseHubSpec("a/b:q4/m.gguf"), { repo: "a/b", file: "q4/m.gguf" });
  const none = [
    "",
    "tiny",
    "a/b/c",
    "./a",
    "../a",
    "/a/b",
    "a/..",
    "a/b:",
    "a/b:m.bin",
    "a/b:../m.gguf",
    "a/b:/m.gguf",
    "a b/c",
  ];
  for (const spec of none) assert.equal(parseHubSpec(spec), undefined, spec);
});

test("HubModel.fetch() gets the files of a sharded checkpoint, and sends the token to the hub alone", async () => {
  await scene({ files: SHARDED, privateFor: "hf_secret" }, async ({ hub, get }) => {
    const seen: number[] = [];
    const folder = await get({
      token: "hf_secret",
      onProgress: ({ done, total }) => void seen.push(done / total),
    });
    const wanted = Object.keys(SHARDED).filter((name) =>
      !/README|pytorch|onnx|consolidated/.test(name)
    );
    await assertHolds(folder, SHARDED, wanted);
    assert.ok(folder.endsWith(join("ada--tiny", commitOf(SHARDED))));
    assert.equal(seen.at(-1), 1);
    assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
    assert.equal(hub.requests.filter(({ path }) => path.includes("/tree/")).length, 4); // pages
    for (const { at, authorization } of hub.requests) {
      assert.equal(authorization, at === "hub" ? "Bearer hf_secret" : undefined);
    }
  });
});

test("HubModel.resolve() pins a branch to its commit", async () => {
  const old = { ...SINGLE, "model.safetensors": weights(100, 3) };
  await scene({ files: SINGLE, revisions: { "v1/old": old } }, async ({ hub, dir, get }) => {
    await using model = await HubModel.resolve({ repo: "ada/tiny" }, { endpoint: hub.url });
    hub.repositories["ada/tiny"] = { files: old, revisions: { former: SINGLE } }; // main moves on
    assert.equal(model.origin, `ada/tiny@${commitOf(SINGLE)}`);
    await assertHolds(await model.fetch(dir), SINGLE);
    await assertHolds(await get({ revision: commitOf(old) }), old);
  });
});

test("HubModel.resolve() takes a revision with a slash in its name", async () => {
  await scene({ files: TEXTS, revisions: { "refs/pr/1": SINGLE } }, async ({ get }) => {
    await assertHolds(await get({ revision: "refs/pr/1" }), SINGLE);
  });
});

test("HubModel.fetch() gets one GGUF file out of a subfolder", async () => {
  const file = "q4/tiny.gguf";
  await scene({ files: { ...TEXTS, [file]: weights(5000, 3) } }, async ({ get }) => {
    const path = await get({}, file);
    assert.deepEqual(await Deno.readFile(path), weights(5000, 3));
    assert.deepEqual(await names(join(path, "..")), ["tiny.gguf"]);
    await assert.rejects(get({}, "q4/other.gguf"), {
      code: "hub_file_missing",
      message: /there are q4\/tiny\.gguf/,
    });
  });
});

for (const kind of ["cut", "short"] as const) {
  test(`HubModel.fetch() goes on where a connection was ${kind}`, async () => {
    await scene({ files: SINGLE }, async ({ hub, get }) => {
      await assertHolds(await get(), SINGLE);
      const ranges = hub.fetched("model.safetensors").map(({ range }) => range);
      assert.deepEqual(ranges, [undefined, "bytes=100000-", "bytes=150000-"]);
    }, [{ on: "model.safetensors", kind, times: 2 }]);
  });
}

test("HubModel.fetch() resumes an interrupted download", async () => {
  await scene({ files: SINGLE }, async ({ hub, get }) => {
    const abort = new AbortController();
    const onProgress = ({ file, done }: { file: string; done: number }) => {
      if (file === "model.safetensors" && done > 100_000) abort.abort();
    };
    await assert.rejects(get({ onProgress, signal: abort.signal }), { name: "AbortError" });
    const before = hub.requests.length;
    await assertHolds(await get(), SINGLE);
    const again = hub.requests.slice(before).filter(({ path }) => path.includes("/resolve/"));
    assert.equal(again.length, 1); // the text files are here
    assert.match(hub.fetched("model.safetensors").at(-1)?.range ?? "", /^bytes=[1-9]\d+-$/);
  }, [{ on: "model.safetensors", kind: "slow" }]);
});

test("HubModel.fetch() starts again with a server that ignores ranges", async () => {
  await scene({ files: SINGLE }, async ({ get }) => assertHolds(await get(), SINGLE), [
    { on: "model.safetensors", kind: "cut" },
    { on: "model.safetensors", kind: "no_ranges" },
  ]);
});

test("HubModel.fetch() fetches a file again when its partial download was damaged", async () => {
  await scene({ files: SINGLE }, async ({ hub, dir, get }) => {
    const folder = join(dir, "ada--tiny", commitOf(SINGLE));
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeFile(join(folder, "model.safetensors.part"), new Uint8Array(1000));
    // The partial file is longer than the file itself.
    await Deno.writeFile(join(folder, "tokenizer.json.part"), new Uint8Array(1000));
    await Deno.writeFile(join(folder, "config.json"), new Uint8Array(3)); // of another size
    await assertHolds(await get(), SINGLE);
    assert.deepEqual(hub.fetched("model.safetensors").map(({ range }) => range), [
      "bytes=1000-",
      undefined,
    ]);
  });
});

for (const file of ["model.safetensors", "tokenizer.json"]) {
  test(`HubModel.fetch() throws away a ${file} with another hash`, async () => {
    await scene({ files: SINGLE }, async ({ dir, get }) => {
      await assert.rejects(get(), {
        code: "download_hash",
        message: new RegExp(`^${file} arrived with the hash`),
      });
      const left = await names(join(dir, "ada--tiny", commitOf(SINGLE)));
      assert.equal(left.some((name) => name.startsWith(file)), false);
      await assertHolds(await get(), SINGLE);
    }, [{ on: file, kind: "wrong" }]);
  });
}

test("HubModel.fetch() retries temporary failures", async () => {
  const retries: string[] = [];
  await scene({ files: SINGLE }, async ({ get }) => {
    await assertHolds(await get({ onRetry: (why) => void retries.push(why) }), SINGLE);
    assert.deepEqual(retries.map((why) => /\b(429|500|503|403)\b/.exec(why)?.[1]), [
      "500",
      "503",
      "429",
      "403",
    ]);
  }, [
    { on: "/revision/main", kind: 500 },
    { on: `/tree/${commitOf(SINGLE)}`, kind: 503 },
    { on: "/tokenizer.json", kind: 429 },
    { on: "/model.safetensors", kind: "expired" },
  ]);
});

test("HubModel.fetch() gives up when a pause is too long or attempts are too many", async () => {
  await scene({ files: SINGLE }, async ({ get }) => {
    await assert.rejects(get(), {
      code: "hub_busy",
      message: /answers 429; it asks to wait 3600 s/,
    });
  }, [{ on: "/model.safetensors", kind: 429, retryAfter: "3600" }]);
  await scene({ files: SINGLE }, async ({ get }) => {
    await assert.rejects(get(), { code: "hub_failed", message: /answers 500/ });
  }, [{ on: "/model.safetensors", kind: 500, times: 100 }]);
});

test("HubModel.fetch() restarts a silent response and lets a slow one finish", async () => {
  const retries: string[] = [];
  await scene({ files: SINGLE }, async ({ get }) => {
    await assertHolds(
      await get({ silenceMs: 600, onRetry: (why) => void retries.push(why) }),
      SINGLE,
    );
    assert.equal(retries.length, 1);
    assert.match(retries[0], /no byte came for 600 ms/);
  }, [{ on: "/tokenizer.json", kind: "silent" }, { on: "/model.safetensors", kind: "slow" }]);
});

test("HubModel.resolve() and fetch() name the repository that may not be read, and why", async () => {
  await scene({ files: SINGLE, gatedFor: "hf_good" }, async ({ get }) => {
    await assert.rejects(get(), {
      code: "hub_gated",
      message: /is gated: .*accept its licence at .*ada\/tiny and set HF_TOKEN/,
    });
    await assert.rejects(get({ token: "hf_other" }), {
      code: "hub_gated",
      message: /use a token of that account/,
    });
    await assertHolds(await get({ token: "hf_good" }), SINGLE);
    await assert.rejects(get({ revision: "nope", token: "hf_good" }), {
      code: "hub_revision",
      message: /Invalid rev id: nope/,
    });
    await assert.rejects(get({ revision: "0".repeat(40) }), { code: "hub_revision" });
  });
  await scene({ files: SINGLE, privateFor: "hf_good" }, async ({ get }) => {
    await assert.rejects(get(), {
      code: "hub_repository",
      message: /no repository ada\/tiny.*or set HF_TOKEN/,
    });
    await assert.rejects(get({ token: "hf_other" }), {
      code: "hub_repository",
      message: /the token in HF_TOKEN may read it/,
    });
  });
});

test("HubModel.fetch() refuses a repository without readable weights and says why", async () => {
  const cases: [Record<string, Uint8Array<ArrayBuffer>>, string, RegExp][] = [
    [
      { ...TEXTS, "pytorch_model.bin": weights(9, 1) },
      "weights_missing",
      /pytorch_model\.bin is a pickle, which is not read/,
    ],
    [
      { ...TEXTS, "a.Q4_0.gguf": weights(9, 1) },
      "weights_missing",
      /GGUF files, a\.Q4_0\.gguf, name one: ada\/tiny:FILE/,
    ],
    [TEXTS, "weights_missing", /neither model\.safetensors nor/],
    [
      { "config.json": text({}), "tokenizer.model": text(1), "model.safetensors": weights(9, 1) },
      "file_missing",
      /tokenizer\.json.*tokenizer\.model \(sentencepiece\)/,
    ],
    [
      {
        ...SHARDED,
        "model.safetensors.index.json": text({ weight_map: { a: "../../x.safetensors" } }),
      },
      "shard_missing",
      /\.\.\/\.\.\/x\.safetensors/,
    ],
    [
      {
        ...SHARDED,
        "model.safetensors.index.json": text({ weight_map: { a: "pytorch_model.bin" } }),
      },
      "shard_name",
      /pytorch_model\.bin/,
    ],
    [
      { ...SHARDED, "model.safetensors.index.json": text({}) },
      "file_malformed",
      /names no weight files/,
    ],
  ];
  for (const [files, code, message] of cases) {
    await scene({ files }, async ({ hub, get }) => {
      await assert.rejects(get(), { code, message });
      // No weights were asked for.
      assert.equal(hub.requests.some(({ at }) => at === "files"), false);
    });
  }
});

test("HubModel.fetch() lets its caller refuse a model before its weights are fetched", async () => {
  await scene({ files: SINGLE }, async ({ hub, get }) => {
    const check = async (folder: string) => {
      assert.deepEqual(await names(folder), ["config.json", "tokenizer.json"]);
      throw new Error("not this one");
    };
    await assert.rejects(get({ check }), /not this one/);
    assert.equal(hub.fetched("model.safetensors").length, 0);
  });
});

test("HubModel.fetch() waits for another download of the same model", async () => {
  await scene({ files: SINGLE }, async ({ hub, dir, get }) => {
    const waited = Promise.withResolvers<void>();
    const first = await HubModel.resolve({ repo: "ada/tiny" }, { endpoint: hub.url });
    await first.fetch(dir);
    const second = get({ onWait: waited.resolve });
    await waited.promise;
    await first.remove();
    await first[Symbol.asyncDispose]();
    await assertHolds(await second, SINGLE);
    assert.equal(hub.fetched("model.safetensors").length, 2);
    assert.deepEqual(await names(join(dir, "ada--tiny")), [commitOf(SINGLE)]); // no lock is left
  });
});

test("HubModel.resolve() names a hub that is unreachable or does not speak the protocol", async () => {
  const gone = await HubServer.start({ repositories: {} });
  const { url } = gone;
  await gone[Symbol.asyncDispose]();
  const spec = { repo: "ada/tiny" };
  await assert.rejects(HubModel.resolve(spec, { endpoint: url, backoffMs: 1 }), {
    code: "hub_unreachable",
    message: /ada\/tiny: the connection to http:\/\/127.0.0.1:\d+ failed/,
  });
  await assert.rejects(HubModel.resolve(spec, { endpoint: "ftp://hub" }), { code: "hub_endpoint" });
  for (const body of ["<html>", "null", "{}", '{"sha": "main"}']) {
    await using site = Deno.serve({ port: 0, onListen() {} }, () => new Response(body));
    await assert.rejects(
      HubModel.resolve(spec, { endpoint: `http://localhost:${site.addr.port}` }),
      {
        code: "hub_failed",
        message: /is it a hub/,
      },
    );
  }
});

test("HubModel.resolve() refuses endless redirects", async () => {
  await using site = Deno.serve(
    { port: 0, onListen() {} },
    () => new Response(null, { status: 302, headers: { location: "/x" } }),
  );
  const endpoint = `http://localhost:${site.addr.port}`;
  await assert.rejects(HubModel.resolve({ repo: "ada/tiny" }, { endpoint }), {
    code: "hub_redirect",
  });
});
