/**
 * The API over a scripted generator, in a process with the product's own packages.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs `body` with the base URL (without a path) of a scripted API, which then ends. */
export async function withScripted(body: (url: string) => Promise<void>): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "-P=test", "--no-prompt", "--config", `${ROOT}deno.json`],
      `${ROOT}tests/support/scripted_server.ts`,
    ],
    ...{ stdin: "piped", stdout: "piped", stderr: "inherit" },
    env: { NO_COLOR: "1" },
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let text = "";
    while (!text.includes("\n")) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the scripted server ended: ${text}`);
      text += value;
    }
    await body(text.trim());
  } finally {
    await child.stdin.close();
    await reader.cancel();
    await child.status;
  }
}
