/**
 * A node reports nothing to anybody: neither ONNX Runtime, whose library sends telemetry unless it
 * is told not to, nor Deno, which looks for a newer version of itself.
 *
 * So do two nodes of a cluster, but for what they tell each other.
 *
 * Files are looked for on every system, connections on Linux only. There the node runs in a network
 * namespace that has a loopback interface and no route to anything else. The kernel counts what a
 * namespace sends and what it cannot send, so even a name lookup of a millisecond is seen, and
 * nothing leaves this machine when the test fails.
 */
import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type LanMachine, LanMachines } from "./support/lan_machines.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Command line that runs another one in a network namespace of its own. */
const ISOLATED = [
  ...["unshare", "--user", "--map-root-user", "--net"],
  ...["sh", "-c", 'ip link set lo up && exec "$@"', "sh"],
];

/** Milliseconds until a process with telemetry must have sent some; 8,000 are usual. */
const PATIENCE_MS = 60_000;

/** A process with ONNX Runtime as its makers ship it: telemetry is on. */
const WITH_TELEMETRY = `
  import * as ort from "onnxruntime-node";
  // This is no model, but the library has started.
  await ort.InferenceSession.create(new Uint8Array(1)).catch(() => {});
  setInterval(() => {}, 1_000);`;

/** Can this machine isolate a process? */
const isolates = Deno.build.os === "linux" &&
  await new Deno.Command(ISOLATED[0], { args: [...ISOLATED.slice(1), "true"], stderr: "null" })
    .output()
    .then(({ success }) => success, () => false);

const why = isolates ? "" : " (connections skipped: this machine makes no network namespaces)";

Deno.test(`deno task start sends nothing and writes to --data alone${why}`, async (t) => {
  await inFolders(async ({ env, data, outside }) => {
    const within = isolates ? ISOLATED : [];
    await using node = NodeProcess.start(["--data", data, "--ask", "Why does it rain?"], {
      env,
      within,
    });
    await node.line(/goes on serving; stop it/); // it has printed the answer
    assert.match(node.output, /droplets/);
    if (isolates) {
      await t.step("a process with telemetry, started later, is seen to send it", seesTelemetry);
      // The one connection is that of --ask to the node's own API.
      const expected = { noRoute: 0, datagrams: 0, connections: 1 };
      assert.deepEqual(await sent(node.pid), expected);
    }
    node.kill("SIGTERM");
    assert.equal((await node.status()).code, 0);
    assert.ok(filesIn(data).length > 0);
    assert.deepEqual(filesIn(outside), []);
  });
});

const lan = await LanMachines.open(2);
await lan?.[Symbol.asyncDispose]();

Deno.test({
  name: "two nodes send nothing but to each other, and write to --data alone" +
    (lan ? "" : " (skipped: this machine makes no network namespaces with interfaces)"),
  ignore: !lan,
  async fn() {
    const lan = (await LanMachines.open(2))!;
    await using stack = new AsyncDisposableStack();
    stack.use(lan);
    await inFolders((den) =>
      inFolders(async (attic) => {
        const [here, there] = lan.machines;
        const start = (
          { env, data }: Folders,
          { address, within }: LanMachine,
          ...args: string[]
        ) =>
          stack.use(NodeProcess.start([
            ...["--data", data, "--host", address, "--no-discovery", "--threads", "1", ...args],
          ], { env, within }));
        const first = start(den, here, "--nodes", "2", ...EVEN);
        const joined = start(attic, there, ...await first.join(), "--ask", "Why does it rain?");
        await joined.line(/goes on serving; stop it/); // both have computed the answer
        assert.match(joined.output, /droplets/);
        for (
          const [node, { within }, other] of [[first, here, there], [joined, there, here]] as const
        ) {
          const { noRoute, datagrams, connections } = await sent(node.pid);
          // With no way out, whatever else was tried would be counted as without a route, or stand
          // beside the other machine among the neighbours.
          assert.deepEqual({ noRoute, datagrams }, { noRoute: 0, datagrams: 0 });
          assert.deepEqual(await neighbours(within), [other.address]);
          assert.ok(connections > 0, "it has connected to the other one");
        }
        await tryThirdAddress(here);
        assert.deepEqual((await neighbours(here.within)).sort(), [there.address, THIRD]);
        joined.kill("SIGTERM");
        assert.equal((await joined.status()).code, 0);
        first.kill("SIGTERM");
        assert.equal((await first.status()).code, 0);
        for (const { data, outside } of [den, attic]) {
          assert.ok(filesIn(data).length > 0);
          assert.deepEqual(filesIn(outside), []);
        }
      })
    );
  },
});

