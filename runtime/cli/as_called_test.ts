import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asCalled } from "./as_called.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const CONFIG = join(FOLDER, "../../deno.json");

Deno.test("asCalled() names commands as the user calls them, and leaves other tasks alone", () => {
  const text = "run `deno task token create`, deno task orrery status or deno task slim";
  assert.equal(
    asCalled(text, "npx orrery"),
    "run `npx orrery token create`, npx orrery status or deno task slim",
  );
  assert.equal(asCalled(text, "deno task"), text);
  assert.equal(asCalled("deno task startle", "$&"), "deno task startle");
  assert.equal(asCalled("deno task start", "$&"), "$& start");
});

Deno.test("runtime/cli names commands by PROGRAM in the texts that it makes itself", async () => {
  const allowed = ["as_called.ts", "program_name.ts", "slim.ts"];
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (!name.endsWith(".ts") || name.endsWith("_test.ts") || allowed.includes(name)) continue;
    const code = (await Deno.readTextFile(join(FOLDER, name)))
      .replaceAll(/^\s*(\/\*\*|\*|\/\/).*$/gm, "");
    assert.doesNotMatch(code, /deno task/, name);
  }
});

/** Runs a command as the package of npm does; tells what it printed. */
async function packaged(...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "-P=launch", "--no-prompt", "--config", CONFIG, `${FOLDER}orrery.ts`],
      ...args,
    ],
    env: { NO_COLOR: "1", ORRERY_PROGRAM: "npx orrery" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return text(stdout) + text(stderr);
}

Deno.test("commands of the package name npx orrery where they say what to do", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const said = await Promise.all([
      packaged("models", "list", "--data", data),
      packaged("status", "--url", "http://127.0.0.1:1"),
      packaged("start", "--join", "127.0.0.1:1", "--port", "0", "--data", data),
      packaged("completions", "--help"),
    ]);
    for (const text of said) assert.match(text, /npx orrery/);
    assert.doesNotMatch(said.join("\n"), /deno task/);
    assert.match(said[2], /with `npx orrery token create` there/, "made by another room");
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
