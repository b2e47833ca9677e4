import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasCode } from "../../actors/mod.ts";
import { packModule, PROGRAM_FOLDER, unpackModule } from "./module_bundle.ts";
import { stageModule } from "./staged_modules.ts";

/** Writes files below a new folder, and uses it. */
async function withFiles(
  files: Record<string, string>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("packModule() takes along what a module imports, and names what every host has", async () => {
  const files = {
    "deno.jsonc": `{ // names
      "imports": { "words": "./lib/words.ts", "lib/": "./lib/", "schemas": "npm:zod@4" },
    }`,
    "actors/a.ts": `
import { defineActor } from "@orrery/orrery/actors";
import { graphPaths } from "${PROGRAM_FOLDER}actors/mod.ts";
import { z } from "schemas";
import words from "words";
import { more } from "lib/more.ts";
import list from "./list.json" with { type: "json" };
import { join } from "node:path";
export default [defineActor, graphPaths, z, words, more, list, join, import.meta.filename];`,
    "actors/list.json": `["a"]`,
    "lib/words.ts": `export { default } from "../actors/list.json" with { type: "json" };`,
    "lib/more.ts": `import "./words.ts"; export const more = 1;`,
  };
  await withFiles(files, async (folder) => {
    const packed = await packModule(join(folder, "actors/a.ts"));
    const paths = packed.bundle.files.map(({ path }) => path);
    assert.deepEqual(paths, ["actors/a.ts", "actors/list.json", "lib/more.ts", "lib/words.ts"]);
    assert.equal(packed.bundle.entry, "actors/a.ts");
    const [{ text }] = packed.bundle.files;
    for (const specifier of ["orrery:actors/mod.ts", "zod", "../lib/words.ts", "node:path"]) {
      assert.ok(text.includes(JSON.stringify(specifier)), specifier);
    }
    assert.ok(text.includes(JSON.stringify(join(folder, "actors/a.ts"))), "import.meta.filename");

    const bundle = await unpackModule(packed.bytes, packed.sha256);
    const staged = await stageModule({ bundle, sha256: packed.sha256 }, join(folder, "host"));
    const { default: made } = await import(staged.url);
    assert.equal(typeof made[0], "function");
    assert.deepEqual([made[3], made[4]], [["a"], 1]);
    const again = await stageModule({ bundle, sha256: packed.sha256 }, join(folder, "host"));
    assert.deepEqual(again, staged);
    assert.deepEqual([...Deno.readDirSync(join(folder, "host"))].length, 1);
  });
});

Deno.test("packModule() refuses in a sentence what hosts do not have", async () => {
  const cases: Record<string, RegExp> = {
    [`import "left-pad";`]: /a\.ts imports left-pad, which hosts do not have: .* copy what else/,
    [`import "npm:left-pad@1";`]: /imports npm:left-pad@1, which hosts do not have/,
    [`import "npm:zod@3";`]: /imports npm:zod@3, and hosts have npm:zod@4/,
    [`import "jsr:@std/path";`]: /imports jsr:@std\/path, which hosts do not have/,
    [`import "https://esm.sh/left-pad";`]: /imports https:\/\/esm\.sh\/left-pad, which hosts/,
    [`import "@orrery/orrery/actor";`]: /has no such door; it has @orrery\/orrery, /,
    [`import "./missing.ts";`]: /^Module not found: .*missing\.ts, which a\.ts imports$/,
    [`export * from "./big.ts";`]: /are more than 256 files or 4194304 bytes; import less/,
  };
  const big = `// ${"x".repeat(4 * 1024 * 1024)}`;
  for (const [text, why] of Object.entries(cases)) {
    await withFiles({ "a.ts": text, "big.ts": big }, async (folder) => {
      await assert.rejects(
        packModule(join(folder, "a.ts")),
        (error) =>
          hasCode(error, "bad_module") && why.test(error.message) || assert.fail(String(error)),
      );
    });
  }
});

Deno.test("unpackModule() refuses other bytes than were promised, and paths out of the folder", async () => {
  const module = fileURLToPath(new URL("module_config.ts", import.meta.url));
  const { bytes, bundle, sha256 } = await packModule(module);
  await assert.rejects(
    unpackModule(bytes.slice(1), sha256),
    /have the SHA-256 [0-9a-f]{64}, and not [0-9a-f]{64} as the first node said/,
  );
  const [file] = bundle.files;
  for (const path of ["../a.ts", "/a.ts", "a/../../b.ts", "C:/a.ts", "a\\b.ts", "a//b.ts"]) {
    const evil = new TextEncoder().encode(
      JSON.stringify({ ...bundle, files: [{ ...file, path }] }),
    );
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", evil)).toHex();
    await assert.rejects(unpackModule(evil, hash), /path: expected a path within its folder/, path);
  }
});
