/**
 * Ends a node when the npx that started it is gone.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./end_with_npx.sh", import.meta.url));

/**
 * Where npx started this process (it sets the variable `npm_command`), starts a shell script that
 * ends this process by SIGTERM when npx has ended. The script goes on when another program takes
 * this process's place, and ends with that. On Windows there are no such signals: nothing happens.
 */
export function endWithNpx(): void {
  if (Deno.build.os === "windows" || Deno.env.get("npm_command") !== "exec") return;
  new Deno.Command("/bin/sh", {
    args: [SCRIPT, String(Deno.pid)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().unref();
}
