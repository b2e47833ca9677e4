import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { hasCode } from "../../actors/mod.ts";
import { checkUnused, useModel, usersOf } from "./model_use.ts";

const den = { node: "den:8421:149f", deployment: "d1" };

async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("checkUnused() names who uses a model, until they let go", () =>
  inFolder(async (dir) => {
    await checkUnused(dir, "m-q4");
    const first = await useModel(dir, "m-q4", den);
    const second = await useModel(dir, "m-q4", { node: "attic:8421:2b1c", deployment: "d2" });
    await assert.rejects(
      checkUnused(dir, "m-q4"),
      (e) =>
        hasCode(e, "model_in_use") && e.message.includes("node den:8421:149f (deployment d1)") &&
        e.message.includes("attic"),
    );
    await checkUnused(dir, "m");
    first[Symbol.dispose]();
    assert.equal((await usersOf(dir, "m-q4")).length, 1);
    second[Symbol.dispose]();
    await checkUnused(dir, "m-q4");
  }));

Deno.test("usersOf() does not count a process that was killed", () =>
  inFolder(async (dir) => {
    const program = `
      import { useModel } from ${JSON.stringify(import.meta.resolve("./model_use.ts"))};
      await useModel(${JSON.stringify(dir)}, "m", { node: "n", deployment: "d" });
      console.log("uses it");
      setInterval(() => {}, 1_000);`;
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, program);
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-check", "-A", "--config", config, file],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    assert.deepEqual(await usersOf(dir, "m"), [{ node: "n", deployment: "d" }]);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assert.deepEqual(await usersOf(dir, "m"), []);
    assert.deepEqual([...Deno.readDirSync(`${dir}/in-use`)], []);
    await Deno.remove(file);
  }));
