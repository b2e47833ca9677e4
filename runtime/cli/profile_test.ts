import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadProfiles, profileSchema } from "../profile/mod.ts";

const SCRIPT = fileURLToPath(new URL("./profile.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

async function profile(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-P=tools", "--no-prompt", "--config", CONFIG, SCRIPT, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("deno task profile prints the profile and stores it where the planner finds it", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const { code, out, err } = await profile("--quick", "--json", "--data", data);
    assert.equal(code, 0, err);
    const printed = profileSchema.parse(JSON.parse(out));
    assert.equal(printed.model, "embedded");
    assert.deepEqual(await loadProfiles(data), [printed]);
    assert.match(err, /measuring: \d+ %/);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("deno task profile says what is wrong with its command line in one line", async () => {
  for (const args of [["--precision", "q3"], ["--threads", "0"], ["--data="], ["--nonsense"]]) {
    const { code, out, err } = await profile(...args);
    assert.equal(code, 2, args.join(" "));
    assert.equal(out, "");
    assert.match(err, new RegExp(`^error: .*${args[0].replace("=", "")}.*\n$`), err);
  }
});
