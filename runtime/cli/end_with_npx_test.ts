import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./end_with_npx.sh", import.meta.url));
const options = { ignore: Deno.build.os === "windows", sanitizeResources: false };

/** Whether a process with this id lives. */
const lives = async (pid: number): Promise<boolean> =>
  (await new Deno.Command("/bin/sh", { args: ["-c", `kill -0 ${pid} 2>/dev/null`] }).output())
    .success;

/** Has the process a child that sleeps for a second? */
const sleeps = async (pid: number) => {
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "ppid=", "-o", "args="] })
    .output();
  return new TextDecoder().decode(stdout).split("\n").some((line) =>
    line.trim() === `${pid} sleep 1`
  );
};

Deno.test("end_with_npx.sh ends a node when the npx above it is killed", options, async () => {
  const folder = await Deno.makeTempDir();
  // A program that is seen as `node .../npx ...`. Below it, as below a real npx, stands another
  // program, which outlives it; the node is a child of that one.
  const [node, npx] = [join(folder, "node"), join(folder, "npx")];
  const inner = `sleep 600 >/dev/null & n=$!; sh '${SCRIPT}' $n >/dev/null 2>&1 & echo $n $!; wait`;
  await Deno.writeTextFile(node, `#!/bin/sh\nsh -c "${inner.replaceAll("$", "\\$")}" &\nwait\n`);
  await Deno.chmod(node, 0o755);
  const child = new Deno.Command(node, { args: [npx, "-y"], stdout: "piped" }).spawn();
  try {
    const reader = child.stdout.getReader();
    const [pid, script] = new TextDecoder().decode((await reader.read()).value).split(" ").map(
      Number,
    );
    assert.ok(pid > 1 && script > 1);
    const deadline = performance.now() + 60_000;
    // It has found the npx when it sleeps until it looks again.
    while (!await sleeps(script)) assert.ok(performance.now() < deadline, "it watches nothing");
    assert.equal(await lives(pid), true);
    child.kill("SIGTERM");
    await child.status;
    while (await lives(pid)) {
      if (performance.now() > deadline) {
        Deno.kill(pid, "SIGKILL");
        assert.fail("the node went on");
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await reader.cancel();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("end_with_npx.sh does nothing without an npx above the node", options, async () => {
  // Nothing stands above the first process.
  const { code } = await new Deno.Command("/bin/sh", { args: [SCRIPT, "1"] }).output();
  assert.equal(code, 0);
});
