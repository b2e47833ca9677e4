import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import { compileArguments, INCLUDED } from "./compile.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Files of the program that are no tests. */
async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield path;
  }
}

/** Files that only the launcher and `deno task orrery` use, which are not in the program. */
const LAUNCHER = ["runtime/cli/end_with_npx.sh"];

Deno.test("INCLUDED has whatever the program finds by import.meta.url", async () => {
  const found = new Set<string>();
  for (const folder of ["actors", "models", "planner", "runtime"]) {
    for await (const path of sources(folder)) {
      const text = await Deno.readTextFile(join(ROOT, path));
      for (const [, name] of text.matchAll(/new URL\(\s*"([^"$]+)",\s*import\.meta\.url/g)) {
        const target = relative(ROOT, join(ROOT, dirname(path), name)).replace(/\/$/, "");
        if (target !== "" && !LAUNCHER.includes(target)) found.add(target);
      }
    }
  }
  assert.ok(found.size >= 7, "the sources were read");
  const covered = (path: string) =>
    INCLUDED.some((included) => path === included || path.startsWith(`${included}/`));
  assert.deepEqual([...found].filter((path) => !covered(path)), []);
});

Deno.test("compileArguments() names files that exist, and one processor's library", () => {
  for (const path of INCLUDED) assert.ok(Deno.statSync(join(ROOT, path)), path);
  const args = compileArguments("arm64", "/tmp/out");
  const after = (flag: string) => args.filter((_, i) => args[i - 1] === flag);
  assert.deepEqual(after("--target"), ["aarch64-unknown-linux-gnu"]);
  assert.deepEqual(after("--output"), ["/tmp/out"]);
  assert.deepEqual(after("--include"), INCLUDED);
  assert.equal(args.at(-1), "runtime/cli/start.ts");
  for (const path of after("--exclude")) {
    assert.ok(Deno.statSync(join(ROOT, path)).isDirectory, path);
    assert.doesNotMatch(path, /linux\/arm64/);
  }
  for (const name of Object.keys(config.permissions.node)) {
    assert.ok(args.some((arg) => arg.startsWith(`--allow-${name}`)), name);
  }
});
