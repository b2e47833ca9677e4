import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseGraph } from "../../actors/mod.ts";
import { runCommand } from "../../tests/support/run_command.ts";
import { actorFiles, checkName, graphFiles, writeNew } from "./new_files.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("deno task new writes an actor and a graph whose own tests pass, and overwrites nothing", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const made = await runCommand("new", "files", ["actor", "doorkeeper", "--dir", dir]);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /wrote .*doorkeeper\.ts\nwrote .*doorkeeper_test\.ts\n/);
    await writeNew(dir, graphFiles("plain"));
    await writeNew(dir, graphFiles("guarded", "doorkeeper.ts"));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "-q", "--no-check", "--no-prompt", "--allow-read", "--allow-env"],
        ...["--config", `${ROOT}deno.json`, dir],
      ],
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.equal(code, 0, text + new TextDecoder().decode(stderr));
    assert.match(text, /3 passed/);
    const before = await Deno.readTextFile(join(dir, "doorkeeper.ts"));
    await assert.rejects(writeNew(dir, actorFiles("doorkeeper")), /is there already: give another/);
    assert.equal(await Deno.readTextFile(join(dir, "doorkeeper.ts")), before);
    assert.equal([...Deno.readDirSync(dir)].length, 6);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("checkName() takes names of actors and files", () => {
  checkName("rate_limit2");
  for (const name of ["", "Guard", "a-b", "../x", "2x", "api", "x_test", "x".repeat(41)]) {
    assert.throws(() => checkName(name), /NAME /, name);
  }
  const graph = parseGraph(graphFiles("g", "lib/guard.ts")[0].text, { file: "g.yaml" });
  assert.equal(graph.actors.custom[0].module, "./lib/guard.ts");
});
