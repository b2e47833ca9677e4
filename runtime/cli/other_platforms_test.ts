import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type LibraryPlace, otherPlatforms, removePlatforms } from "./other_platforms.ts";

/** Folder of the package's libraries within a copy of the package. */
const BIN = "bin/napi-v6";

function write(path: string, bytes: number | string): void {
  Deno.mkdirSync(join(path, ".."), { recursive: true });
  Deno.writeTextFileSync(path, typeof bytes === "string" ? bytes : "x".repeat(bytes));
}

/** A program and a cache whose files it links, with libraries of 100, 20 and 3 bytes. */
function madePlace(folder: string): LibraryPlace & { linked: string; cached: string } {
  const root = join(folder, "program"), npmCache = join(folder, "npm");
  const cached = join(npmCache, "registry.npmjs.org/onnxruntime-node/1.2.3");
  const linked = join(
    root,
    "node_modules/.deno/onnxruntime-node@1.2.3/node_modules/onnxruntime-node",
  );
  write(join(root, "deno.json"), '{"imports":{"onnxruntime-node":"npm:onnxruntime-node@1.2.3"}}');
  const files = {
    "package.json": '{"name":"onnxruntime-node","version":"1.2.3"}',
    [`${BIN}/linux/x64/a.so`]: 100,
    [`${BIN}/linux/arm64/a.so`]: 20,
    [`${BIN}/win32/x64/a.dll`]: 3,
  };
  for (const [name, content] of Object.entries(files)) {
    write(join(cached, name), content);
    Deno.mkdirSync(join(linked, name, ".."), { recursive: true });
    Deno.linkSync(join(cached, name), join(linked, name));
  }
  return { root, npmCache, os: "linux", arch: "x64", linked, cached };
}

Deno.test("removePlatforms() frees node_modules and the cache, and keeps this machine's library", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const place = madePlace(folder);
    const other = join(
      place.npmCache,
      "registry.npmjs.org/onnxruntime-node/1.2.2",
      BIN,
      "win32/x64/a",
    );
    write(other, 7); // another version is another project's
    const found = otherPlatforms(place);
    assert.equal(found.folders.length, 4);
    assert.deepEqual([found.bytes, found.linkedBytes], [23, 0]);
    removePlatforms(found);
    for (const copy of [place.linked, place.cached]) {
      assert.deepEqual([...Deno.readDirSync(join(copy, BIN))].map(({ name }) => name), ["linux"]);
      assert.equal(Deno.statSync(join(copy, BIN, "linux/x64/a.so")).size, 100);
      assert.throws(() => Deno.statSync(join(copy, BIN, "linux/arm64")), Deno.errors.NotFound);
    }
    assert.equal(Deno.statSync(other).size, 7);
    assert.deepEqual(otherPlatforms(place), { folders: [], bytes: 0, linkedBytes: 0 });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("otherPlatforms() counts files that another project links apart", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const place = madePlace(folder);
    Deno.linkSync(join(place.cached, BIN, "linux/arm64/a.so"), join(folder, "elsewhere.so"));
    const { bytes, linkedBytes } = otherPlatforms(place);
    assert.deepEqual([bytes, linkedBytes], [3, 20]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("otherPlatforms() refuses where this machine's library is missing", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const place = madePlace(folder);
    assert.throws(
      () => otherPlatforms({ ...place, os: "darwin" }),
      { group: "model", code: "no_library", message: /no library for darwin x64/ },
    );
    Deno.removeSync(join(place.linked, "package.json"));
    Deno.removeSync(join(place.cached, "package.json"));
    assert.throws(() => otherPlatforms(place), { code: "no_library", message: /deno install/ });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("deno task slim has the permissions that it needs", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "-q", "slim", "--dry-run"],
    cwd: join(import.meta.dirname!, "..", ".."),
    env: { NO_COLOR: "1", PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(text(stderr), "");
  assert.match(text(stdout), /would free [\d.]+ MiB/);
  assert.equal(code, 0);
});
