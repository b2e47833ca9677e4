import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Emulation } from "./emulation.ts";

Deno.test("Emulation.missing() says what a benchmark needs where the script is not there", async () => {
  assert.equal(await Emulation.missing(fileURLToPath(import.meta.url)), undefined);
  assert.match(
    (await Emulation.missing("/nowhere/x.sh"))!,
    /^\/nowhere\/x\.sh is not here\. .*--emulation PATH$/,
  );
  await assert.rejects(
    Emulation.up(1, { mbit: 0, periodUs: 10_000, script: "/nowhere/x.sh" }),
    /is not here/,
  );
});

Deno.test("deno task bench:edge and bench:reality say in one line what they need, and exit 2", async () => {
  const run = async (bench: string) => {
    const script = new URL(`../${bench}.ts`, import.meta.url).href;
    const args = ["run", "-q", "--no-prompt", "-A", script, "--emulation", "/nowhere/x.sh"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      env: { NO_COLOR: "1" },
    })
      .output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  for (const bench of ["edge", "reality"]) {
    const { code, stdout, stderr } = await run(bench);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^error: \/nowhere\/x\.sh is not here\. .*--emulation PATH\n$/);
  }
});
