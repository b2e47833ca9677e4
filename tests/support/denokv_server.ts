/**
 * A real denokv server, in a process of its own, behind a proxy that loses answers.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "./find_program.ts";
import { freePorts } from "./free_ports.ts";
import { LossyHttpProxy } from "./lossy_http_proxy.ts";
import { type KvServer, Losses } from "./registry_kv_world.ts";

/** Where `denokv` is; undefined: it is not on the PATH. */
export const DENOKV: string | undefined = await findProgram("denokv");

const TOKEN = "a-token-of-the-tests";
/** Milliseconds for the server to answer after it was started. */
const PATIENCE_MS = 20_000;

/** Starts a server over a new database. This process speaks to it from now on by its token. */
export async function startDenokv(): Promise<KvServer> {
  Deno.env.set("DENO_KV_ACCESS_TOKEN", TOKEN);
  const folder = await Deno.makeTempDir({ prefix: "orrery-denokv-" });
  const [port] = await freePorts(1);
  const losses = new Losses();
  const proxy = await LossyHttpProxy.open({
    target: () => port,
    losses,
    isWrite: (path) => path.endsWith("/atomic_write"),
    http2: true,
  });
  const start = async () => {
    const child = new Deno.Command(DENOKV!, {
      args: [
        ...["--sqlite-path", `${folder}/data.sqlite`, "serve"],
        ...["--access-token", TOKEN, "--addr", `127.0.0.1:${port}`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        await (await fetch(`http://127.0.0.1:${port}/`)).body?.cancel();
        return child;
      } catch (error) {
        if (performance.now() > end) throw error;
        await sleep(20);
      }
    }
  };
  let child = await start();
  const stop = async () => {
    child.kill("SIGKILL");
    await child.status;
  };
  return {
    url: `http://127.0.0.1:${proxy.port}`,
    losses,
    async restart() {
      await stop();
      child = await start();
    },
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