/** An address of the local network at which there is nobody. */
const THIRD = "10.77.0.9";

/** Tries to connect there, to show that an attempt is seen. */
async function tryThirdAddress({ within: [command, ...args] }: LanMachine): Promise<void> {
  const script = `import net from "node:net";
    net.connect(9, "${THIRD}").on("error", () => {});
    setTimeout(() => Deno.exit(), 100);`;
  const { success } = await new Deno.Command(command, {
    args: [...args, Deno.execPath(), "eval", "--ext=ts", script],
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  assert.ok(success);
}

/** IPv4 addresses of the local network that a namespace has tried to reach. */
async function neighbours([command, ...args]: string[]): Promise<string[]> {
  const { stdout } = await new Deno.Command(command, { args: [...args, "ip", "-4", "neigh"] })
    .output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "")
    .map((line) => line.split(" ")[0]);
}

Deno.test("deno.json keeps Deno from looking for a newer version in the tasks that users run", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  for (
    const name of [
      "orrery",
      "start",
      "chat",
      "doctor",
      "keys",
      "models",
      "nodes",
      "token",
      "plan",
      "simulate",
      "profile",
    ]
  ) {
    assert.match(tasks[name].command, /^DENO_NO_UPDATE_CHECK=1 deno run /, name);
  }
});

Deno.test("ONNX Runtime's library is opened only where its telemetry is off already", async () => {
  const expected = {
    'from "onnxruntime-node"': ["tests/oracle/onnxruntime.ts"],
    // The launcher opens the C library to be replaced by the node, a node the system's sockets to
    // learn its own address.
    "Deno.dlopen(": [
      ...["runtime/cli/replace_process.ts", "runtime/cluster/local_address.ts"],
      ...["runtime/engine/library.ts", "runtime/engine/ort.ts"],
    ],
    "ortLibrary(": ["runtime/engine/library.ts"],
  };
  const found: Record<string, string[]> = Object.fromEntries(
    Object.keys(expected).map((text) => [text, []]),
  );
  for (const folder of ["actors", "models", "planner", "runtime", "examples", "tests"]) {
    for (const path of filesIn(join(ROOT, folder)).filter((path) => /\.[cm]?[jt]s$/.test(path))) {
      if (/(telemetry|library)_test\.ts$/.test(path)) continue;
      // The C library sends nothing to anybody.
      const source = (await Deno.readTextFile(path)).replaceAll('Deno.dlopen("libc.so.6"', "");
      for (const text in found) {
        if (source.includes(text)) found[text].push(relative(ROOT, path).replaceAll("\\", "/"));
      }
    }
  }
  for (const paths of Object.values(found)) paths.sort();
  assert.deepEqual(found, expected);
});

