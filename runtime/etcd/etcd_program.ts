/**
 * The `etcd` of this machine: whether it is there, and which version it has.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { registryError } from "../../actors/mod.ts";

/** The script that runs etcd; the node has permission to run this one file. */
export const RUN_ETCD: string = fileURLToPath(new URL("./run_etcd.sh", import.meta.url));

/** The earliest version whose members can be learners, and which takes 1-second leases. */
const OLDEST = [3, 4] as const;
/** Milliseconds for etcd to say its version. */
const PATIENCE_MS = 10_000;

/**
 * The version of the `etcd` on the PATH. Throws `registry/no_etcd` when there is none that can be
 * used; the message says what to install.
 */
export async function etcdVersion(): Promise<string> {
  const text = await run().catch((error) => {
    throw noEtcd(`it cannot be started: ${error.message}`, error);
  });
  if (text === undefined) throw noEtcd("there is none on the PATH");
  const [version, major, minor] = /etcd Version: (\d+)\.(\d+)[\w.+-]*/.exec(text) ?? [];
  if (version === undefined) throw noEtcd(`it does not say its version: ${text.slice(0, 80)}`);
  const found = version.slice("etcd Version: ".length);
  if (Number(major) < OLDEST[0] || Number(major) === OLDEST[0] && Number(minor) < OLDEST[1]) {
    throw noEtcd(`it is ${found}, and ${OLDEST.join(".")} or later is needed`);
  }
  return found;
}

async function run(): Promise<string | undefined> {
  if (Deno.build.os === "windows") return undefined; // the script needs a POSIX shell
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const child = new Deno.Command(RUN_ETCD, {
    args: ["--version"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    signal,
  }).spawn();
  try {
    const { code, stdout } = await child.output();
    return code === 127 ? undefined : new TextDecoder().decode(stdout);
  } finally {
    await child.stdin.close().catch(() => {});
  }
}

function noEtcd(why: string, cause?: unknown): Error {
  return registryError(
    "no_etcd",
    `this node cannot run a member of etcd: ${why}; install etcd ${OLDEST.join(".")} or later, ` +
      "for example with `apt install etcd-server`, and start the node again",
    {},
    cause,
  );
}
