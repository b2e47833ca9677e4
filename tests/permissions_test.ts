/**
 * What the process of a running node may do: the permissions that it was started with are read from
 * the operating system, and tried out by a program that gets the very same ones.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NodeProcess } from "./support/processes.ts";

const linux = Deno.build.os === "linux";
const why = linux ? "" : " (skipped: only Linux tells a process's command line)";

/** Tries things, and prints what the permissions say to each. */
const PROBE = `
  const [data, model, outside] = Deno.args;
  const tries = {
    "read data": () => Deno.readTextFileSync(data + "/probe"),
    "write data": () => Deno.writeTextFileSync(data + "/probe-2", ""),
    "read the model": () => Deno.readTextFileSync(model + "/config.json"),
    "write the model": () => Deno.writeTextFileSync(model + "/config.json", ""),
    "read outside": () => Deno.readTextFileSync(outside + "/secret"),
    "write outside": () => Deno.writeTextFileSync(outside + "/new", ""),
    "list outside": () => [...Deno.readDirSync(outside)],
    "remove outside": () => Deno.removeSync(outside + "/secret"),
    "leave data by dots": () => Deno.readTextFileSync(data + "/../outside/secret"),
    "link from data": () => Deno.symlinkSync(outside + "/secret", data + "/link"),
    "read /etc/passwd": () => Deno.readTextFileSync("/etc/passwd"),
    "read /proc": () => Deno.readTextFileSync("/proc/self/environ"),
    "read a variable": () => { if (Deno.env.get("ORRERY_TEST_SECRET")) return; throw new Deno.errors.NotCapable("unset"); },
    "run a program": () => new Deno.Command("true").outputSync(),
  };
  for (const [name, run] of Object.entries(tries)) {
    try {
      run();
      console.log(name + ": yes");
    } catch (error) {
      console.log(name + ": " + (error instanceof Deno.errors.NotCapable ? "no" : error));
    }
  }
  await import(["https://esm.sh", "left-pad"].join("/")).then( // a constant would be fetched beforehand
    () => console.log("import: yes"),
    (error) => console.log("import: " + (/no-remote/.test(error.message) ? "no" : error.message)),
  );`;

Deno.test(`deno task start runs a node that may read and write nothing outside${why}`, async () => {
  if (!linux) return;
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "orrery-test-" }));
  try {
    const [data, model, outside] = ["data", "model", "outside"].map((name) => join(dir, name));
    for (const folder of [data, model, outside]) await Deno.mkdir(folder);
    await Deno.writeTextFile(join(data, "probe"), "");
    await Deno.writeTextFile(join(outside, "secret"), "");
    const embedded = fileURLToPath(new URL("../models/embedded/draft/", import.meta.url));
    for (const { name } of Deno.readDirSync(embedded)) {
      await Deno.copyFile(join(embedded, name), join(model, name));
    }
    const env = { ...Deno.env.toObject(), ORRERY_TEST_SECRET: "secret" };
    await using node = NodeProcess.start(["--data", data, "--model", model, "--draft", "none"], {
      env,
      launch: true,
    });
    await node.ready(1);
    // Deno itself reads files of /proc only for programs with every permission.
    const { stdout } = await new Deno.Command("cat", { args: [`/proc/${node.pid}/cmdline`] })
      .output();
    const [program, ...args] = new TextDecoder().decode(stdout).split("\0").slice(0, -1);
    const script = args.findIndex((arg) => arg.endsWith("/runtime/cli/start.ts"));
    assert.ok(script > 0, `the node's process is ${args.join(" ")}`);
    const probe = join(dir, "probe.ts");
    await Deno.writeTextFile(probe, PROBE);
    const result = await new Deno.Command(program, {
      args: [...args.slice(0, script), probe, data, model, outside],
      env,
      stderr: "inherit",
    }).output();
    assert.deepEqual(new TextDecoder().decode(result.stdout).trim().split("\n"), [
      "read data: yes",
      "write data: yes",
      "read the model: yes",
      "write the model: no",
      "read outside: no",
      "write outside: no",
      "list outside: no",
      "remove outside: no",
      "leave data by dots: no",
      "link from data: no",
      "read /etc/passwd: no",
      "read /proc: no",
      "read a variable: no",
      "run a program: no",
      "import: no",
    ]);
    node.kill("SIGTERM");
    assert.equal((await node.status()).code, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
