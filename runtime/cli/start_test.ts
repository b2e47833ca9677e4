import assert from "node:assert/strict";

const checked = { sanitizeOps: true, sanitizeResources: true };

/**
 * Runs the command with neither network nor write permission: a wrong command line must end before
 * anything is touched.
 */
async function start(args: string[]): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q", // on a machine whose cache is empty, downloads would be reported on stderr
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      "--allow-ffi",
      new URL("./start.ts", import.meta.url).href,
      ...args,
    ],
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test(
  "deno task start exits 2 for wrong layers and for an empty data folder",
  checked,
  async () => {
    const layers = await start(["--layers", "0-3,x"]);
    assert.match(layers.stderr, /^error: .*"x" is not a range like 0-3 \(see --help\)\n$/);
    assert.equal(layers.code, 2);
    const data = await start(["--data", ""]);
    assert.match(data.stderr, /^error: --data takes a folder, got "" \(see --help\)\n$/);
    assert.equal(data.code, 2);
  },
);

Deno.test(
  "deno task start exits 2 where --join has no address and may not look",
  checked,
  async () => {
    const quiet = await start(["--join", "--no-discovery"]);
    assert.match(quiet.stderr, /^error: --join needs the first node's HOST:PORT .*--no-discovery/);
    assert.equal(quiet.code, 2);
    const first = await start(["--model", "x", "--join"]);
    assert.match(first.stderr, /^error: --model is for the first node/);
    assert.equal(first.code, 2);
  },
);

Deno.test(
  "deno task start exits 2 for a registry that it does not know",
  checked,
  async () => {
    const wrong = await start(["--registry", "zookeeper://a"]);
    assert.match(
      wrong.stderr,
      /^error: --registry: registry zookeeper:\/\/a must be embedded, managed, https:/,
    );
    assert.equal(wrong.code, 2);
    const joins = await start(["--registry", "embedded", "--join", "127.0.0.1:1"]);
    assert.match(joins.stderr, /^error: --registry is for the first node/);
    assert.equal(joins.code, 2);
  },
);

Deno.test(
  "deno task start exits 2 for a graph file that is wrong, with line and column",
  checked,
  async () => {
    const file = await Deno.makeTempFile({ prefix: "orrery-test-", suffix: ".yaml" });
    try {
      await Deno.writeTextFile(file, "model: 3\nobjetive: latency\n");
      const { code, stderr } = await start(["--graph", file]);
      assert.equal(
        stderr,
        `error: ${file}:1:8: model: expected the name or folder of a model, found 3\n` +
          `error: ${file}:2:1: objetive: unknown field; did you mean objective?\n`,
      );
      assert.equal(code, 2);
    } finally {
      await Deno.remove(file);
    }
  },
);
