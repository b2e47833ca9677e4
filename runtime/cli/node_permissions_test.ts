import assert from "node:assert/strict";
import { join } from "node:path";
import { nodePaths, permissionFlags, type PermissionSet } from "./node_permissions.ts";

const BASE: PermissionSet = {
  net: true,
  read: ["models"],
  write: false,
  run: false,
  env: { allow: ["TERM"], ignore: true },
  sys: ["hostname"],
};

const flagsFor = (args: string[], grants?: { read: string[]; env: string[] }) =>
  permissionFlags(BASE, { root: "/orrery", paths: nodePaths(args), grants });

/** The values of a flag. */
function values(flags: string[], name: string): string[] {
  const [flag] = flags.filter((text) => text.startsWith(`--allow-${name}=`));
  return flag.slice(flag.indexOf("=") + 1).split(/(?<!,),(?!,)/);
}

Deno.test("nodePaths() finds the paths of a command line, however the options are written", () => {
  assert.deepEqual(nodePaths([]), { data: ".orrery", read: [], graph: undefined, etcd: false });
  const args = ["--port", "0", "--data=/d", "--spinning", "--model", "m", "--graph", "g.yaml"];
  assert.deepEqual(nodePaths(args), {
    ...{ data: "/d", read: ["m", "g.yaml"], graph: "g.yaml" },
    etcd: false,
  });
  assert.deepEqual(nodePaths(["--data", "a", "--data", "b"]).data, "b", "the last one counts");
  assert.deepEqual(nodePaths(["--ask", "why?", "--api-key-file", "k"]).read, ["k"]);
  const etcd = "etcd://a,b?ca=ca.pem&user=u&password_file=/p";
  assert.deepEqual(nodePaths(["--registry", etcd]).read, ["ca.pem", "/p"]);
  assert.deepEqual(nodePaths(["--registry", "embedded"]).read, []);
});

Deno.test("permissionFlags() grants the set, and the paths of the command line, and no more", () => {
  assert.deepEqual(flagsFor(["--data", "/none/data"]), [
    "--allow-net",
    "--allow-read=/orrery/models,/none/data",
    "--allow-write=/none/data",
    "--deny-run",
    "--allow-env=TERM",
    "--ignore-env",
    "--allow-sys=hostname",
  ]);
  const flags = flagsFor([
    "--data",
    "/none/data",
    "--model",
    "/none/m",
    "--graph",
    "/none/g/a.yaml",
  ]);
  assert.deepEqual(values(flags, "read"), [
    ...["/orrery/models", "/none/data", "/none/m", "/none/g/a.yaml", "/none/g"],
  ]);
  assert.deepEqual(values(flags, "write"), ["/none/data"]);
});

Deno.test("permissionFlags() lets a node run etcd where it may be asked to, and nothing else", async () => {
  const run = (args: string[]) => flagsFor(args).filter((flag) => flag.includes("-run"));
  const etcd = ["--allow-run=/orrery/runtime/etcd/run_etcd.sh"];
  assert.deepEqual(run(["--data", "/none/d", "--registry", "managed"]), etcd);
  assert.deepEqual(run(["--data", "/none/d", "--join", "den:8421"]), etcd);
  assert.deepEqual(run(["--data", "/none/d", "--join", "--name", "a"]), etcd);
  assert.deepEqual(run(["--data", "/none/d", "--registry", "etcd://a"]), ["--deny-run"]);
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    assert.deepEqual(run(["--data", data]), ["--deny-run"]);
    await Deno.mkdir(join(data, "registry", "etcd"), { recursive: true });
    assert.deepEqual(run(["--data", data]), etcd, "a node that has run one goes on");
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("permissionFlags() passes on what a graph grants to its actors", () => {
  const flags = flagsFor(["--data", "/none/d"], { read: ["/none/words"], env: ["API_TOKEN"] });
  assert.ok(values(flags, "read").includes("/none/words"));
  assert.deepEqual(values(flags, "env"), ["TERM", "API_TOKEN"]);
});

Deno.test("permissionFlags() follows links, and doubles commas within paths", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "orrery-test-" }));
  try {
    for (const name of ["cache", "blobs"]) await Deno.mkdir(join(dir, name));
    await Deno.writeTextFile(join(dir, "blobs", "weights"), "");
    await Deno.symlink(join(dir, "blobs", "weights"), join(dir, "cache", "model.safetensors"));
    await Deno.symlink(join(dir, "cache"), join(dir, "link"));
    const read = values(flagsFor(["--data", "/none/d", "--model", join(dir, "link")]), "read");
    for (const path of ["link", "cache", "blobs/weights"]) {
      assert.ok(read.includes(join(dir, path)));
    }
    assert.ok(!read.includes(join(dir, "blobs")), "the folder beside it is not granted");
    assert.deepEqual(flagsFor(["--data", "/none/a,b"])[2], "--allow-write=/none/a,,b");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