/** Waits until a process with telemetry is seen by its files and by what it sends, or fails. */
async function seesTelemetry(): Promise<void> {
  await inFolders(async ({ env, outside }) => {
    const child = new Deno.Command(ISOLATED[0], {
      args: [...ISOLATED.slice(1), Deno.execPath(), "run", "-q", "-A", "--no-prompt", "-"],
      cwd: ROOT,
      clearEnv: true,
      env: { ...env, DENO_NO_UPDATE_CHECK: "1" },
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    try {
      const stdin = child.stdin.getWriter();
      await stdin.write(new TextEncoder().encode(WITH_TELEMETRY));
      await stdin.close();
      const deadline = performance.now() + PATIENCE_MS;
      // A file shows that the process is in its namespace: only then are the counters its own.
      const seen = async () =>
        filesIn(outside).some((path) => path.endsWith("deviceid")) &&
        (await sent(child.pid)).noRoute > 0;
      while (!await seen()) {
        assert.ok(
          performance.now() < deadline,
          "no telemetry was seen, so its absence elsewhere proves nothing",
        );
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    } finally {
      try {
        child.kill("SIGKILL");
      } catch {
        // it has ended by itself, and the loop above has failed
      }
      await child.status;
    }
  });
}

/** What a process's network namespace has tried to send since it was made. */
interface Sent {
  /** Attempts to reach an address to which no route leads. */
  noRoute: number;
  /** UDP datagrams sent. */
  datagrams: number;
  /** TCP connections opened. */
  connections: number;
}

async function sent(pid: number): Promise<Sent> {
  // Deno itself reads files of /proc only for programs with every permission.
  const { stdout } = await new Deno.Command("cat", {
    args: ["snmp", "snmp6"].map((name) => `/proc/${pid}/net/${name}`),
  }).output();
  const counters = new Map<string, number>();
  const lines = new TextDecoder().decode(stdout).split("\n").map((line) =>
    line.trim().split(/\s+/)
  );
  for (const [i, [name, ...values]] of lines.entries()) {
    if (!name.endsWith(":")) counters.set(name, Number(values[0]));
    else if (lines[i + 1]?.[0] === name) { // a line of names, then a line of values
      for (const [j, field] of values.entries()) {
        counters.set(name + field, Number(lines[i + 1][1 + j]));
      }
    }
  }
  const sum = (...names: string[]) =>
    names.reduce((total, name) => {
      const value = counters.get(name);
      assert.ok(value !== undefined, `no counter ${name} of process ${pid}`);
      return total + value;
    }, 0);
  return {
    noRoute: sum("Ip:OutNoRoutes", "Ip6OutNoRoutes"),
    datagrams: sum("Udp:OutDatagrams", "Udp6OutDatagrams"),
    connections: sum("Tcp:ActiveOpens"),
  };
}

/** What {@linkcode inFolders} makes. */
interface Folders {
  env: Record<string, string>;
  data: string;
  outside: string;
}

/**
 * Runs with two temporary folders: `data`, and `outside`, which holds the home, cache and temporary
 * folders that `env` names. `env` is a whole environment: no variable in it says that this is a
 * test (`CI` and the like switch the telemetry off) or switches the telemetry off by itself. Only
 * Deno's own cache stays where it is, since it holds the npm packages; it is not looked at.
 */
async function inFolders(
  run: (folders: Folders) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const [data, outside] = ["data", "outside"].map((name) => join(dir, name));
    const env: Record<string, string> = { DENO_DIR: await denoDir() };
    for (const name of ["PATH", "SYSTEMROOT"]) {
      const value = Deno.env.get(name);
      if (value !== undefined) env[name] = value;
    }
    const own = {
      home: ["HOME", "USERPROFILE"],
      cache: ["XDG_CACHE_HOME", "LOCALAPPDATA"],
      config: ["XDG_CONFIG_HOME", "APPDATA"],
      state: ["XDG_STATE_HOME", "XDG_DATA_HOME"],
      tmp: ["TMPDIR", "TMP", "TEMP"],
    };
    for (const [folder, variables] of Object.entries(own)) {
      const path = join(outside, folder);
      await Deno.mkdir(path, { recursive: true });
      for (const name of variables) env[name] = path;
    }
    await run({ env, data, outside });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Paths of all files in a folder and in the folders in it. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    return isDirectory ? filesIn(path) : [path];
  });
}
