import assert from "node:assert/strict";
import { join } from "node:path";
import { packageJson, writePackage } from "./package_npm.ts";
import { DENO_VERSION } from "./program_files.ts";

Deno.test("writePackage() writes the program without tests, and a package.json that names it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.ok(await writePackage(folder) > 300);
    const has = (path: string) => Deno.stat(join(folder, path)).then(() => true, () => false);
    const needed = [
      ...["orrery.cjs", "README.md", "program/deno.json", "program/deno.lock", "program/LICENSE"],
      ...["program/runtime/cli/orrery.ts", "program/runtime/cli/end_with_npx.sh"],
      ...["program/runtime/page/static/index.html", "program/models/embedded/target"],
    ];
    for (const path of needed) assert.ok(await has(path), path);
    for (const path of ["program/runtime/cli/help_test.ts", "program/models/training"]) {
      assert.ok(!await has(path), path);
    }
    const told = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
    assert.deepEqual(told, packageJson());
    assert.equal(told.dependencies.deno, DENO_VERSION);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DENO_VERSION is the version that the docs name", async () => {
  const page = await Deno.readTextFile(join(import.meta.dirname!, "../docs/getting-started.md"));
  const named = new Set([...page.matchAll(/deno@(\d+\.\d+\.\d+)/g)].map(([, version]) => version));
  assert.deepEqual([...named], [DENO_VERSION]);
});
