/** The oldest C library on which a node starts, as docs/packages.md says. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import { compareVersions, neededVersions, newestVersion } from "./elf_versions.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const version = config.imports["onnxruntime-node"].split("@")[1];
const BIN = join(
  ROOT,
  `node_modules/.deno/onnxruntime-node@${version}/node_modules/onnxruntime-node/bin/napi-v6/linux`,
);

/** The oldest version of each library that shipped libraries may ask for. */
const FLOORS: Record<string, number[]> = { GLIBC: [2, 28], GLIBCXX: [3, 4, 25] };

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("newestVersion() compares numbers, and knows what has no number", () => {
  const names = ["GLIBC_2.4", "GLIBC_2.28", "GLIBC_2.3.4", "GLIBC_PRIVATE", "GLIBCXX_3.4.30"];
  assert.deepEqual(newestVersion(names, "GLIBC"), [2, 28]);
  assert.deepEqual(newestVersion(names, "GCC"), undefined);
  assert.ok(compareVersions([2, 28], [2, 3, 4]) > 0 && compareVersions([2, 28], [2, 28, 0]) === 0);
});

Deno.test("neededVersions() refuses what is no ELF file", () => {
  assert.throws(() => neededVersions(join(ROOT, "deno.json")), /deno\.json is no ELF file/);
});

Deno.test("deno and ONNX Runtime's libraries for Linux start with glibc 2.28", async (t) => {
  const libraries = ["x64", "arm64"].map((arch) => join(BIN, arch, "libonnxruntime.so.1"));
  const files = Deno.build.os === "linux" ? [Deno.execPath(), ...libraries] : libraries;
  for (const file of files) {
    // A slim node_modules has no libraries for other processors.
    await t.step({
      name: file.startsWith(ROOT) ? file.slice(BIN.length + 1) : "deno",
      ignore: !await exists(file),
      fn() {
        const names = neededVersions(file);
        assert.ok(names.some((name) => name.startsWith("GLIBC_")), "its needs were found");
        for (const [library, floor] of Object.entries(FLOORS)) {
          const newest = newestVersion(names, library);
          assert.ok(!newest || compareVersions(newest, floor) <= 0, `${library} ${newest}`);
        }
      },
    });
  }
});

Deno.test("docs/packages.md names the floor", async () => {
  const page = await Deno.readTextFile(join(ROOT, "docs/packages.md"));
  assert.ok(page.includes(`glibc ${FLOORS.GLIBC.join(".")}`));
});
