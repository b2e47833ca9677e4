/**
 * A node in a process of its own, and the processor time that a process takes (Linux: `/proc`).
 *
 * @module
 */
import { join } from "node:path";

/** Longest time until a node answers, in milliseconds. */
const START_MS = 120_000;
/** Clock ticks a second in `/proc/PID/stat`: the kernel's USER_HZ, 100 on every Linux platform. */
const TICKS_PER_S = 100;
/** State of a socket that listens, in `/proc/net/tcp`. */
const LISTENING = "0A";

/** A node that was started. */
export interface NodeProcess extends AsyncDisposable {
  /** Base URL of its API, without a final slash. */
  url: string;
  pid: number;
}

/** Starts the node of the checkout at `root` and waits until it answers. */
export async function startNode({ root, options }: {
  /** Folder of the checkout. */
  root: string;
  /** Options of `deno task start`, besides the ports. */
  options: string[];
}): Promise<NodeProcess> {
  // Checkouts of before 29 November 2026 have no launcher.
  const launcher = await Deno.stat(join(root, "runtime/cli/launch.ts")).catch(() => undefined);
  const [permissions, script] = launcher ? ["-P=launch", "launch.ts"] : ["-P=node", "start.ts"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", permissions, "--no-prompt", "--config", join(root, "deno.json")],
      join(root, "runtime/cli", script),
      ...["--port", "0", "--mailbox-port", "0", ...options],
    ],
    cwd: root,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const kill = () => {
    try {
      child.kill("SIGTERM");
    } catch { /* it has ended */ }
  };
  globalThis.addEventListener("unload", kill); // a benchmark that is interrupted leaves no node
  const stop = async () => {
    globalThis.removeEventListener("unload", kill);
    kill();
    await child.status;
  };
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the node ended before it answered:\n${said}`);
      said += value;
      const url = /API\S*\s+(http:\S+)\/v1/.exec(said)?.[1];
      if (!url || !/ready\S*\s+\S+: /.test(said)) continue;
      void (async () => {
        while (!(await reader.read()).done); // a full pipe would stop the node
      })();
      // The launcher starts the node as a process of its own.
      return { url, pid: await pidAt(url) ?? child.pid, [Symbol.asyncDispose]: stop };
    }
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Milliseconds of processor time, user and system, that all threads of a process have taken;
 * undefined: there is no such process here.
 */
export async function processorMs(pid: number | "self"): Promise<number | undefined> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name of the program, in parentheses, may hold spaces: fields are counted behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 1000 / TICKS_PER_S * (Number(fields[11]) + Number(fields[12]));
}

/** The process of this machine that listens at the URL's port; undefined: it is not found. */
export async function pidAt(url: string): Promise<number | undefined> {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, "0");
  const sockets = new Set<string>();
  for (const table of ["tcp", "tcp6"]) {
    const text = await Deno.readTextFile(`/proc/net/${table}`).catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === LISTENING && fields[1].endsWith(`:${port}`)) {
        sockets.add(`socket:[${fields[9]}]`);
      }
    }
  }
  if (sockets.size === 0) return undefined;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      for (const fd of Deno.readDirSync(`/proc/${name}/fd`)) {
        if (sockets.has(Deno.readLinkSync(`/proc/${name}/fd/${fd.name}`))) return Number(name);
      }
    } catch { /* it has ended, or is another user's */ }
  }
  return undefined;
}
