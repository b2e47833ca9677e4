import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { archiveName } from "./package_archive.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const CALLED = "-q --cached-only -P=launch --no-prompt --config";

Deno.test("the archive's orrery runs the deno beside it, by a link too, and tells how it was called", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "orrery-test-" }));
  try {
    const place = join(folder, archiveName("x64"));
    await Deno.mkdir(place);
    await Deno.copyFile(join(FOLDER, "archive/orrery"), join(place, "orrery"));
    await Deno.writeTextFile(join(place, "deno"), '#!/bin/sh\necho "$ORRERY_PROGRAM" "$@"\n');
    for (const file of ["orrery", "deno"]) await Deno.chmod(join(place, file), 0o755);
    const link = join(folder, "orrery");
    await Deno.symlink(join(place, "orrery"), link);
    for (const called of [link, join(place, "orrery")]) {
      const { code, stdout } = await new Deno.Command(called, {
        args: ["chat", "two words"],
        cwd: "/",
      }).output();
      assert.equal(code, 0);
      const program = join(place, "program");
      assert.equal(
        new TextDecoder().decode(stdout).trim(),
        `${called} run ${CALLED} ${program}/deno.json ${program}/runtime/cli/orrery.ts chat two words`,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deno task package:archive says what is wrong with its options", async () => {
  const run = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-A", "--no-check", join(FOLDER, "package_archive.ts"), ...args],
    }).output();
    return [code, new TextDecoder().decode(stderr).trim()];
  };
  assert.deepEqual(await run("--arch", "mips"), [
    2,
    'error: --arch takes x64 or arm64, got "mips" (see --help)',
  ]);
});
