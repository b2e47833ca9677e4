/**
 * The scripted models of `tests/support/scripted_tools_node.ts`, in a process of their own, as they
 * have other packages than the clients.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Base URLs by family; disposing of it ends the process. */
export interface ToolNodes extends AsyncDisposable {
  urls: Record<string, string>;
}

/** Starts the process and waits until it serves. */
export async function startToolNodes(): Promise<ToolNodes> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "-q",
      "--config",
      `${root}deno.json`,
      `${root}tests/support/scripted_tools_node.ts`,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  while (!line.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the scripted models ended before they served");
    line += value;
  }
  return {
    urls: JSON.parse(line),
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      while (!(await reader.read()).done);
      await child.status;
    },
  };
}
